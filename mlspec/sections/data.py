"""Options of the `data` section."""

import io
import posixpath
import re
from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from mlspec.sections import addresses, dagshub
from mlspec.sections.addresses import Source
from mlspec.sections.dvc_remote import DvcRemote, dvc_remote
from mlspec.sections.target import Target
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import ProjectPath

SPLITS = ("train", "valid", "test")
ENDINGS = {"csv": "csv", "tsv": "tsv", "tab": "tsv", "parquet": "parquet", "jsonl": "jsonl", "ndjson": "jsonl",
           "json": "json"}  # fmt: skip
PACKED = ("gz", "bz2", "xz", "zst")
"""Endings of compressed files, which follow the ending of their content: `.csv.gz`."""
NULLS = ("", "NA", "NaN", "nan", "null", "NULL")
"""Texts that mean a missing value in a csv or tsv file, unless `format.nulls` lists others."""
MAYBE = (*NULLS, "None", "N/A", "n/a", "#N/A", "<NA>")
"""Texts that may mean a missing category or label in a csv or tsv file: the spec has to decide."""
PICTURES = (
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "bmp", "dib", "gif", "webp", "tif", "tiff",
    "ppm", "pgm", "pbm", "pnm", "avif", "jp2", "j2k",
)  # fmt: skip
"""Endings of supported image files."""

