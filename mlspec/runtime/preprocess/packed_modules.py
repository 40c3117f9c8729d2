"""Python modules that a preprocessing folder carries, loaded apart from all others.

A project, and two bundles in one process, may have modules of the same name. So the modules of each folder are loaded
below a package of their own, and what they import is looked up in that folder first.
"""

from __future__ import annotations

import builtins
import importlib
import itertools
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, Final

CODE: Final = "code"
"""The folder of the modules, inside that of `preprocess.json`; it has the paths that they have in the project."""
_PREFIX: Final = "_mlspec_preprocess_"
_numbers = itertools.count()


def load(folder: Path, path: str) -> Any:
    """What `module:name` names in the modules of `folder`; whatever importing it raises."""
    package = ModuleType(f"{_PREFIX}{next(_numbers)}")
    package.__path__ = [str(folder / CODE)]
    sys.modules[package.__name__] = package
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(f"{package.__name__}.{module}"), name)


def frames(error: BaseException, folder: Path) -> list[str]:
    """The places in those modules that an exception passed, the innermost last: `src/prep.py:12 in fit: x = y`."""
    code, found = folder / CODE, []
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(code):
            place = Path(frame.filename).relative_to(code).as_posix()
            found.append(f"{place}:{frame.lineno} in {frame.name}: {frame.line}")
    return found


class _Finder(MetaPathFinder):
    """Finds the modules below a package of ours."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002 - of the protocol
    ) -> ModuleSpec | None:
        """The module's file, in the folder of the package above it."""
        if not fullname.startswith(_PREFIX):
            return None
        places = (FileFinder(place, (_Loader, [".py"])).find_spec(fullname) for place in path or ())
        return next((spec for spec in places if spec is not None), None)


class _Loader(SourceFileLoader):
    """Has a module import what lies beside it, and leaves no bytecode in the folder."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module."""
        top = module.__name__.partition(".")[0]
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _importer(top)}
        super().exec_module(module)

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Write nothing: the digest of the folder would be another."""


def _importer(top: str) -> Any:
    def found(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if level or not _carried(sys.modules[top], name.partition(".")[0]):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        if fromlist:
            return builtins.__import__(f"{top}.{name}", globals, locals, fromlist, 0)
        importlib.import_module(f"{top}.{name}")
        return sys.modules[f"{top}.{name.partition('.')[0]}"]

    return found


def _carried(package: ModuleType, name: str) -> bool:
    places = [Path(place) / name for place in package.__path__]
    return any(place.is_dir() or place.with_suffix(".py").is_file() for place in places)
