"""Options of the `test` section."""

from collections.abc import Collection
from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from mlspec.sections.data import InputType
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import ProgramPath

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


Fraction = Annotated[float, Field(ge=0, le=1)]

Recipe = Literal["deepwordbug", "pruthi"]
"""The attacks of TextAttack that need neither a download nor another model."""


class TextAttack(SpecModel):
    """Adversarial attacks of TextAttack: typos, chosen one by one until the prediction of a test row changes."""

    recipes: list[Recipe] = Field(
        ["deepwordbug"],
        min_length=1,
        description="Attacks to run; deepwordbug changes letters of the most important words, pruthi of one word",
        examples=[["deepwordbug", "pruthi"]],
    )
    min_accuracy: Fraction | None = Field(
        None,
        description="Smallest accuracy under attack, for each recipe: the fraction of rows that are predicted "
        "correctly and that no attack changes; default: only reported",
    )
    sample: int = Field(100, ge=1, description="Largest number of test rows to attack")
    max_queries: int = Field(
        1000, ge=10, description="Largest number of predictions per attacked row; the attack then counts as failed"
    )
    seed: int = Field(0, ge=0, description="Random seed of the sample and the attacks")
    python: ProgramPath = Field(
        ".mlspec/textattack/bin/python",
        description="Python of the environment with TextAttack, which cannot be installed beside mlspec; "
        "`mlspec doctor` shows how to create it",
    )


class DataLimits(SpecModel):
    """Limits of the tests of the data, as fractions of the rows. A limit that is not set becomes a warning."""

    max_shared: Fraction | None = Field(
        None,
        description="Largest fraction of the rows of valid and test that are also in train, identical or nearly; "
        "default: as many as repeated rows in train explain, and 5%",
    )
    max_repeated: Fraction | None = Field(None, description="Largest fraction of repeated rows in a split")
    max_contradicting: Fraction | None = Field(
        None, description="Largest fraction of the rows whose inputs also occur with another label"
    )
    max_label_errors: Fraction | None = Field(
        None,
        description="Largest fraction of test rows with a label that is probably wrong, by the model's probabilities",
    )


class Invariance(SpecModel):
    """What must not change a prediction."""

    perturbations: list[Perturbation] = Field(
        [], description="Perturbations of the inputs", examples=[["whitespace", "case"]]
    )
    columns: list[str] = Field([], description="Inputs whose values are exchanged between rows", examples=[["sex"]])
    min_agreement: float = Field(1.0, gt=0, le=1, description="Fraction of predictions that must not change")
    tolerance: float = Field(
        0.01, gt=0, description="For a number: how far a prediction may move, relative to the spread of all predictions"
    )
    sample: int = Field(200, ge=1, description="Number of test rows, from the first")


Trend = Literal["increasing", "decreasing"]


class Direction(SpecModel):
    """How a prediction moves when one number grows."""

    trend: Trend = Field(description="Direction of the predicted number, or of the probability of `label`")
    label: str | None = Field(None, min_length=1, description="Label whose probability moves; for classes")
    step: float = Field(1.0, gt=0, description="How far the input grows, in standard deviations of the training split")
    min_agreement: float = Field(
        0.95, gt=0, le=1, description="Fraction of predictions that must move in this direction, or not at all"
    )


def _form(value: object) -> str:
    """The tag of the union, so that an error is reported for one of its types only."""
    return "mapping" if isinstance(value, dict | Direction) else "text"


Expected = Annotated[Annotated[Trend, Tag("text")] | Annotated[Direction, Tag("mapping")], Discriminator(_form)]


class Load(SpecModel):
    """A short load test of the server, in a process of its own on this machine."""

    requests: int = Field(200, ge=20, le=100_000, description="Number of requests, of one row each")
    clients: int = Field(4, ge=1, le=64, description="Clients that send requests at the same time")
    p95_ms: float = Field(500.0, gt=0, description="Largest 95th percentile of the latency in milliseconds")
    max_error_rate: Fraction = Field(0.0, description="Largest fraction of requests without a prediction")


class Pytest(SpecModel):
    """The tests in `tests/`: generated ones and the project's own."""

    select: str = Field("", description="Marker expression of the tests to run", examples=["not slow"])
    args: list[str] = Field([], description="Additional arguments of pytest", examples=[["-x"]])


class TestSpec(SpecModel):
    """Tests of the data, the model and the bundle."""

    UNREAD_KEYS: ClassVar[frozenset[str]] = frozenset({"data", "invariance", "direction", "load"})

    # pytest would collect it as a test class.
    __test__ = False

    robustness: Robustness | None = Field(
        None, description="Small perturbations of test rows, and the fraction of predictions that must not change"
    )
    textattack: TextAttack | None = Field(
        None, description="Adversarial attacks of TextAttack on a text classification, and the accuracy under attack"
    )
    data: DataLimits | None = Field(None, description="Limits of the tests of the data, as fractions of the rows")
    invariance: Invariance | None = Field(None, description="What must not change a prediction")
    direction: dict[str, Expected] | None = Field(
        None,
        description="Numbers among the inputs, and how a prediction moves when they grow",
        examples=[{"area": "increasing"}, {"area": {"trend": "decreasing", "label": "flat"}}],
    )
    load: Load | None = Field(None, description="A short load test of the server, with its limits")
    pytest: Pytest = Field(Pytest(), description="The tests in `tests/`")