Share = Annotated[float, Field(ge=0, lt=1)]
"""A fraction of the rows."""

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""A SHA-256 digest in lowercase hexadecimal."""


def _encoding(text: str) -> str:
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=text)
    except (LookupError, ValueError):
        raise PydanticCustomError(
            "bad-format", "unknown text encoding", {"help": "use a name that Python knows: utf-8, latin-1, cp1252"}
        ) from None
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise PydanticCustomError(
            "bad-format",
            "invalid regular expression: {why}",
            {"why": str(error), "help": "use Python's `re` syntax, in single quotes"},
        ) from None
    return text


def _remote(text: str) -> str:
    if not text.strip() or not text.isprintable() or "%(" in text or ('"' in text and "'" in text):
        # DVC's configuration has no escapes, and interpolates `%(`.
        help = "for example s3://my-bucket/dvc"
        raise PydanticCustomError(
            "bad-format", "a DVC remote is a URL or a path on one line, without `%(` and mixed quotes", {"help": help}
        )
    if text.startswith("dagshub://") and not re.fullmatch(dagshub.REPOSITORY, text.removeprefix("dagshub://")):
        help = "for example dagshub://ada/cola"
        raise PydanticCustomError("bad-format", "a remote on DagsHub is dagshub://OWNER/REPO", {"help": help})
    return text


def _colour(text: str) -> str:
    if text not in ("white", "black") and not re.fullmatch("#[0-9a-f]{6}", text):
        help = "for example black or '#808080', in lowercase and quotes"
        raise PydanticCustomError("bad-format", "a colour is `white`, `black` or `'#rrggbb'`", {"help": help})
    return text


InputType = Literal["text", "number", "category", "image"]


class Input(SpecModel):
    """One input of the model: a column of the data."""

    type: InputType = Field(description="Type of the column")
    height: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="Height in pixels that images are resized to; default: the most frequent height",
    )
    width: int | None = Field(
        None, ge=1, le=4096, description="Width in pixels that images are resized to; default: the most frequent width"
    )
    channels: Literal[1, 3] | None = Field(
        None, description="1 for grayscale, 3 for colour; default: 3 if any training image has colour"
    )
    background: Annotated[str, AfterValidator(_colour)] | None = Field(
        None,
        description="Background colour of transparent pixels; default: white",
        examples=["black", "#808080"],
    )


class Format(SpecModel):
    """The file format of the source; by default detected from the file name."""

    type: Literal["csv", "tsv", "parquet", "jsonl", "json", "images"] | None = Field(
        None, description="File format; default: from the file name extension"
    )
    columns: list[str] | None = Field(
        None, min_length=1, description="Column names of a csv or tsv file without a header"
    )
    header: bool | None = Field(
        None, description="Whether the first line contains the column names; default: true, unless `columns` is set"
    )
    delimiter: str | None = Field(None, min_length=1, max_length=1, description="Field separator of a csv file")
    decimal: Literal[".", ","] | None = Field(
        None, description="Decimal separator of numbers in text files; default: `.`"
    )
    thousands: Literal[",", ".", " ", "'", "_"] | None = Field(
        None, description="Thousands separator of numbers in text files; default: none"
    )
    escape: Annotated[str, Field(max_length=1)] | None = Field(
        None, description='Escape character before a quote inside a quoted csv value; `""` for none', examples=["\\"]
    )
    trim: bool | None = Field(
        None, description="Strip spaces around column names and text values; required if the data contains such spaces"
    )
    quoting: bool | None = Field(
        None, description="Whether values may be in double quotes; default: true for csv, false for tsv"
    )
    encoding: Annotated[str, AfterValidator(_encoding)] = Field(
        "utf-8", description="Text encoding of csv, tsv, json and jsonl files", examples=["cp1252"]
    )
    nulls: list[str] | None = Field(
        None,
        description="Texts that mean a missing value; an empty value always does. Default for numbers: NA, NaN, nan, "
        "null and NULL. If a category contains one of these, this key is required",
        examples=[["", "NA"]],
    )
    images: ProjectPath | None = Field(
        None,
        description="Folder that the paths in an image column are relative to; default: the folder of the data file",
    )


class Split(SpecModel):
    """How rows are split into train, valid and test: by fractions, by a column, or by separate files."""

    valid: Share | Source = Field(0.1, description="Fraction of the rows for validation, or a separate file")
    test: Share | Source = Field(0.1, description="Fraction of the rows for the test, or a separate file")
    seed: int = Field(0, ge=0, description="Random seed of the split")
    stratify: bool = Field(True, description="Keep the class proportions equal in all splits")
    group: str | None = Field(None, description="Column to group by: rows with the same value stay in one split")
    column: str | None = Field(None, description="Column that contains the split of each row: train, valid or test")


class Check(SpecModel):
    """Checks of every value of a column. Missing values fail only `not_null`."""

    not_null: bool = Field(False, description="Fail on missing values")
    unique: bool = Field(False, description="Fail on duplicate values")
    min: float | None = Field(None, description="Smallest allowed number")
    max: float | None = Field(None, description="Largest allowed number")
    min_length: int | None = Field(None, ge=0, description="Shortest allowed text, in characters")
    max_length: int | None = Field(None, ge=0, description="Longest allowed text, in characters")
    one_of: list[str | int | float | bool] | None = Field(None, alias="in", description="Allowed values")
    matches: Annotated[str, AfterValidator(_pattern)] | None = Field(
        None, description="Regular expression that the whole text must match", examples=["[A-Z].*"]
    )


class RowCheck(SpecModel):
    """Checks of the rows as a whole."""

    min: int | None = Field(None, ge=1, description="Smallest allowed number of rows")
    max: int | None = Field(None, ge=1, description="Largest allowed number of rows")
    duplicates: bool = Field(True, description="Whether duplicate rows are allowed")


class Checks(SpecModel):
    """Checks by column."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Check] = Field(init=False)

    rows: RowCheck | None = Field(None, description="Checks of the rows as a whole")

    @property
    def columns(self) -> dict[str, Check]:
        """The checks of each column."""
        return self.__pydantic_extra__


