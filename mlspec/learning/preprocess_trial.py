"""Checks the user's preprocessing class: the result for a row may depend only on that row and the fitted state."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from mlspec.errors import StageError
from mlspec.learning.split_rows import origin, refused
from mlspec.runtime.preprocess.base import Array, Row
from mlspec.runtime.preprocess.bundle_errors import BadRow
from mlspec.runtime.preprocess.custom import CHUNK, LENGTH, ArrayForm, Caller, CustomPreprocess, described

SAMPLE = 64
"""Maximum number of rows that are preprocessed one by one and in a batch."""
_NEAR = 1e-4
"""Tolerance between two results of the same row, relative to the largest value."""

Arrays = Mapping[str, Array]
T = TypeVar("T")


def located(data: Path, function: Callable[[], T]) -> T:
    """The result of the function. Raises StageError with the place of a training row that cannot be preprocessed."""
    try:
        return function()
    except BadRow as error:
        raise refused(error, data, "train") from None


@dataclass(frozen=True)
class Trial:
    """The fitted class, the training rows, and the folder of the data."""

    caller: Caller
    rows: Sequence[Row]
    data: Path

    @property
    def numbers(self) -> list[int]:
        """The numbers of the sampled rows, evenly spaced."""
        count = min(len(self.rows), SAMPLE)
        return [at * len(self.rows) // count for at in range(count)]

    def outputs(self) -> dict[str, ArrayForm]:
        """The dtype and the row shape of each array. Raises StageError if the results depend on the batch."""
        alone = [self._arrays(self.caller, [number]) for number in self.numbers]
        together = self._arrays(self.caller, self.numbers)
        every = range(len(self.rows))
        chunks = (self._arrays(self.caller, every[start : start + CHUNK]) for start in every[::CHUNK])
        forms = [{name: (str(a.dtype), a.shape[1:]) for name, a in f.items()} for f in (*alone, together)]
        forms += [{name: (str(a.dtype), a.shape[1:]) for name, a in f.items()} for f in chunks]
        for other in forms:
            if set(other) != set(forms[0]):
                one, two = (", ".join(sorted(names)) for names in (forms[0], other))
                help = "return the same names for every row"
                raise StageError(f"{self.caller.who} returned {one} for one row but {two} for others", help=help)
        forms_of = {name: self._form(name, {form[name] for form in forms}) for name in forms[0]}
        for at, single in enumerate(alone):
            self._compare(forms_of, at, Result("in a batch", together), Result("alone", single, 0), _ALONE)
        again = Result("the first time", together), Result("the second time", self._arrays(self.caller, self.numbers))
        for at in range(len(alone)):
            self._compare(forms_of, at, *again, _ALONE)
        return forms_of

    def same(self, loaded: CustomPreprocess) -> None:
        """Raise StageError if an object restored from the saved state preprocesses a row differently."""
        fitted, again = (self._arrays(caller, self.numbers) for caller in (self.caller, loaded.caller))
        if set(fitted) != set(again):
            names = ", ".join(sorted(again))
            raise StageError(f"{self.caller.who} returns different names after restore: {names}", help=_RESTORED)
        for at in range(len(self.numbers)):
            results = Result("after fit", fitted), Result("after restore", again)
            self._compare(loaded.outputs, at, *results, _RESTORED)

    def _arrays(self, caller: Caller, numbers: Sequence[int]) -> Arrays:
        """The arrays that the class returns for these rows. Raises StageError with the row on which it fails."""

        def each() -> Arrays:
            try:
                return caller.arrays([self.rows[number] for number in numbers], numbers[0])
            except BadRow:
                for number in numbers:
                    caller.arrays([self.rows[number]], number)
                raise

        return located(self.data, each)

    def _form(self, name: str, forms: Collection[tuple[str, tuple[int, ...]]]) -> ArrayForm:
        dtypes, shapes = {dtype for dtype, _ in forms}, sorted({shape for _, shape in forms})
        ends = {shape[1:] for shape in shapes}
        if len(dtypes) > 1 or (len(shapes) > 1 and (len(ends) > 1 or () in shapes)):
            shown = " and ".join(sorted({described(*form) for form in forms})[:2])
            help = "return one dtype for all rows, and shapes that differ at most in the first dimension of a row"
            raise StageError(f"{self.caller.who} returned rows of `{name}` as {shown}", help=help)
        shape: list[int | None] = list(shapes[0])
        return {"dtype": dtypes.pop(), "shape": [LENGTH, *shape[1:]] if len(shapes) > 1 else shape}

    def _compare(self, forms: Mapping[str, ArrayForm], at: int, batch: Result, other: Result, help: str) -> None:
        """Raise StageError with both values if two results of row `at` of the sample differ, apart from padding."""
        for name, form in forms.items():
            one, two = batch.arrays[name][at], other.arrays[name][at if other.row is None else other.row]
            if form["shape"][:1] == [LENGTH]:
                one = one[: len(two)]
            scale = max(1.0, float(np.abs(batch.arrays[name]).max(initial=0)))
            if one.shape == two.shape and np.allclose(one, two, rtol=0, atol=_NEAR * scale):
                continue
            place = origin(self.data, "train", self.numbers[at])
            raise StageError(
                f"{self.caller.who} returns different results for the same row ({place}): "
                f"`{name}` is {_shown(one)} {batch.words}, {_shown(two)} {other.words}",
                help=help,
            )


@dataclass(frozen=True)
class Result:
    """The arrays that the class returned, and how it was called."""

    words: str
    arrays: Arrays
    row: int | None = None
    """The index of the row in the arrays; None if it is the index in the sample."""


_ALONE = "process each row independently: compute statistics in fit and return them from state; use no random numbers"
_RESTORED = "return everything that fit computes from state(), and load it in restore(state)"


def _shown(array: Array) -> str:
    return np.array2string(array.reshape(-1)[:8], precision=6, separator=", ")


def accepted(forward: Callable[..., object], names: Sequence[str], path: str, model: str) -> None:
    """Raise StageError if the names that the class returns are not the parameters of `forward`."""
    parameters = inspect.signature(forward).parameters.values()
    by_name = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters)
    takes, needs = {p.name for p in by_name}, {p.name for p in by_name if p.default is p.empty}
    if needs <= set(names) and (anything or set(names) <= takes):
        return
    raise StageError(
        f"{path} returns {', '.join(sorted(names))}, but {model}.forward takes {', '.join(sorted(takes)) or 'nothing'}",
        help="use the names that __call__ returns as the parameters of forward",
    )
