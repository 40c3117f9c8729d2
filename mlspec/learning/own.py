"""A preprocessing class of the project, fitted on the training rows, and tried before a model is trained on it.

Its modules go into the folder beside its state, so that evaluation, export and serving run the code that the model was
trained with. What it does must depend on that folder and on the row alone.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlspec.errors import StageError
from mlspec.learning.rows import origin, refused
from mlspec.parts.model.spec import Preprocessing
from mlspec.runtime.errors import BadRow, BundleError
from mlspec.runtime.preprocess import packed
from mlspec.runtime.preprocess.base import Array, Row
from mlspec.runtime.preprocess.fit import write
from mlspec.runtime.preprocess.mixed import FILE
from mlspec.runtime.preprocess.own import CHUNK, LENGTH, Caller, Own, called, described, made
from mlspec.source.imports import Imports
from mlspec.watch import opening

SAMPLE = 64
"""Rows that are prepared one by one and together."""
_NEAR = 1e-4
"""Parts of the largest value that two results of the same row may differ by."""

Arrays = Mapping[str, Array]


def fit(
    spec: Preprocessing, rows: Sequence[Row], inputs: Mapping[str, Any], folder: Path, root: Path, data: Path
) -> None:
    """Write `preprocess.json` and the class's modules to `folder`. Raises StageError where the class cannot be used."""
    settings: dict[str, Any] = {
        "kind": "class",
        "class": spec.class_,
        "args": dict(spec.args),
        "inputs": {name: dict(value) for name, value in inputs.items()},
    }
    copied(spec.class_, folder, root)
    with opening(root) as fitting:
        caller = _fitted(settings, rows, folder, data)
    with opening(root) as serving:
        settings["outputs"] = _outputs(caller, rows, data)
        write(folder / FILE, [settings], raw=False)
        loaded = _caught(lambda: Own(settings, folder))
        numbers = spread(len(rows), SAMPLE)
        _same_restored(caller, loaded, [rows[at] for at in numbers], numbers, data)
    code = {path for path in fitting if path.endswith(".py")}
    _self_contained(spec.class_, (code | serving) - _inside(folder, code | serving, root))


def copied(path: str, folder: Path, root: Path) -> None:
    """Put the modules that importing `path` loads into the folder, as they lie in the project."""
    shutil.rmtree(folder / packed.CODE, ignore_errors=True)
    for file in Imports(root).of_modules([path.partition(":")[0]]):
        target = folder / packed.CODE / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / file, target)


def _fitted(settings: dict[str, Any], rows: Sequence[Row], folder: Path, data: Path) -> Caller:
    """The object fitted to the rows; its state goes into the settings."""
    subject = _caught(lambda: made(settings, folder))
    path = settings["class"]
    if not callable(subject):
        help = "def __call__(self, rows) -> dict[str, np.ndarray], batch first"
        raise StageError(f"{path} has no __call__, which prepares rows", help=help)
    fits, kept = hasattr(subject, "fit"), [hasattr(subject, name) for name in ("state", "restore")]
    if any(kept) != all(kept) or (fits and not all(kept)):
        lacking = " and ".join(n for n, has in zip(("state", "restore"), kept, strict=True) if not has)
        help = "state(self) returns what fit computed, as JSON; restore(self, state) takes it in evaluation and serving"
        raise StageError(f"{path} has {'fit' if fits else 'state or restore'} and no {lacking}", help=help)
    caller = Caller(path, subject, settings["inputs"], folder)
    if fits:
        given = _located(data, lambda: [caller.given(row, at) for at, row in enumerate(rows)])
        _caught(lambda: called(f"{path}.fit", folder, lambda: subject.fit(given)))
    if all(kept):
        settings["state"] = _plain(_caught(lambda: called(f"{path}.state", folder, subject.state)), path)
    return caller


