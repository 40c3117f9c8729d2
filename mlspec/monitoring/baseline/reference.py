"""What live predictions are compared with: the training data by column, and the model's predictions of the test split.

Plain numbers and hashes without rows of the data, so that it can be carried to a machine that may not have the data.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import Field

from mlspec.monitoring.baseline.error_model import ErrorModel
from mlspec.monitoring.baseline.quantile_grid import Floats, QuantileGrid
from mlspec.records.record_file import Finite, Value

Hashes: TypeAlias = npt.NDArray[np.uint32]
VERSION: Final = 4
"""2: frequent numbers have bins of their own, and bins of the calibration equal numbers of predictions. 3: a regression
has a model of its errors. 4: errors of slices of the test split."""
_WORD: Final = re.compile(r"\w+")


class NumberReference(Value):
    """A number column."""

    kind: Literal["number"] = Field("number", description="Kind of input")
    missing: int = Field(description="Rows without a value")
    values: QuantileGrid = Field(description="The values")

    @property
    def rows(self) -> int:
        """All rows."""
        return self.missing + self.values.count


class CategoryReference(Value):
    """A category column."""

    kind: Literal["category"] = Field("category", description="Kind of input")
    missing: int = Field(description="Rows without a value")
    counts: Mapping[str, int] = Field(description="Rows of each frequent value, the most frequent first")
    other: int = Field(0, description="Rows with any other value")
    other_values: str = Field("", description="Hashes of the other values, base64 of sorted little-endian uint32")
    singletons: int = Field(0, description="Values that occur once")

    @property
    def count(self) -> int:
        """Rows that have a value."""
        return sum(self.counts.values()) + self.other

    @property
    def rows(self) -> int:
        """All rows."""
        return self.missing + self.count

    @property
    def unseen(self) -> float:
        """The expected share of values that the training data does not have (Good-Turing)."""
        return self.singletons / self.count if self.count else 0.0


class TextReference(Value):
    """A text column: lengths, the words, and word hashes of some rows. It contains no text."""

    kind: Literal["text"] = Field("text", description="Kind of input")
    missing: int = Field(description="Rows without a value")
    characters: QuantileGrid = Field(description="Lengths in characters")
    words: QuantileGrid = Field(description="Lengths in words, separated by spaces")
    vocabulary: str = Field("", description="Hashes of the words, base64 of sorted little-endian uint32")
    unseen: QuantileGrid = Field(
        QuantileGrid(), description="Share of words outside the vocabulary, of each text of the test split"
    )
    sample: tuple[str, ...] = Field((), description="Word hashes in order of some texts of the test split, as above")

    @property
    def rows(self) -> int:
        """All rows."""
        return self.missing + self.characters.count


class ImageReference(Value):
    """An image column, as the model reads it: mean and standard deviation of its pixels, 0..1."""

    kind: Literal["image"] = Field("image", description="Kind of input")
    missing: int = Field(description="Rows without a value")
    mean: QuantileGrid = Field(description="Mean of the pixels")
    contrast: QuantileGrid = Field(description="Standard deviation of the pixels")

    @property
    def rows(self) -> int:
        """All rows."""
        return self.missing + self.mean.count


ColumnDistribution: TypeAlias = Annotated[
    NumberReference | CategoryReference | TextReference | ImageReference, Field(discriminator="kind")
]


class ScoreBin(Value):
    """Predictions of similar score."""

    score: Finite = Field(description="Sum of the scores")
    correct: int = Field(description="Correct ones")
    count: int = Field(description="Predictions")


class ClassReference(Value):
    """The predictions of a classification on the test split."""

    labels: tuple[str, ...] = Field(description="In the order of the logits")
    score: QuantileGrid = Field(description="Probability of the predicted label")
    probabilities: Mapping[str, QuantileGrid] = Field(description="Probability of each label, over all rows")
    confusion: tuple[tuple[int, ...], ...] = Field(description="Rows by actual label, columns by predicted label")
    calibration: tuple[ScoreBin, ...] = Field((), description="20 bins of equal numbers of predictions, by score")

    @property
    def predicted(self) -> Mapping[str, int]:
        """Rows by predicted label."""
        totals = np.asarray(self.confusion, dtype=np.int64).sum(axis=0).tolist()
        return dict(zip(self.labels, totals, strict=True))


class ValueReference(Value):
    """The predictions of a regression on the test split."""

    value: QuantileGrid = Field(description="The predicted values")
    error: QuantileGrid = Field(description="Absolute errors")
    squared: Finite | None = Field(None, description="Root of the mean squared error")
    errors: ErrorModel | None = Field(None, description="How large errors are, by inputs and predicted values")


class Reference(Value):
    """The reference of one model."""

    version: int = Field(VERSION, description="Of this format")
    digest: str = Field(description="Of the data that it was computed from")
    rows: int = Field(description="Rows of the training split")
    columns: Mapping[str, ColumnDistribution] = Field(description="By input")
    sliced: tuple[str, ...] = Field((), description="Slices that have a reference of their own, with their definition")
    slices: Mapping[str, Mapping[str, ColumnDistribution]] = Field(
        {}, description="By slice (`town=Bonn`): the inputs of its rows; slices of few rows are left out"
    )
    tested: Mapping[str, str] = Field(
        {}, description="Slices whose errors on the test split are known: definition by name"
    )
    slice_errors: Mapping[str, Mapping[str, QuantileGrid]] = Field(
        {}, description="By such a slice and its value: 1 for a wrong label and 0 for the right one, or absolute errors"
    )
    classes: ClassReference | None = Field(None, description="Predictions of a classification")
    values: ValueReference | None = Field(None, description="Predictions of a regression")


def words(text: str) -> list[str]:
    """The words of a text: runs of letters and digits, in lower case."""
    return _WORD.findall(text.lower())


def word_hash(word: str) -> int:
    """32 bits of a word or a category, the same on every machine."""
    return zlib.crc32(word.encode("utf-8", "replace"))


def pack(hashes: Iterable[int], *, ordered: bool = False) -> str:
    """Hashes as text: sorted without repetitions, or in their order."""
    values = np.fromiter(hashes, dtype="<u4")
    return base64.b64encode((values if ordered else np.unique(values)).tobytes()).decode()


def unpack(text: str) -> Hashes:
    """The hashes in a text."""
    return np.frombuffer(base64.b64decode(text), dtype="<u4").astype(np.uint32)


def unseen_shares(texts: Sequence[str], vocabulary: Hashes) -> Floats:
    """The share of the words of each text that are not in the vocabulary; 0 for a text without words."""
    tokenized = [words(text) for text in texts]
    sizes = np.asarray([len(each) for each in tokenized], dtype=np.int64)
    # Most words repeat: each is hashed and looked up once.
    places = {word: place for place, word in enumerate(dict.fromkeys(word for each in tokenized for word in each))}
    known = is_known(np.fromiter(map(word_hash, places), dtype=np.uint32), vocabulary)
    occurrences = np.fromiter((places[word] for each in tokenized for word in each), dtype=np.int64)
    of_text = np.repeat(np.arange(len(tokenized)), sizes)
    counted = np.bincount(of_text[known[occurrences]], minlength=len(tokenized))
    return np.where(sizes > 0, 1 - counted / np.maximum(sizes, 1), 0.0)


def is_known(hashes: Hashes | Sequence[int], known: Hashes) -> npt.NDArray[np.bool_]:
    """Which hashes are in the sorted array `known`."""
    if not known.size:
        return np.zeros(len(hashes), dtype=np.bool_)
    places = np.searchsorted(known, hashes).clip(max=known.size - 1)
    return np.asarray(known[places] == hashes, dtype=np.bool_)
