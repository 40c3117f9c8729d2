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

from mlspec.errors import StageError
from mlspec.learning.preprocess_trial import Trial, located
from mlspec.runtime.preprocess import packed_modules
from mlspec.runtime.preprocess.base import Row
from mlspec.runtime.preprocess.bundle_errors import BundleError
from mlspec.runtime.preprocess.custom import Caller, Own, called, made
from mlspec.runtime.preprocess.fit import write
from mlspec.runtime.preprocess.mixed import FILE
from mlspec.sections.model import Preprocessing
from mlspec.source.module_imports import Imports
from mlspec.watch import opening


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
        trial = Trial(caller, rows, data)
        settings["outputs"] = trial.outputs()
        write(folder / FILE, [settings], raw=False)
        trial.same(_caught(lambda: Own(settings, folder)))
    code = {path for path in fitting if path.endswith(".py")}
    _self_contained(spec.class_, (code | serving) - _inside(folder, code | serving, root))


def copied(path: str, folder: Path, root: Path) -> None:
    """Put the modules that importing `path` loads into the folder, as they lie in the project."""
    shutil.rmtree(folder / packed_modules.CODE, ignore_errors=True)
    for file in Imports(root).of_modules([path.partition(":")[0]]):
        target = folder / packed_modules.CODE / file
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
        given = located(data, lambda: [caller.given(row, at) for at, row in enumerate(rows)])
        _caught(lambda: called(f"{path}.fit", folder, lambda: subject.fit(given)))
    if all(kept):
        settings["state"] = _plain(_caught(lambda: called(f"{path}.state", folder, subject.state)), path)
    return caller


def _caught(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except BundleError as error:
        raise StageError(str(error), help="the error is in the project's own code (model.preprocess)") from None


def _plain(state: object, path: str) -> dict[str, Any]:
    """The state as JSON has it. Raises StageError that names the value which JSON does not have."""
    if not isinstance(state, dict):
        help = "return a dict of numbers, texts, lists and dicts"
        raise StageError(f"{path}.state returned {type(state).__name__}, not dict", help=help)
    if found := next(_strange(state, "state()"), None):
        where, value = found
        shown = f"{value}" if isinstance(value, float) else f"of type {type(value).__module__}.{type(value).__name__}"
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
