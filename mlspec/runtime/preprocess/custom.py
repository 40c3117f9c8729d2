"""A class of the project that prepares rows: what it is given, and whether what it returns can go into a model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from mlspec.runtime.preprocess import packed_modules
from mlspec.runtime.preprocess.base import Array, Feature, Row, category, number, text, value
from mlspec.runtime.preprocess.bundle_errors import BundleError, PrepareError
from mlspec.runtime.preprocess.moments import spellings

CHUNK: Final = 256
"""Rows that the class is given together."""
LENGTH: Final = None
"""In the place of a size: rows differ in it, and batches are padded."""


def made(settings: Mapping[str, Any], folder: Path) -> Any:
    """The object, without what it was fitted to. Raises BundleError that shows the lines of the class's code."""
    path = settings["class"]
    return called(f"importing {path} and calling {path}(...)", folder, lambda: _constructed(settings, folder))


def _constructed(settings: Mapping[str, Any], folder: Path) -> Any:
    return packed_modules.load(folder, settings["class"])(**settings["args"])


def called(what: str, folder: Path, function: Callable[[], Any]) -> Any:
    """What the function returns. Raises BundleError that shows the lines of the class's code."""
    try:
        return function()
    except Exception as error:  # noqa: BLE001 - the project's own code may raise anything
        raise BundleError(raised(what, error, folder)) from None


def raised(what: str, error: BaseException, folder: Path) -> str:
    """`src.prep:Prep.fit raised KeyError: 'a'`, and below it the lines of the class's code."""
    said = f"{what} raised {type(error).__name__}: {error}".rstrip(": ")
    return "\n  ".join([said, *packed_modules.frames(error, folder)])