class DataSpec(SpecModel):
    """Data: its source, format, checks and split."""

    UNREAD_KEYS: ClassVar[frozenset[str]] = frozenset({"remote", "track"})

    source: Source = Field(
        description="A path or glob in the project, an https:// or s3:// URL, or a callable `src.data:load`",
        examples=["data/train.csv", "data/images/*/*.png", "s3://bucket/train.parquet", "src.data:load"],
    )
    sha256: Digest | dict[Literal["train", "valid", "test"], Digest] | None = Field(
        None, description="Expected SHA-256 of the downloaded source, or one for each downloaded split"
    )
    deps: list[ProjectPath] = Field(
        [], description="Files and folders that a callable reads: if they change, the data stage runs again"
    )
    format: Format = Field(default_factory=Format, description="File format of the source")
    inputs: dict[str, InputType | Input] = Field(
        min_length=1, description="Inputs of the model: column name to type", examples=[{"sentence": "text"}]
    )
    target: Target = Field(description="What the model predicts")
    split: Split = Field(default_factory=Split, description="How rows are split into train, valid and test")
    checks: Checks = Field(
        default_factory=lambda: Checks(rows=None),
        description="Checks by column name; `rows` checks the rows as a whole",
    )
    collected: ProjectPath | None = Field(
        None,
        description="Folder of labelled predictions as Parquet files, which `mlspec monitor retrain` adds; their rows "
        "are added to the split `train`",
        examples=["data/collected"],
    )
    remote: Annotated[str, AfterValidator(_remote)] | None = Field(
        None,
        description="DVC remote that stores data and models",
        examples=["s3://my-bucket/dvc", "dagshub://ada/cola", "../dvc-storage"],
    )
    track: Literal["dvc", "git"] = Field("dvc", description="What versions the raw files: DVC, or git for small files")

    @cached_property
    def columns(self) -> dict[str, Input]:
        """Every input in its long form."""
        return {name: Input(type=i) if isinstance(i, str) else i for name, i in self.inputs.items()}

    @property
    def task(self) -> Literal["classification", "regression"]:
        """The task that follows from the type of the target."""
        return "classification" if self.target.type == "class" else "regression"

    @property
    def kind(self) -> Literal["local", "remote", "callable"]:
        """The kind of source."""
        if addresses.is_remote(self.source):
            return "remote"
        return "callable" if addresses.is_callable(self.source) else "local"

    @property
    def sources(self) -> dict[str, str]:
        """The source of all rows (key `""`), and of each split with separate files (key: the split)."""
        own = {split: value for split in ("valid", "test") if isinstance(value := getattr(self.split, split), str)}
        return {"": self.source} | own

    @property
    def remotes(self) -> dict[str, tuple[str, str]]:
        """Sources to download, by the keys of `sources`: the URL and the path in the project."""
        return {
            name: (source, posixpath.join("data/raw", name, addresses.file_name(source)))
            for name, source in self.sources.items()
            if addresses.is_remote(source)
        }

    @property
    def dvc_remote(self) -> DvcRemote | None:
        """`remote` as DVC needs it."""
        return dvc_remote(self.remote) if self.remote is not None else None

    @property
    def extras(self) -> list[str]:
        """The extras of `mlspec` with the clients of the sources and of the remote, each once."""
        sources = ["s3"] if any(source.startswith("s3://") for source in self.sources.values()) else []
        return list(dict.fromkeys([*sources, *filter(None, [self.dvc_remote.extra if self.dvc_remote else ""])]))

    @property
    def fetched(self) -> str:
        """The path of a downloaded source, relative to the project."""
        return "data/raw/" + addresses.file_name(self.source)

    def digest(self, name: str) -> str | None:
        """The expected SHA-256 of a downloaded source; `name` is a key of `sources`."""
        expected = self.sha256
        if isinstance(expected, dict):
            return next((digest for split, digest in expected.items() if split == (name or "train")), None)
        return expected if name == "" else None

    @property
    def files(self) -> dict[str, str]:
        """Paths and globs to read in the project, by the keys of `sources`; a callable has none."""
        places = {name: source for name, source in self.sources.items() if not addresses.is_callable(source)}
        return places | {name: path for name, (_, path) in self.remotes.items()}

    @property
    def holds_paths(self) -> bool:
        """Whether a column may contain paths of image files."""
        return self.written_as != "images" and any(i.type == "image" for i in self.columns.values())

    @property
    def written_as(self) -> str:
        """The file format: `format.type`, or from the file name's ending; `""` where the ending is unknown."""
        if self.format.type:
            return self.format.type
        name = self.files.get("", "").lower()
        if addresses.many(self.source):
            name = self.source.lower()
        name = re.sub(r"\[([a-z])\1\]", r"\1", name)  # the pattern `[cC]` matches both cases
        stem, _, ending = name.rpartition(".")
        if ending in PACKED:
            ending = stem.rpartition(".")[2]
        if any(i.type == "image" for i in self.columns.values()) and ending not in ENDINGS:
            return "images"
        return ENDINGS.get(ending, "")
