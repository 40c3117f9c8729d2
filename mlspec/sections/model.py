"""Options of the `model` section."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
)
from pydantic_core import PydanticCustomError

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import ImportPath, null_as, usable


def _pretrained(text: str) -> str:
    outside = text.startswith(("/", "~")) or ".." in text.split("/") or "://" in text
    if outside or not text.strip() or not text.isprintable() or "\\" in text:
        raise PydanticCustomError(
            "bad-format",
            "a pretrained model is a Hugging Face Hub ID (`owner/name`) or a folder in the project",
            {"help": "for example `google/bert_uncased_L-2_H-128_A-2`, or `models/minilm`"},
        )
    return usable(text)


Share = Annotated[float, Field(ge=0, lt=1)]


class ModelSpec(SpecModel):
    """Keys of every model type."""

    type: str = Field(description="Model type")
    trust: bool = Field(
        False,
        description="Load pickles that the spec names (`.pt`, `.pkl`, `pytorch_model.bin`): a pickle can run any code. "
        "By default only formats without code are loaded, such as safetensors",
    )

    @model_serializer(mode="wrap")
    def _without_default_trust(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        """The values without `trust: false`, which changes no model, so that no stage runs again because of it."""
        values: dict[str, object] = handler(self)
        return values if self.trust else {key: value for key, value in values.items() if key != "trust"}


class TextClassifier(ModelSpec):
    """A transformer for a text or a pair of texts."""

    type: Literal["text-classifier"] = Field(description="Model type")
    pretrained: Annotated[str, AfterValidator(_pretrained)] | None = Field(
        None,
        description="Hugging Face Hub ID or folder of a pretrained encoder; default: train a small one from scratch",
        examples=["google/bert_uncased_L-2_H-128_A-2"],
    )
    max_length: int = Field(128, ge=4, le=8192, description="Maximum length in tokens; longer texts are truncated")
    dropout: Share = Field(0.1, description="Dropout rate")
    freeze: bool = Field(False, description="Freeze the pretrained encoder and train only the head")
    layers: int = Field(2, ge=1, le=48, description="Number of layers of a model trained from scratch")
    hidden: int = Field(128, ge=8, le=4096, description="Hidden size of a model trained from scratch")
    heads: int = Field(4, ge=1, le=64, description="Attention heads of a model trained from scratch")
    vocab_size: int = Field(8000, ge=100, le=200_000, description="Vocabulary size of a model trained from scratch")
    lowercase: bool = Field(False, description="Convert texts to lowercase, for a model trained from scratch")


class ImageClassifier(ModelSpec):
    """A small convolutional network."""

    type: Literal["image-classifier"] = Field(description="Model type")
    channels: list[Annotated[int, Field(ge=1, le=2048)]] = Field(
        [32, 64],
        min_length=1,
        max_length=6,
        description="Output channels of each convolution; each halves the image size",
    )
    hidden: int = Field(128, ge=1, le=8192, description="Size of the last hidden layer")
    dropout: Share = Field(0.1, description="Dropout rate")


class Tabular(ModelSpec):
    """A feed-forward network for numbers and categories; predicts classes or a number."""

    type: Literal["tabular"] = Field(description="Model type")
    hidden: list[Annotated[int, Field(ge=1, le=8192)]] = Field(
        [64, 32], min_length=1, max_length=8, description="Size of each hidden layer"
    )
    embedding: int = Field(8, ge=1, le=512, description="Embedding size of a category")
    dropout: Share = Field(0.1, description="Dropout rate")


class Preprocessing(SpecModel):
    """A class of the project that prepares rows, the same in training, evaluation, export and serving."""

    class_: ImportPath = Field(
        alias="class",
        description="A class whose `__call__(rows)` returns `dict[str, np.ndarray]`, the inputs of `forward` by name, "
        "batch first. Rows are dicts of the inputs: numbers are floats (missing: NaN), texts are str (missing: empty), "
        "categories are str or None, images are uint8 arrays [channels, height, width]. Optional: `fit(rows)`, called "
        "once with the training rows, `state()`, which returns its result as a JSON-serialisable dict, and "
        "`restore(state)`. Floats reach `forward` as float32, integers as int64",
        examples=["src.prep:Prep"],
    )
    args: dict[str, Any] = Field({}, description="Arguments of its `__init__`", examples=[{"bins": 10}])


class Custom(ModelSpec):
    """A LightningModule of the project; its `forward(**inputs)` returns logits."""

    type: Literal["custom"] = Field("custom", description="Model type")
    class_: ImportPath = Field(
        alias="class", description="Import path of the LightningModule", examples=["src.model:CustomModel"]
    )
    args: dict[str, Any] = Field({}, description="Arguments of its `__init__`", examples=[{"hidden": 64}])
    datamodule: Annotated[ImportPath | Literal["mlspec"], null_as("mlspec")] = Field(
        "mlspec",
        description="Import path of a LightningDataModule for training; `mlspec`: mlspec's own",
        examples=["src.data:Pairs"],
    )
    datamodule_args: dict[str, Any] = Field(
        {},
        description="Arguments of the data module's `__init__`; `preprocess` is passed too if it is a parameter",
    )
    preprocess: Annotated[Literal["mlspec", "none"] | Preprocessing, null_as("mlspec")] = Field(
        "mlspec",
        description="Inputs of `forward` in evaluation, export and serving: numbers and pixels standardised (`mlspec`) "
        "or raw (`none`: pixels 0..255, a missing number is NaN), with texts as token IDs and categories as indices "
        "in both cases; or what a class of the project returns (`class`, `args`). "
        "Required with a `datamodule` of the project",
    )
    compare_inputs: bool = Field(
        True,
        description="Fail training if the inputs of `forward` differ from those of evaluation, or contain rows of the "
        "test split; `false` only warns, for differences that are intended",
    )
    max_length: int = Field(128, ge=4, le=8192, description="Maximum length of text inputs in tokens")
    vocab_size: int = Field(8000, ge=100, le=200_000, description="Vocabulary size for text inputs")

    @property
    def loader(self) -> str | None:
        """The import path of the project's data module."""
        return None if self.datamodule == "mlspec" else self.datamodule

    @property
    def prepares(self) -> str | None:
        """The import path of the project's preprocessing class."""
        return self.preprocess.class_ if isinstance(self.preprocess, Preprocessing) else None

    @property
    def code(self) -> tuple[str | None, ...]:
        """The import paths that training loads."""
        return (self.class_, self.loader, self.prepares)


def _kind(value: object) -> str | None:
    if isinstance(value, Mapping):
        return value.get("type") or ("custom" if "class" in value else None)
    return getattr(value, "type", None)


class AnyModel(RootModel):  # type: ignore[type-arg] # one with arguments is built at import, another time as their base
    """The model: one of mlspec's model types, or a LightningModule of the project."""

    model_config = ConfigDict(defer_build=True)

    root: Annotated[
        Annotated[TextClassifier, Tag("text-classifier")]
        | Annotated[ImageClassifier, Tag("image-classifier")]
        | Annotated[Tabular, Tag("tabular")]
        | Annotated[Custom, Tag("custom")],
        Discriminator(_kind),
    ]
