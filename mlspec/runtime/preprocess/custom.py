"""Runs a preprocessing class of the user: converts its input rows, and validates the arrays that it returns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NotRequired, Protocol, TypedDict, TypeVar, cast

import numpy as np

from mlspec.runtime.preprocess import packed_modules
from mlspec.runtime.preprocess.base import Array, Feature, InputDescription, Row, category, number, text, value
from mlspec.runtime.preprocess.bundle_errors import BundleError, PrepareError
from mlspec.runtime.preprocess.moments import spellings

CHUNK: Final = 256
"""Maximum number of rows per call of the class."""
LENGTH: Final = None
"""Marks a dimension that differs between rows, so that batches are padded."""
T = TypeVar("T")


class ArrayForm(TypedDict):
    """The dtype and the row shape of an array that the class returns."""

    dtype: str
    shape: list[int | None]


CustomSettings = TypedDict(
    "CustomSettings",
    {
        "kind": Literal["class"],
        "class": str,
        "args": dict[str, object],
        "inputs": dict[str, InputDescription],
        "state": NotRequired[dict[str, object]],
        "outputs": NotRequired[dict[str, ArrayForm]],
    },
)


class PreprocessingObject(Protocol):
    """An instance of the user's class; `fit`, `state` and `restore` are optional."""

    def __call__(self, rows: list[dict[str, object]]) -> object: ...  # noqa: D102
    def fit(self, rows: list[dict[str, object]]) -> object: ...  # noqa: D102
    def state(self) -> object: ...  # noqa: D102
    def restore(self, state: dict[str, object]) -> object: ...  # noqa: D102


def instance(settings: CustomSettings, folder: Path) -> PreprocessingObject:
    """A new instance of the class, not restored. Raises BundleError with the lines of the class's code."""
    path = settings["class"]
    return called(f"importing {path} and calling {path}(...)", folder, lambda: _constructed(settings, folder))


def _constructed(settings: CustomSettings, folder: Path) -> PreprocessingObject:
    of = cast("Callable[..., PreprocessingObject]", packed_modules.load(folder, settings["class"]))
    return of(**settings["args"])


def called(what: str, folder: Path, function: Callable[[], T]) -> T:
    """The result of the function. Raises BundleError with the lines of the class's code."""
    try:
        return function()
    except Exception as error:  # noqa: BLE001 - the project's own code may raise anything
        raise BundleError(raised(what, error, folder)) from None


def raised(what: str, error: BaseException, folder: Path) -> str:
    """`src.prep:Prep.fit raised KeyError: 'a'`, followed by the lines of the class's code."""
    message = f"{what} raised {type(error).__name__}: {error}".rstrip(": ")
    return "\n  ".join([message, *packed_modules.frames(error, folder)])


class Caller:
    """Calls an instance of the class, and validates names, dtypes and lengths of the arrays that it returns."""

    def __init__(
        self, path: str, subject: PreprocessingObject, inputs: Mapping[str, InputDescription], folder: Path
    ) -> None:
        self.who = f"{path}.__call__"
        self.subject, self.inputs, self.folder = subject, inputs, folder
        self._readers = {name: _reader(name, described) for name, described in inputs.items()}
        self._lock = threading.Lock()

    def values(self, row: Row, index: int) -> dict[str, object]:
        """The row as it is passed to the class, equal in training and serving. Raises BadRow."""
        return {name: read(row, name, index) for name, read in self._readers.items()}

    def arrays(self, rows: Sequence[Row], first: int = 0) -> dict[str, Array]:
        """The arrays that the class returns for these rows; `first` is the index of the first. Raises BadRow."""
        inputs = [self.values(row, first + at) for at, row in enumerate(rows)]
        try:
            with self._lock:
                returned = self.subject(inputs)
        except Exception as error:  # noqa: BLE001 - the project's own code may raise anything
            raise PrepareError(first, raised(self.who, error, self.folder)) from None
        if not isinstance(returned, Mapping) or not returned:
            shown = "an empty dict" if isinstance(returned, Mapping) else type(returned).__name__
            raise PrepareError(first, f"{self.who} returned {shown}", _RETURNS)
        return {self._name(name, first): self._array(name, array, len(rows), first) for name, array in returned.items()}

    def _name(self, name: object, first: int) -> str:
        if not isinstance(name, str) or not name.isidentifier():
            message = f"{self.who} returned the name {name!r}, which is not a valid parameter name"
            raise PrepareError(first, message, _RETURNS)
        return name

    def _array(self, name: object, array: object, rows: int, first: int) -> Array:
        prefix = f"{self.who} returned for `{name}`"
        if not isinstance(array, np.ndarray):
            raise PrepareError(first, f"{prefix} {type(array).__name__}, not np.ndarray", _RETURNS)
        if not array.ndim or len(array) != rows:
            message = f"{prefix} the shape {list(array.shape)} for {rows} row{'s' if rows > 1 else ''}"
            raise PrepareError(first, message, "return one entry per row in the first dimension, in order")
        match array.dtype.kind:
            case "f":
                return self._float(prefix, array, first)
            case "i" | "u":
                if array.size and int(array.max()) > np.iinfo(np.int64).max:
                    raise PrepareError(first, f"{prefix} {array.max()}, which exceeds int64")
                return array.astype(np.int64)
            case "b":
                return array
            case _:
                raise PrepareError(first, f"{prefix} the dtype {array.dtype}", "return floats, integers or booleans")

    def _float(self, prefix: str, array: Array, first: int) -> Array:
        with np.errstate(over="ignore"):
            single: Array = array.astype(np.float32)
        bad = ~np.isfinite(single.reshape(len(single), -1)).all(axis=1)
        if bad.any():
            at = int(bad.argmax())
            values = array[at].reshape(-1)
            wrong = values[~np.isfinite(single[at].reshape(-1))][0]
            what = "is not finite" if not np.isfinite(wrong) else "exceeds float32"
            help = "replace missing numbers, which are NaN in the row (np.nan_to_num, or a mean computed in fit)"
            raise PrepareError(first + at, f"{prefix} {wrong}, which {what}", help)
        return single