class Caller:
    """An object of the class, and what it returns for rows, checked but for the shape of a row."""

    def __init__(self, path: str, subject: Any, inputs: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
        self.who = f"{path}.__call__"
        self.subject, self.inputs, self.folder = subject, inputs, folder
        self._readers = {name: _reader(name, described) for name, described in inputs.items()}
        self._lock = threading.Lock()

    def given(self, row: Row, index: int) -> dict[str, object]:
        """The row as the class gets it, in training and in serving alike. Raises BadRow."""
        return {name: read(row, name, index) for name, read in self._readers.items()}

    def arrays(self, rows: Sequence[Row], first: int = 0) -> dict[str, Array]:
        """What the class returns for these rows; `first` is the number of the first. Raises BadRow, PrepareError."""
        given = [self.given(row, first + at) for at, row in enumerate(rows)]
        try:
            with self._lock:
                found = self.subject(given)
        except Exception as error:  # noqa: BLE001 - the project's own code may raise anything
            raise PrepareError(first, raised(self.who, error, self.folder)) from None
        if not isinstance(found, Mapping) or not found:
            shown = "an empty dict" if isinstance(found, Mapping) else type(found).__name__
            raise PrepareError(first, f"{self.who} returned {shown}", _RETURNS)
        return {self._name(name, first): self._array(name, array, len(rows), first) for name, array in found.items()}

    def _name(self, name: object, first: int) -> str:
        if not isinstance(name, str) or not name.isidentifier():
            message = f"{self.who} returned the name {name!r}, which no parameter of forward can have"
            raise PrepareError(first, message, _RETURNS)
        return name

    def _array(self, name: object, found: object, rows: int, first: int) -> Array:
        said = f"{self.who} returned for `{name}`"
        if not isinstance(found, np.ndarray):
            raise PrepareError(first, f"{said} {type(found).__name__}, not np.ndarray", _RETURNS)
        if not found.ndim or len(found) != rows:
            message = f"{said} the shape {list(found.shape)} for {rows} row{'s' if rows > 1 else ''}"
            raise PrepareError(first, message, "its first dimension is the rows, in their order")
        match found.dtype.kind:
            case "f":
                return self._float(said, found, first)
            case "i" | "u":
                if found.size and int(found.max()) > np.iinfo(np.int64).max:
                    raise PrepareError(first, f"{said} {found.max()}, which int64 does not hold")
                return found.astype(np.int64)
            case "b":
                return found
            case _:
                raise PrepareError(first, f"{said} the dtype {found.dtype}", "return floats, integers or booleans")

    def _float(self, said: str, found: Array, first: int) -> Array:
        with np.errstate(over="ignore"):
            single: Array = found.astype(np.float32)
        bad = ~np.isfinite(single.reshape(len(single), -1)).all(axis=1)
        if bad.any():
            at = int(bad.argmax())
            values = found[at].reshape(-1)
            wrong = values[~np.isfinite(single[at].reshape(-1))][0]
            what = "is no finite number" if not np.isfinite(wrong) else "is beyond float32"
            help = "a missing number is NaN in the row: replace it (np.nan_to_num, or a mean that fit computes)"
            raise PrepareError(first + at, f"{said} {wrong}, which {what}", help)
        return single


_RETURNS: Final = "return dict[str, np.ndarray]: the parameters of forward by name, batch first"


def _reader(name: str, described: Mapping[str, Any]) -> Callable[[Row, str, int], object]:
    match described["type"]:
        case "number":
            return number
        case "text":
            return text
        case "category":
            known = frozenset(described.get("values", ()))
            return lambda row, name, index: _known(category(row, name, index), known)
        case _:
            from mlspec.runtime.preprocess.image import ImagePreprocess

            image = ImagePreprocess({"input": name, **described, "raw": True, "mean": 0.0, "std": 1.0}, Path())
            return lambda row, name, index: image.pixels(value(row, name, index), index).astype(np.uint8)


def _known(word: str | None, known: frozenset[str]) -> str | None:
    """A moment in the spelling that the training data has."""
    if word is None or word in known:
        return word
    return next((way for way in spellings(word) if way in known), word)


class Own:
    """What the class returns, as `forward` gets it: floats are float32, integers int64."""

    def __init__(self, settings: dict[str, Any], folder: Path) -> None:
        self._again = (settings, folder)
        subject = made(settings, folder)
        if "state" in settings:
            called(f"{settings['class']}.restore", folder, lambda: subject.restore(settings["state"]))
        self.caller = Caller(settings["class"], subject, settings["inputs"], folder)
        self.outputs: dict[str, dict[str, Any]] = settings["outputs"]
        self.names: tuple[str, ...] = tuple(self.outputs)
        self.varying: tuple[str, ...] = tuple(n for n, o in self.outputs.items() if o["shape"][:1] == [LENGTH])

    def __reduce__(self) -> tuple[Any, ...]:
        """Worker processes load the class anew: its modules are those of the folder, which no import path names."""
        return (Own, self._again)

    def features(self, rows: Sequence[Row]) -> list[Feature]:
        """One entry a row; the class gets rows that differ in length one by one, so that none is padded."""
        size = 1 if self.varying else CHUNK
        return [f for start in range(0, len(rows), size) for f in self._some(rows[start : start + size], start)]

    def _some(self, rows: Sequence[Row], first: int) -> list[Feature]:
        try:
            arrays = self._fitting(self.caller.arrays(rows, first), first)
        except PrepareError:
            if len(rows) > 1:  # which of them is it?
                for at, row in enumerate(rows):
                    self._some([row], first + at)
            raise
        return [{name: arrays[name][at] for name in self.names} for at in range(len(rows))]

    def _fitting(self, arrays: dict[str, Array], first: int) -> dict[str, Array]:
        """The arrays themselves. Raises PrepareError where they are of another form than those of the training rows."""
        if set(arrays) != set(self.names):
            said = f"{self.caller.who} returned {', '.join(sorted(arrays))}"
            raise PrepareError(first, f"{said}; for the training rows {', '.join(sorted(self.names))}", _SAME)
        for name, array in arrays.items():
            wanted = self.outputs[name]
            shape = [LENGTH, *array.shape[2:]] if name in self.varying and array.ndim > 1 else list(array.shape[1:])
            if (str(array.dtype), shape) != (wanted["dtype"], wanted["shape"]):
                said = f"{self.caller.who} returned `{name}` as {described(array.dtype, array.shape[1:])} a row"
                raise PrepareError(first, f"{said}; for the training rows as {_wanted(wanted)}", _SAME)
        lengths = {name: arrays[name].shape[1] for name in self.varying}
        if len(set(lengths.values())) > 1 or 0 in lengths.values():
            shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
            help = "give what differs from row to row one length above 0, or pad it in the class to a fixed one"
            raise PrepareError(first, f"{self.caller.who} returned a row with the lengths {shown}", help)
        return arrays

    def collate(self, features: Sequence[Feature]) -> dict[str, Array]:
        """Rows below each other; those that differ in length are padded with zeros behind their end."""
        longest = max((self.length(feature) for feature in features), default=1)
        return {
            name: np.stack([_padded(f[name], longest) if name in self.varying else f[name] for f in features])
            for name in self.names
        }

    def length(self, feature: Feature) -> int:
        """The length of the row, 1 where rows do not differ in it."""
        return len(feature[self.varying[0]]) if self.varying else 1


_SAME: Final = (
    "return the same names, dtypes and shapes for every row; pad to a fixed length where only some rows differ"
)


def described(dtype: object, shape: Sequence[int | None]) -> str:
    """`float32 [2]`; a size that differs from row to row is `length`."""
    return f"{dtype} [{', '.join('length' if size is LENGTH else str(size) for size in shape)}]"


def _wanted(output: Mapping[str, Any]) -> str:
    return described(output["dtype"], output["shape"])


def _padded(array: Array, longest: int) -> Array:
    return np.pad(array, [(0, longest - len(array)), *[(0, 0)] * (array.ndim - 1)])
