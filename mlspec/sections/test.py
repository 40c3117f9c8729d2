"""Options of the `test` section."""

from collections.abc import Collection
from typing import Literal

from pydantic import Field

from mlspec.sections.data import InputType
from mlspec.spec.spec_model import SpecModel

Perturbation = Literal[
    "typos", "case", "punctuation", "whitespace", "accents", "noise", "brightness", "shift", "missing"
]
FITS: dict[Perturbation, tuple[InputType, ...]] = {
    "typos": ("text",),
    "case": ("text",),
    "punctuation": ("text",),
    "whitespace": ("text",),
    "accents": ("text",),
    "noise": ("number", "image"),
    "brightness": ("image",),
    "shift": ("image",),
    "missing": ("category", "number"),
}
"""The inputs that each perturbation disturbs."""


def fitting(kinds: Collection[InputType]) -> list[Perturbation]:
    """The perturbations of inputs of these kinds, but for `missing`: it takes away what the answer may hang on."""
    return [name for name, wanted in FITS.items() if set(kinds) & set(wanted) and name != "missing"]


class Robustness(SpecModel):
    """Small disturbances of the test rows, and how many answers must stay."""

    perturbations: list[Perturbation] = Field(
        [],
        description="What to disturb; default: all that fit the inputs, but for `missing`",
        examples=[["typos", "case"]],
    )
    min_agreement: float = Field(0.9, gt=0, le=1, description="Share of the answers that must stay, for each of them")
    strength: float = Field(1.0, gt=0, le=10, description="How much more than a slip of the pen")
    tolerance: float = Field(
        0.1, gt=0, description="For a number: how far an answer may move, as a part of the spread of all answers"
    )
    sample: int = Field(500, ge=1, description="At most this many test rows are disturbed")
    seed: int = Field(0, ge=0, description="Seed of the sample and of the disturbances")


class Pytest(SpecModel):
    """The tests in `tests/`: those that mlspec writes, and the project's own."""

    select: str = Field("", description="Marker expression of the tests to run", examples=["not slow"])
    args: list[str] = Field([], description="More arguments for pytest", examples=[["-x"]])


class TestSpec(SpecModel):
    """Tests of the data, the model and the bundle."""

    # pytest would collect it as a class of tests.
    __test__ = False

    robustness: Robustness | None = Field(
        None, description="Small disturbances of the test rows, and how many answers must stay"
    )
    pytest: Pytest = Field(Pytest(), description="The tests in `tests/`")