def _caught(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except BundleError as error:
        raise StageError(str(error), help="the error is in the project's own code (model.preprocess)") from None


def _located(data: Path, function: Callable[[], Any]) -> Any:
    try:
        return function()
    except BadRow as error:
        raise refused(error, data, "train") from None


def _plain(state: object, path: str) -> dict[str, Any]:
    """The state as JSON has it. Raises StageError that names the value which JSON does not have."""
    if not isinstance(state, dict):
        help = "return a dict of numbers, texts, lists and dicts"
        raise StageError(f"{path}.state returned {type(state).__name__}, not dict", help=help)
    if found := next(_strange(state, "state()"), None):
        where, value = found
        shown = f"{value}" if isinstance(value, float) else f"a {type(value).__module__}.{type(value).__name__}"
        help = "numpy's arrays have .tolist(), its numbers .item(); keys are texts; JSON has no NaN or infinity"
        raise StageError(f"{path}: {where} is {shown.replace('builtins.', '')}, which JSON does not have", help=help)
    plain: dict[str, Any] = json.loads(json.dumps(state))
    return plain


def _strange(value: object, where: str) -> Iterator[tuple[str, object]]:
    match value:
        case dict():
            for key, inner in value.items():
                if not isinstance(key, str):
                    yield f"the key {key!r} of {where}", key
                yield from _strange(inner, f"{where}[{key!r}]")
        case list() | tuple():
            for at, inner in enumerate(value):
                yield from _strange(inner, f"{where}[{at}]")
        case float() if not math.isfinite(value):
            yield where, value
        case None | bool() | str() | int() | float() if type(value) in (type(None), bool, str, int, float):
            return
        case _:
            yield where, value


def spread(count: int, most: int) -> list[int]:
    """At most that many row numbers, spread over all."""
    return [at * count // min(count, most) for at in range(min(count, most))]


def _outputs(caller: Caller, rows: Sequence[Row], data: Path) -> dict[str, dict[str, Any]]:
    """The form of each array: its dtype, and the shape of a row. Raises StageError where it depends on the batch."""
    numbers = spread(len(rows), SAMPLE)
    some = [rows[at] for at in numbers]
    alone = [_located(data, lambda at=at: caller.arrays([rows[at]], at)) for at in numbers]
    together = _located(data, lambda: caller.arrays(some, numbers[0]))
    starts = range(0, len(rows), CHUNK)
    chunks = [_located(data, lambda s=s: _one_by_one(caller, rows[s : s + CHUNK], s)) for s in starts]
    first = alone[0]
    for found in (*alone, together, *chunks):
        if set(found) != set(first):
            names = [", ".join(sorted(each)) for each in (first, found)]
            help = "return the same names for every row"
            raise StageError(f"{caller.who} returned {names[0]} for one row and {names[1]} for others", help=help)
    outputs = {name: _form(caller, name, [a[name] for a in (*alone, together, *chunks)]) for name in first}
    for at, number in enumerate(numbers):
        _agree(caller, outputs, together, alone[at], at, (data, number), ("in a batch", "alone"))
    return outputs


def _one_by_one(caller: Caller, rows: Sequence[Row], first: int) -> Arrays:
    """What the class returns for the rows; where it fails, the row that it fails on is named."""
    try:
        return caller.arrays(rows, first)
    except BadRow:
        for at, row in enumerate(rows):
            caller.arrays([row], first + at)
        raise


def _form(caller: Caller, name: str, arrays: Sequence[Array]) -> dict[str, Any]:
    dtypes, shapes = {str(a.dtype) for a in arrays}, {a.shape[1:] for a in arrays}
    ends = {shape[1:] for shape in shapes if shape}
    if len(dtypes) > 1 or (len(shapes) > 1 and (len(ends) > 1 or () in shapes)):
        shown = " and ".join(sorted({described(a.dtype, a.shape[1:]) for a in arrays})[:2])
        help = "rows may differ in the first size alone (a sequence's length); one dtype for all rows"
        raise StageError(f"{caller.who} returned `{name}` as {shown} a row", help=help)
    shape = list(arrays[0].shape[1:])
    return {"dtype": dtypes.pop(), "shape": [LENGTH, *shape[1:]] if len(shapes) > 1 else shape}


def _same_restored(caller: Caller, loaded: Own, rows: Sequence[Row], numbers: Sequence[int], data: Path) -> None:
    """Raise StageError where the object that was fitted and one of its state prepare a row differently."""
    fitted = _located(data, lambda: caller.arrays(rows))
    again = _located(data, lambda: loaded.caller.arrays(rows))
    if set(fitted) != set(again):
        help = "state() has to hold all that __call__ needs"
        raise StageError(f"{caller.who} returns other names after restore: {', '.join(sorted(again))}", help=help)
    for at, number in enumerate(numbers):
        alone = {name: array[at : at + 1] for name, array in again.items()}
        _agree(caller, loaded.outputs, fitted, alone, at, (data, number), ("after fit", "after restore"))


def _agree(
    caller: Caller,
    outputs: Mapping[str, Mapping[str, Any]],
    batch: Arrays,
    single: Arrays,
    at: int,
    place: tuple[Path, int],
    words: tuple[str, str],
) -> None:
    """Raise StageError with both values where a row is prepared differently, up to padding."""
    for name, output in outputs.items():
        other = single[name][0]
        one = batch[name][at]
        if output["shape"][:1] == [LENGTH]:
            one = one[: len(other)]
        scale = max(1.0, float(np.abs(batch[name]).max(initial=0)))
        if one.shape == other.shape and np.allclose(one, other, rtol=0, atol=_NEAR * scale):
            continue
        reasons = {
            "alone": "prepare each row by itself: statistics of the rows belong into fit, and into state; no random numbers",
            "after restore": "let state() return all that fit computes and __call__ uses, and restore(state) take it",
        }
        shown = [np.array2string(array.reshape(-1)[:8], precision=6, separator=", ") for array in (one, other)]
        raise StageError(
            f"{caller.who} prepares one row differently ({origin(place[0], 'train', place[1])}): `{name}` is {shown[0]} {words[0]} and {shown[1]} "
            f"{words[1]}",
            help=reasons[words[1]],
        )


def _inside(folder: Path, paths: set[str], root: Path) -> set[str]:
    return {path for path in paths if (root / path).resolve().is_relative_to(folder.resolve())}


def _self_contained(path: str, opened: set[str]) -> None:
    """Raise StageError where the class needs files of the project that its folder does not have."""
    if not opened:
        return
    names = ", ".join(sorted(opened)[:3])
    if code := sorted(name for name in opened if name.endswith(".py")):
        help = "import modules by their names, so that they can be followed; import what only fit needs inside fit"
        raise StageError(f"{path} loads {', '.join(code[:3])}, which its import statements do not name", help=help)
    raise StageError(
        f"{path} opens {names}, which evaluation and serving do not have",
        help="read it in fit and keep what it says in state(), or write it into model.preprocess.args",
    )
