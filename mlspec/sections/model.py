"""Options of the `model` section."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, RootModel, Tag
from pydantic_core import PydanticCustomError

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import ImportPath, usable


def _pretrained(text: str) -> str:
    outside = text.startswith(("/", "~")) or ".." in text.split("/") or "://" in text
    if outside or not text.strip() or not text.isprintable() or "\\" in text:
        raise PydanticCustomError(
            "bad-format",
            "a pretrained model is a hub id (`owner/name`) or a folder in the project",
            {"help": "for example `google/bert_uncased_L-2_H-128_A-2`, or `models/minilm`"},
        )
    return usable(text)


Share = Annotated[float, Field(ge=0, lt=1)]


class ModelSpec(SpecModel):
    """What every kind of model has."""

    type: str = Field(description="Kind of model")


class TextClassifier(ModelSpec):
    """A transformer over text, or over a pair of texts."""

    type: Literal["text-classifier"] = Field(description="Kind of model")
    pretrained: Annotated[str, AfterValidator(_pretrained)] | None = Field(
        None,
        description="Hub id or folder of a pretrained encoder; leave out to train a small one from scratch",
        examples=["google/bert_uncased_L-2_H-128_A-2"],
    )
    max_length: int = Field(128, ge=4, le=8192, description="Longest text in tokens; longer ones are cut")
    dropout: Share = Field(0.1, description="Share of units dropped in training")
    freeze: bool = Field(False, description="Train only the head of a pretrained model")
    layers: int = Field(2, ge=1, le=48, description="Layers of a model from scratch")
    hidden: int = Field(128, ge=8, le=4096, description="Width of a model from scratch")
    heads: int = Field(4, ge=1, le=64, description="Attention heads of a model from scratch")
    vocab_size: int = Field(8000, ge=100, le=200_000, description="Vocabulary of a model from scratch")
    lowercase: bool = Field(False, description="Whether a model from scratch reads capitals as small letters")


class ImageClassifier(ModelSpec):
    """A small convolutional network."""

    type: Literal["image-classifier"] = Field(description="Kind of model")
    channels: list[Annotated[int, Field(ge=1, le=2048)]] = Field(
        [32, 64], min_length=1, max_length=6, description="Width of each convolution; each halves the picture"
    )
    hidden: int = Field(128, ge=1, le=8192, description="Width of the layer before the classes")
    dropout: Share = Field(0.1, description="Share of units dropped in training")


class Tabular(ModelSpec):
    """A network over numbers and categories, for classes or for a number."""

    type: Literal["tabular"] = Field(description="Kind of model")
    hidden: list[Annotated[int, Field(ge=1, le=8192)]] = Field(
        [64, 32], min_length=1, max_length=8, description="Width of each layer"
    )
    embedding: int = Field(8, ge=1, le=512, description="Width of a category's embedding")
    dropout: Share = Field(0.1, description="Share of units dropped in training")


class Preprocessing(SpecModel):
    """A class of the project's own that prepares rows, the same in training, evaluation, export and serving."""

    class_: ImportPath = Field(
        alias="class",
        description="A class whose `__call__(rows)` returns `dict[str, np.ndarray]`, the inputs of `forward` by name, "
        "batch first. Rows are dicts of the inputs: numbers are floats (missing: NaN), texts are str (missing: empty), "
        "categories are str or None, images are uint8 arrays [channels, height, width]. Optional: `fit(rows)`, called "
        "once with the training rows, with `state()`, which returns what it computed as a dict of JSON, and "
        "`restore(state)`. Floats reach `forward` as float32, integers as int64",
        examples=["src.prep:Prep"],
    )
    args: dict[str, Any] = Field({}, description="Arguments of its `__init__`", examples=[{"bins": 10}])


class Custom(ModelSpec):
    """Any LightningModule of the project's own; its `forward(**inputs)` gives logits."""

    type: Literal["custom"] = Field("custom", description="Kind of model")
    class_: ImportPath = Field(alias="class", description="The LightningModule", examples=["src.model:CustomModel"])
    args: dict[str, Any] = Field({}, description="Arguments of its `__init__`", examples=[{"hidden": 64}])
    datamodule: ImportPath | None = Field(None, description="A LightningDataModule to train on, instead of mlspec's")
    datamodule_args: dict[str, Any] = Field(
        {}, description="Arguments of its `__init__`, which also gets `preprocess`, mlspec's, where it takes it"
    )
    preprocess: Literal["mlspec", "none"] | Preprocessing | None = Field(
        None,
        description="What `forward` gets in evaluation, export and serving: numbers and pixels standardised (`mlspec`) "
        "or as they stand in the data (`none`, pixels 0..255, a missing number NaN), with texts as token ids and "
        "categories as indices in both; or what a class of the project returns (`class`, `args`). "
        "Required beside `datamodule`; otherwise `mlspec`",
    )
    compare_inputs: bool = Field(
        True,
        description="Whether training stops where `forward` gets other inputs than evaluation will give it, or rows "
        "of the test split; `false` only warns: the difference is intended",
    )
    max_length: int = Field(128, ge=4, le=8192, description="Longest text in tokens, where an input is text")
    vocab_size: int = Field(8000, ge=100, le=200_000, description="Vocabulary, where an input is text")

    @property
    def prepares(self) -> str | None:
        """The import path of the project's own preprocessing."""
        return self.preprocess.class_ if isinstance(self.preprocess, Preprocessing) else None

    @property
    def code(self) -> tuple[str | None, ...]:
        """The import paths that training loads."""
        return (self.class_, self.datamodule, self.prepares)


def _kind(value: Any) -> str | None:
    if isinstance(value, Mapping):
        return value.get("type") or ("custom" if "class" in value else None)
    return getattr(value, "type", None)


class AnyModel(
    RootModel[
        Annotated[
            Annotated[TextClassifier, Tag("text-classifier")]
            | Annotated[ImageClassifier, Tag("image-classifier")]
            | Annotated[Tabular, Tag("tabular")]
            | Annotated[Custom, Tag("custom")],
            Discriminator(_kind),
        ]
    ]
):
    """The model: one of mlspec's own, or a LightningModule of the project's."""