_RETURNS: Final = "return dict[str, np.ndarray] with the parameters of forward by name, batch dimension first"


def _reader(name: str, described: InputDescription) -> Callable[[Row, str, int], object]:
    match described["type"]:
        case "number":
            return number
        case "text":
            return text
        case "category":
            known = frozenset(described.get("values", ()))
            return lambda row, name, index: _known(category(row, name, index), known)
        case _:
            from mlspec.runtime.preprocess.image import ImagePreprocess, image_size

            image = ImagePreprocess(
                {"kind": "image", "input": name, **image_size(described), "raw": True, "mean": 0.0, "std": 1.0}, Path()
            )
            return lambda row, name, index: image.pixels(value(row, name, index), index).astype(np.uint8)


def _known(word: str | None, known: frozenset[str]) -> str | None:
    """A date or timestamp in the spelling of the training data."""
    if word is None or word in known:
        return word
    return next((way for way in spellings(word) if way in known), word)


class CustomPreprocess:
    """Preprocessing with a class of the user; floats become float32, integers int64."""

    def __init__(self, settings: CustomSettings, folder: Path) -> None:
        self._again = (settings, folder)
        subject = instance(settings, folder)
        if "state" in settings:
            called(f"{settings['class']}.restore", folder, lambda: subject.restore(settings["state"]))
        self.caller = Caller(settings["class"], subject, settings["inputs"], folder)
        self.outputs: dict[str, ArrayForm] = settings["outputs"]
        self.names: tuple[str, ...] = tuple(self.outputs)
        self.varying: tuple[str, ...] = tuple(n for n, o in self.outputs.items() if o["shape"][:1] == [LENGTH])

    def __reduce__(self) -> tuple[type[CustomPreprocess], tuple[CustomSettings, Path]]:
        """Worker processes load the class again, because its modules are not on the import path."""
        return (CustomPreprocess, self._again)

    def features(self, rows: Sequence[Row]) -> list[Feature]:
        """The inputs of each row; rows of different length are processed one by one, so that none is padded."""
        size = 1 if self.varying else CHUNK
        return [f for start in range(0, len(rows), size) for f in self._some(rows[start : start + size], start)]

    def _some(self, rows: Sequence[Row], first: int) -> list[Feature]:
        try:
            arrays = self._fitting(self.caller.arrays(rows, first), first)
        except PrepareError:
            if len(rows) > 1:  # find the failing row
                for at, row in enumerate(rows):
                    self._some([row], first + at)
            raise
        return [{name: arrays[name][at] for name in self.names} for at in range(len(rows))]

    def _fitting(self, arrays: dict[str, Array], first: int) -> dict[str, Array]:
        """The arrays. Raises PrepareError if names, dtypes or shapes differ from those of the training rows."""
        if set(arrays) != set(self.names):
            message = f"{self.caller.who} returned {', '.join(sorted(arrays))}"
            raise PrepareError(first, f"{message}, but for the training rows {', '.join(sorted(self.names))}", _SAME)
        for name, array in arrays.items():
            expected = self.outputs[name]
            shape = [LENGTH, *array.shape[2:]] if name in self.varying and array.ndim > 1 else list(array.shape[1:])
            if (str(array.dtype), shape) != (expected["dtype"], expected["shape"]):
                message = f"{self.caller.who} returned `{name}` with rows of {described(array.dtype, array.shape[1:])}"
                raise PrepareError(first, f"{message}, but for the training rows {_expected(expected)}", _SAME)
        lengths = {name: arrays[name].shape[1] for name in self.varying}
        if len(set(lengths.values())) > 1 or 0 in lengths.values():
            shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
            help = "give what differs from row to row one length above 0, or pad it in the class to a fixed one"
            raise PrepareError(first, f"{self.caller.who} returned a row with the lengths {shown}", help)
        return arrays

    def collate(self, features: Sequence[Feature]) -> dict[str, Array]:
        """The stacked rows; inputs of different length are padded with zeros at the end."""
        longest = max((self.length(feature) for feature in features), default=1)
        return {
            name: np.stack([_padded(f[name], longest) if name in self.varying else f[name] for f in features])
            for name in self.names
        }

    def length(self, feature: Feature) -> int:
        """The length of the row; 1 if all rows have the same shape."""
        return len(feature[self.varying[0]]) if self.varying else 1


_SAME: Final = "return the same names, dtypes and shapes for every row; pad to a fixed length if only some rows differ"


def described(dtype: object, shape: Sequence[int | None]) -> str:
    """`float32 [2]`; a dimension that differs between rows is `length`."""
    return f"{dtype} [{', '.join('length' if size is LENGTH else str(size) for size in shape)}]"


def _expected(output: ArrayForm) -> str:
    return described(output["dtype"], output["shape"])


def _padded(array: Array, longest: int) -> Array:
    return np.pad(array, [(0, longest - len(array)), *[(0, 0)] * (array.ndim - 1)])
