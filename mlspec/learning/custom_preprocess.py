"""Fits the user's preprocessing class on the training rows, and checks it before a model is trained with it.

Its modules are copied next to its state, so that evaluation, export and serving run the code that the model was trained
with. Its results may depend only on that folder and on the row.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from mlspec.errors import StageError
from mlspec.learning.preprocess_trial import Trial, located
from mlspec.runtime.preprocess import packed_modules
from mlspec.runtime.preprocess.base import InputDescription, Row
from mlspec.runtime.preprocess.bundle_errors import BundleError
from mlspec.runtime.preprocess.custom import Caller, CustomPreprocess, CustomSettings, called, instance
from mlspec.runtime.preprocess.fit import write
from mlspec.runtime.preprocess.mixed import FILE
from mlspec.sections.model import Preprocessing
from mlspec.source.module_imports import Imports
from mlspec.watch import opening

T = TypeVar("T")


def fit(
    spec: Preprocessing,
    rows: Sequence[Row],
    inputs: Mapping[str, InputDescription],
    folder: Path,
    root: Path,
    data: Path,
) -> None:
    """Write `preprocess.json` and the modules of the class to `folder`. Raises StageError if the class is unusable."""
    settings: CustomSettings = {
        "kind": "class",
        "class": spec.class_,
        "args": dict(spec.args),
        "inputs": {name: value.copy() for name, value in inputs.items()},
    }
    copied(spec.class_, folder, root)
    with opening(root) as fitting:
        caller = _fitted(settings, rows, folder, data)
    with opening(root) as serving:
        trial = Trial(caller, rows, data)
        settings["outputs"] = trial.outputs()
        write(folder / FILE, [settings], raw=False)
        trial.same(_caught(lambda: CustomPreprocess(settings, folder)))
    code = {path for path in fitting if path.endswith(".py")}
    _self_contained(spec.class_, (code | serving) - _inside(folder, code | serving, root))


def copied(path: str, folder: Path, root: Path) -> None:
    """Copy the modules that importing `path` loads to the folder, with their paths in the project."""
    shutil.rmtree(folder / packed_modules.CODE, ignore_errors=True)
    for file in Imports(root).of_modules([path.partition(":")[0]]):
        target = folder / packed_modules.CODE / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / file, target)


def _fitted(settings: CustomSettings, rows: Sequence[Row], folder: Path, data: Path) -> Caller:
    """The fitted object; its state is added to `settings`."""
    subject = _caught(lambda: instance(settings, folder))
    path = settings["class"]
    if not callable(subject):
        help = "def __call__(self, rows) -> dict[str, np.ndarray], batch first"
        raise StageError(f"{path} has no method __call__, which preprocesses rows", help=f"add {help}")
    fits, stateful = hasattr(subject, "fit"), [hasattr(subject, name) for name in ("state", "restore")]
    if any(stateful) != all(stateful) or (fits and not all(stateful)):
        lacking = " and ".join(n for n, has in zip(("state", "restore"), stateful, strict=True) if not has)
        help = (
            "state(self) returns the results of fit as JSON; restore(self, state) loads them in evaluation and serving"
        )
        raise StageError(f"{path} has {'fit' if fits else 'state or restore'} but not {lacking}", help=f"add {help}")
    caller = Caller(path, subject, settings["inputs"], folder)
    if fits:
        inputs = located(data, lambda: [caller.values(row, at) for at, row in enumerate(rows)])
        _caught(lambda: called(f"{path}.fit", folder, lambda: subject.fit(inputs)))
    if all(stateful):
        settings["state"] = _plain(_caught(lambda: called(f"{path}.state", folder, subject.state)), path)
    return caller


def _caught(function: Callable[[], T]) -> T:
    try:
        return function()
    except BundleError as error:
        raise StageError(str(error), help="fix the error in your preprocessing class (model.preprocess)") from None


def _plain(state: object, path: str) -> dict[str, object]:
    """The state after a round trip through JSON. Raises StageError with the value that JSON does not support."""
    if not isinstance(state, dict):
        help = "return a dict of numbers, strings, lists and dicts"
        raise StageError(f"{path}.state returned {type(state).__name__}, not dict", help=help)
    if invalid := next(_strange(state, "state()"), None):
        where, value = invalid
        shown = f"{value}" if isinstance(value, float) else f"of type {type(value).__module__}.{type(value).__name__}"
        help = "convert numpy arrays with .tolist() and numbers with .item(); use string keys; avoid NaN and infinity"
        raise StageError(f"{path}: {where} is {shown.replace('builtins.', '')}, which JSON does not support", help=help)
    parsed: dict[str, object] = json.loads(json.dumps(state))
    return parsed


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


def _inside(folder: Path, paths: set[str], root: Path) -> set[str]:
    return {path for path in paths if (root / path).resolve().is_relative_to(folder.resolve())}


def _self_contained(path: str, opened: set[str]) -> None:
    """Raise StageError if the class needs files of the project that are not in its folder."""
    if not opened:
        return
    names = ", ".join(sorted(opened)[:3])
    if code := sorted(name for name in opened if name.endswith(".py")):
        help = "use import statements instead of dynamic imports; import modules that only fit needs inside fit"
        raise StageError(f"{path} loads {', '.join(code[:3])} without an import statement", help=help)
    raise StageError(
        f"{path} opens {names}, which is not available in evaluation and serving",
        help="read it in fit and return its contents from state(), or pass them in model.preprocess.args",
    )
