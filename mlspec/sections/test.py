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
"""The input types that each perturbation applies to."""


def fitting(kinds: Collection[InputType]) -> list[Perturbation]:
    """The perturbations for inputs of these types, without `missing`: it removes what a prediction may depend on."""
    return [name for name, types in FITS.items() if set(kinds) & set(types) and name != "missing"]


class Robustness(SpecModel):
    """Robustness test: small perturbations of test rows, and the fraction of predictions that must not change."""

    perturbations: list[Perturbation] = Field(
        [],
        description="Perturbations to apply; default: all that apply to the inputs, except `missing`",
        examples=[["typos", "case"]],
    )
    min_agreement: float = Field(
        0.9, gt=0, le=1, description="Fraction of predictions that must not change, for each perturbation"
    )
    strength: float = Field(
        1.0,
        gt=0,
        le=10,
        description="Strength of the perturbations; 1 is a typo in 4% of the letters, or noise of 5% of the spread",
    )
    tolerance: float = Field(
        0.1, gt=0, description="For a number: how far a prediction may move, relative to the spread of all predictions"
    )
    sample: int = Field(500, ge=1, description="Largest number of test rows to perturb")
    seed: int = Field(0, ge=0, description="Random seed of the sample and the perturbations")


class Pytest(SpecModel):
    """The tests in `tests/`: generated ones and the project's own."""

    select: str = Field("", description="Marker expression of the tests to run", examples=["not slow"])
    args: list[str] = Field([], description="Additional arguments of pytest", examples=[["-x"]])


class TestSpec(SpecModel):
    """Tests of the data, the model and the bundle."""

    # pytest would collect it as a test class.
    __test__ = False

    robustness: Robustness | None = Field(
        None, description="Small perturbations of test rows, and the fraction of predictions that must not change"
    )
    pytest: Pytest = Field(Pytest(), description="The tests in `tests/`")
