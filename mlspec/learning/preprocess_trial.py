"""Tries a preprocessing class of the project: does what it makes of a row depend on that row and its state alone?"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mlspec.errors import StageError
from mlspec.learning.split_rows import origin, refused
from mlspec.runtime.preprocess.base import Array, Row
from mlspec.runtime.preprocess.bundle_errors import BadRow
from mlspec.runtime.preprocess.custom import CHUNK, LENGTH, Caller, Own, described

SAMPLE = 64
"""Rows that are prepared one by one and together."""
_NEAR = 1e-4
"""Parts of the largest value that two results of the same row may differ by."""

Arrays = Mapping[str, Array]
T = TypeVar("T")


def located(data: Path, function: Callable[[], T]) -> T:
    """What the function returns; a training row that cannot be prepared is a StageError with its place."""
    try:
        return function()
    except BadRow as error:
        raise refused(error, data, "train") from None


@dataclass(frozen=True)
class Trial:
    """The class as it was fitted, and the training rows."""

    caller: Caller
    rows: Sequence[Row]
    data: Path

    @property
    def numbers(self) -> list[int]:
        """Rows that are tried one by one, spread over all."""
        count = min(len(self.rows), SAMPLE)
        return [at * len(self.rows) // count for at in range(count)]

    def outputs(self) -> dict[str, dict[str, Any]]:
        """The dtype and the shape of a row of each array. Raises StageError where they depend on the batch."""
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
                raise StageError(f"{self.caller.who} returned {one} for one row and {two} for others", help=help)
        found = {name: self._form(name, {form[name] for form in forms}) for name in forms[0]}
        for at, single in enumerate(alone):
            self._compare(found, at, Result("in a batch", together), Result("alone", single, 0), _ALONE)
        again = Result("the first time", together), Result("the second time", self._arrays(self.caller, self.numbers))
        for at in range(len(alone)):
            self._compare(found, at, *again, _ALONE)
        return found

    def same(self, loaded: Own) -> None:
        """Raise StageError where an object of the saved state prepares a row otherwise than the fitted one."""
        fitted, again = (self._arrays(caller, self.numbers) for caller in (self.caller, loaded.caller))
        if set(fitted) != set(again):
            names = ", ".join(sorted(again))
            raise StageError(f"{self.caller.who} returns other names after restore: {names}", help=_RESTORED)
        for at in range(len(self.numbers)):
            results = Result("after fit", fitted), Result("after restore", again)
            self._compare(loaded.outputs, at, *results, _RESTORED)

    def _arrays(self, caller: Caller, numbers: Sequence[int]) -> Arrays:
        """What the class returns for these rows; where it fails, the row that it fails on is named."""

        def each() -> Arrays:
            try:
                return caller.arrays([self.rows[number] for number in numbers], numbers[0])
            except BadRow:
                for number in numbers:
                    caller.arrays([self.rows[number]], number)
                raise

        return located(self.data, each)

    def _form(self, name: str, forms: Collection[tuple[str, tuple[int, ...]]]) -> dict[str, Any]:
        dtypes, shapes = {dtype for dtype, _ in forms}, sorted({shape for _, shape in forms})
        ends = {shape[1:] for shape in shapes}
        if len(dtypes) > 1 or (len(shapes) > 1 and (len(ends) > 1 or () in shapes)):
            shown = " and ".join(sorted({described(*form) for form in forms})[:2])
            help = "only the first size of a row (the length of a sequence) may differ, and all rows have one dtype"
            raise StageError(f"{self.caller.who} returned `{name}` as {shown} a row", help=help)
        shape = list(shapes[0])
        return {"dtype": dtypes.pop(), "shape": [LENGTH, *shape[1:]] if len(shapes) > 1 else shape}

    def _compare(
        self, forms: Mapping[str, Mapping[str, Any]], at: int, batch: Result, other: Result, help: str
    ) -> None:
        """Raise StageError with both values where row `at` of the sample is prepared in two ways, up to padding."""
        for name, form in forms.items():
            one, two = batch.arrays[name][at], other.arrays[name][at if other.row is None else other.row]
            if form["shape"][:1] == [LENGTH]:
                one = one[: len(two)]
            scale = max(1.0, float(np.abs(batch.arrays[name]).max(initial=0)))
            if one.shape == two.shape and np.allclose(one, two, rtol=0, atol=_NEAR * scale):
                continue
            place = origin(self.data, "train", self.numbers[at])
            raise StageError(
                f"{self.caller.who} prepares one row in two ways ({place}): `{name}` is {_shown(one)} {batch.words}, "
                f"{_shown(two)} {other.words}",
                help=help,
            )


@dataclass(frozen=True)
class Result:
    """What the class returned, and how it was called."""

    words: str
    arrays: Arrays
    row: int | None = None
    """The row's place in the arrays; None where that is its place in the sample."""


_ALONE = "prepare each row by itself: compute statistics of the rows in fit, keep them in state; draw no random numbers"
_RESTORED = "let state() return all that fit computes and __call__ uses, and let restore(state) take it"


def _shown(array: Array) -> str:
    return np.array2string(array.reshape(-1)[:8], precision=6, separator=", ")


def accepted(forward: Callable[..., Any], names: Sequence[str], path: str, model: str) -> None:
    """Raise StageError where `forward` does not take what the class returns, by name."""
    found = inspect.signature(forward).parameters.values()
    by_name = [p for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    anything = any(p.kind is p.VAR_KEYWORD for p in found)
    takes, needs = {p.name for p in by_name}, {p.name for p in by_name if p.default is p.empty}
    if needs <= set(names) and (anything or set(names) <= takes):
        return
    raise StageError(
        f"{path} returns {', '.join(sorted(names))}, and {model}.forward takes {', '.join(sorted(takes)) or 'nothing'}",
        help="the names that __call__ returns are the parameters of forward",
    )
