"""Options of the `data` section."""

import io
import posixpath
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from mlspec.sections import addresses
from mlspec.sections.addresses import Source
from mlspec.sections.target import Target
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import ProjectPath

SPLITS = ("train", "valid", "test")
ENDINGS = {"csv": "csv", "tsv": "tsv", "tab": "tsv", "parquet": "parquet", "jsonl": "jsonl", "ndjson": "jsonl",
           "json": "json"}  # fmt: skip
PACKED = ("gz", "bz2", "xz", "zst")
"""Endings of compressed files, which stand behind the ending of what is in them."""
NULLS = ("", "NA", "NaN", "nan", "null", "NULL")
"""What a csv or tsv file may write for a missing value, unless `format.nulls` says otherwise."""
MAYBE = (*NULLS, "None", "N/A", "n/a", "#N/A", "<NA>")
"""What a category or a label of a csv or tsv file may write for a missing value: the spec is asked for."""
PICTURES = (
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "bmp", "dib", "gif", "webp", "tif", "tiff",
    "ppm", "pgm", "pbm", "pnm", "avif", "jp2", "j2k",
)  # fmt: skip
"""Endings of images that are read."""

Share = Annotated[float, Field(ge=0, lt=1)]
"""A part of the rows."""

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""A SHA-256, in small hexadecimal digits."""


def _encoding(text: str) -> str:
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=text)
    except (LookupError, ValueError):
        raise PydanticCustomError(
            "bad-format", "there is no text encoding of that name", {"help": "for example utf-8, latin-1 or cp1252"}
        ) from None
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise PydanticCustomError(
            "bad-format",
            "this is no regular expression: {why}",
            {"why": str(error), "help": "the syntax is Python's; write it in single quotes"},
        ) from None
    return text


def _remote(text: str) -> str:
    if not text.strip() or not text.isprintable() or "%(" in text or ('"' in text and "'" in text):
        # What DVC's configuration cannot hold: it knows no escapes, and `%(` is its own.
        help = "for example s3://my-bucket/dvc"
        raise PydanticCustomError("bad-format", "a remote is an address or a path, on one line", {"help": help})
    return text


def _colour(text: str) -> str:
    if text not in ("white", "black") and not re.fullmatch("#[0-9a-f]{6}", text):
        help = "for example black or '#808080', in small letters and quotes"
        raise PydanticCustomError("bad-format", "a colour is white, black or #rrggbb", {"help": help})
    return text


InputType = Literal["text", "number", "category", "image"]


class Input(SpecModel):
    """One input of the model: a column of the data."""

    type: InputType = Field(description="What the column holds")
    height: int | None = Field(
        None, ge=1, le=4096, description="Height in pixels that images are brought to; default: the most frequent"
    )
    width: int | None = Field(
        None, ge=1, le=4096, description="Width in pixels that images are brought to; default: the most frequent"
    )
    channels: Literal[1, 3] | None = Field(
        None, description="1 for grey images, 3 for colour; default: 3 where any image of the training data has colour"
    )
    background: Annotated[str, AfterValidator(_colour)] | None = Field(
        None,
        description="Colour behind the transparent pixels of an image; default: white",
        examples=["black", "#808080"],
    )


class Format(SpecModel):
    """How the source is written. Left out, the file name says it."""

    type: Literal["csv", "tsv", "parquet", "jsonl", "json", "images"] | None = Field(
        None, description="Kind of file; by default from the file name's ending"
    )
    columns: list[str] | None = Field(
        None, min_length=1, description="Names of the columns of a csv or tsv file without a header"
    )
    header: bool | None = Field(
        None, description="Whether the first line holds the columns' names; default: yes, unless `columns` names them"
    )
    delimiter: str | None = Field(None, min_length=1, max_length=1, description="Column separator of a csv file")
    decimal: Literal[".", ","] | None = Field(
        None, description="Decimal separator of numbers written as text; default: a point"
    )
    thousands: Literal[",", ".", " ", "'", "_"] | None = Field(
        None, description="Thousands separator of numbers written as text; default: none"
    )
    escape: Annotated[str, Field(max_length=1)] | None = Field(
        None, description='Character before a quote inside a quoted csv value; `""` for none', examples=["\\"]
    )
    trim: bool | None = Field(
        None, description="Whether spaces around column names and text values are removed; must be set where they occur"
    )
    quoting: bool | None = Field(
        None, description="Whether values may stand in double quotes; default: csv yes, tsv no"
    )
    encoding: Annotated[str, AfterValidator(_encoding)] = Field(
        "utf-8", description="Text encoding of csv, tsv, json and jsonl files", examples=["cp1252"]
    )
    nulls: list[str] | None = Field(
        None,
        description="Texts that mean a missing value. Empty values always do; default: NA, NaN, nan, null and NULL in "
        "numbers, while a category that contains one of them must be decided here",
        examples=[["", "NA"]],
    )
    images: ProjectPath | None = Field(
        None,
        description="Folder that the paths in an image column start from; default: the folder of the file they are in",
    )


class Split(SpecModel):
    """How rows are divided into train, valid and test: by fractions, by a column, or by files of their own."""

    valid: Share | Source = Field(0.1, description="Share of the rows for validation, or a file of its own")
    test: Share | Source = Field(0.1, description="Share of the rows for the test, or a file of its own")
    seed: int = Field(0, ge=0, description="Seed of the division")
    stratify: bool = Field(True, description="Keep the shares of the classes equal in all splits")
    group: str | None = Field(None, description="Column whose equal values stay in one split")
    column: str | None = Field(None, description="Column that names each row's split: train, valid or test")


class Check(SpecModel):
    """What every value of a column must satisfy. Missing values fail only `not_null`."""

    not_null: bool = Field(False, description="No value is missing")
    unique: bool = Field(False, description="No value occurs twice")
    min: float | None = Field(None, description="Smallest number")
    max: float | None = Field(None, description="Largest number")
    min_length: int | None = Field(None, ge=0, description="Shortest text, in characters")
    max_length: int | None = Field(None, ge=0, description="Longest text, in characters")
    one_of: list[str | int | float | bool] | None = Field(None, alias="in", description="The only values allowed")
    matches: Annotated[str, AfterValidator(_pattern)] | None = Field(
        None, description="Regular expression that the whole text matches", examples=["[A-Z].*"]
    )


class RowCheck(SpecModel):
    """What the rows as a whole must satisfy."""

    min: int | None = Field(None, ge=1, description="Fewest rows")
    max: int | None = Field(None, ge=1, description="Most rows")
    duplicates: bool = Field(True, description="Whether two equal rows may occur")


class Checks(SpecModel):
    """Checks by column."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Check] = Field(init=False)

    rows: RowCheck | None = Field(None, description="What the rows as a whole must satisfy")

    @property
    def columns(self) -> dict[str, Check]:
        """The checks of each column."""
        return self.__pydantic_extra__


