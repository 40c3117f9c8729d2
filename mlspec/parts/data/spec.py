"""Options of the `data` section."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from mlspec.spec.base import SpecModel

REMOTE = ("https://", "s3://", "http://127.0.0.1", "http://localhost")
SPLITS = ("train", "valid", "test")
_IMPORT = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _source(text: str) -> str:
    if text.startswith(REMOTE) or _IMPORT.fullmatch(text):
        return text
    if "://" in text:
        raise PydanticCustomError(
            "bad-format",
            "data comes from a path, https://, s3:// or a callable",
            {"help": "for example `data/raw.csv`"},
        )
    if text.startswith(("/", "~")) or ".." in text.split("/") or re.match(r"[A-Za-z]:\\", text):
        raise PydanticCustomError(
            "path-outside-project",
            "{path} does not lie inside the project",
            {"path": f"`{text}`", "help": "give a path relative to the folder of mlproject.yaml, without `..`"},
        )
    if not text.strip() or "\\" in text or not text.isprintable():
        raise PydanticCustomError("bad-format", "a path is written with `/`, without control characters", {"help": ""})
    return text


Source = Annotated[str, AfterValidator(_source)]
"""A path or glob in the project, an https:// or s3:// address, or a callable `module:function`."""

Share = Annotated[float, Field(ge=0, lt=1)]
"""A part of the rows."""

InputType = Literal["text", "number", "category", "image"]


class Input(SpecModel):
    """One input of the model: a column of the data."""

    type: InputType = Field(description="What the column holds")
    height: int | None = Field(None, ge=1, le=4096, description="Height in pixels that images are brought to")
    width: int | None = Field(None, ge=1, le=4096, description="Width in pixels that images are brought to")
    channels: Literal[1, 3] = Field(3, description="1 for grey images, 3 for colour")


class Target(SpecModel):
    """What the model predicts."""

    column: str = Field("label", min_length=1, description="Column that holds it; for image folders the folder's name")
    type: Literal["class", "number"] = Field("class", description="`class` to classify, `number` for regression")
    labels: list[str] = Field(
        [],
        description="Names of the classes, in order. A column of whole numbers holds positions in this list",
        examples=[["unacceptable", "acceptable"]],
    )


class Format(SpecModel):
    """How the source is written. Left out, the file name says it."""

    type: Literal["csv", "tsv", "parquet", "jsonl", "images"] | None = Field(
        None, description="Kind of file; by default from the file name's ending"
    )
    columns: list[str] | None = Field(None, description="Names of the columns of a csv or tsv file without a header")
    delimiter: str | None = Field(None, min_length=1, max_length=1, description="Column separator of a csv file")
    quoting: bool | None = Field(
        None, description="Whether values may stand in double quotes; default: csv yes, tsv no"
    )
    encoding: str = Field("utf-8", description="Text encoding of csv, tsv and jsonl")


class Split(SpecModel):
    """How rows are divided into train, valid and test: by fractions, by a column, or by files of their own."""

    valid: Share | Source = Field(0.1, description="Share of the rows for validation, or a file of its own")
    test: Share | Source = Field(0.1, description="Share of the rows for the test, or a file of its own")
    seed: int = Field(0, ge=0, description="Seed of the division")
    stratify: bool = Field(True, description="Keep the shares of the classes equal in all splits")
    group: str | None = Field(None, description="Column whose equal values stay in one split")
    column: str | None = Field(None, description="Column that names each row's split: train, valid or test")


class Check(SpecModel):
    """What every value of a column must satisfy."""

    not_null: bool = Field(False, description="No value is missing")
    unique: bool = Field(False, description="No value occurs twice")
    min: float | None = Field(None, description="Smallest number")
    max: float | None = Field(None, description="Largest number")
    min_length: int | None = Field(None, ge=0, description="Shortest text, in characters")
    max_length: int | None = Field(None, ge=0, description="Longest text, in characters")
    one_of: list[str | int | float | bool] | None = Field(None, alias="in", description="The only values allowed")
    matches: str | None = Field(None, description="Regular expression that the whole text matches")


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
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="Digest that a fetched file must have")
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
    remote: str | None = Field(
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
        if self.source.startswith(REMOTE):
            return "remote"
        return "callable" if _IMPORT.fullmatch(self.source) else "local"

    @property
    def fetched(self) -> str:
        """Where a remote source is put, relative to the project."""
        return "data/raw/" + re.sub(r"[^\w.-]", "_", self.source.split("?")[0].rstrip("/").rsplit("/", 1)[-1])

    @property
    def files(self) -> dict[str, str]:
        """Paths and globs to read, in the project: of all rows (`""`), or of a split where it has files of its own."""
        found = {"": self.fetched if self.kind == "remote" else self.source} if self.kind != "callable" else {}
        return found | {s: v for s in ("valid", "test") if isinstance(v := getattr(self.split, s), str)}

    @property
    def written_as(self) -> str:
        """The kind of file: as given, or from the file name's ending; `""` where that says nothing."""
        if self.format.type:
            return self.format.type
        name = self.files.get("", "").lower()
        endings = {"csv": "csv", "tsv": "tsv", "tab": "tsv", "parquet": "parquet", "jsonl": "jsonl", "ndjson": "jsonl"}
        if any(i.type == "image" for i in self.columns.values()) and name.rsplit(".", 1)[-1] not in endings:
            return "images"
        return endings.get(name.rsplit(".", 1)[-1], "")