class DataSpec(SpecModel):
    """Data: where it comes from, what it must satisfy and how it is split."""

    source: Source = Field(
        description="A path or glob in the project, an https:// or s3:// address, or a callable `src.data:load`",
        examples=["data/train.csv", "data/images/*/*.png", "s3://bucket/train.parquet", "src.data:load"],
    )
    sha256: Digest | dict[Literal["train", "valid", "test"], Digest] | None = Field(
        None, description="Digest that the fetched source must have; or one for each split that is fetched"
    )
    deps: list[ProjectPath] = Field(
        [], description="Files and folders that a callable reads: when they change, the data is made again"
    )
    format: Format = Field(default_factory=Format, description="How the source is written")
    inputs: dict[str, InputType | Input] = Field(
        min_length=1, description="Inputs of the model: column name to its type", examples=[{"sentence": "text"}]
    )
    target: Target = Field(description="What the model predicts")
    split: Split = Field(default_factory=Split, description="How rows are divided into train, valid and test")
    checks: Checks = Field(
        default_factory=lambda: Checks(rows=None),
        description="What columns must satisfy, by name; `rows` speaks of the rows as a whole",
    )
    remote: Annotated[str, AfterValidator(_remote)] | None = Field(
        None, description="DVC remote for data and models", examples=["s3://my-bucket/dvc", "../dvc-storage"]
    )
    track: Literal["dvc", "git"] = Field("dvc", description="Who keeps the raw files: DVC, or git for small ones")

    @property
    def columns(self) -> dict[str, Input]:
        """Every input in its long form."""
        return {name: Input(type=i) if isinstance(i, str) else i for name, i in self.inputs.items()}

    @property
    def task(self) -> Literal["classification", "regression"]:
        """What kind of prediction the target asks for."""
        return "classification" if self.target.type == "class" else "regression"

    @property
    def kind(self) -> Literal["local", "remote", "callable"]:
        """Where the source lies."""
        if addresses.is_remote(self.source):
            return "remote"
        return "callable" if addresses.is_callable(self.source) else "local"

    @property
    def sources(self) -> dict[str, str]:
        """What the spec names for all rows (`""`), and for each split that has files of its own."""
        own = {split: value for split in ("valid", "test") if isinstance(value := getattr(self.split, split), str)}
        return {"": self.source} | own

    @property
    def remotes(self) -> dict[str, tuple[str, str]]:
        """What has to be fetched: the address, and where it is put in the project, by the keys of `sources`."""
        return {
            name: (source, posixpath.join("data/raw", name, addresses.file_name(source)))
            for name, source in self.sources.items()
            if addresses.is_remote(source)
        }

    @property
    def fetched(self) -> str:
        """Where a remote source is put, relative to the project."""
        return "data/raw/" + addresses.file_name(self.source)

    def digest(self, name: str) -> str | None:
        """The SHA-256 that a fetched source must have, by the keys of `sources`."""
        given = self.sha256
        if isinstance(given, dict):
            return next((digest for split, digest in given.items() if split == (name or "train")), None)
        return given if name == "" else None

    @property
    def files(self) -> dict[str, str]:
        """Paths and globs to read, in the project, by the keys of `sources`; a callable has none."""
        places = {name: source for name, source in self.sources.items() if not addresses.is_callable(source)}
        return places | {name: path for name, (_, path) in self.remotes.items()}

    @property
    def holds_paths(self) -> bool:
        """Whether images may lie in files of their own, named by a column."""
        return self.written_as != "images" and any(i.type == "image" for i in self.columns.values())

    @property
    def written_as(self) -> str:
        """The kind of file: as given, or from the file name's ending; `""` where that says nothing."""
        if self.format.type:
            return self.format.type
        name = self.files.get("", "").lower()
        if addresses.many(self.source):
            name = self.source.lower()
        name = re.sub(r"\[([a-z])\1\]", r"\1", name)  # `[cC]` of a pattern for both cases
        stem, _, ending = name.rpartition(".")
        if ending in PACKED:
            ending = stem.rpartition(".")[2]
        if any(i.type == "image" for i in self.columns.values()) and ending not in ENDINGS:
            return "images"
        return ENDINGS.get(ending, "")
