"""Loads the Python modules in a preprocessing folder in isolation.

The project, or another bundle in the process, may have modules with the same names. So the modules of each folder are
loaded below a unique package, and their imports are resolved in that folder first.
"""

from __future__ import annotations

import builtins
import importlib
import itertools
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Final

CODE: Final = "code"
"""The folder of the modules, beside `preprocess.json`, with the same paths as in the project."""
_PREFIX: Final = "_mlspec_preprocess_"
_numbers = itertools.count()


def load(folder: Path, path: str) -> object:
    """The object `module:name` from the modules of `folder`. Raises any exception of the import."""
    package = ModuleType(f"{_PREFIX}{next(_numbers)}")
    package.__path__ = [str(folder / CODE)]
    sys.modules[package.__name__] = package
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    module, _, name = path.partition(":")
    loaded: object = getattr(importlib.import_module(f"{package.__name__}.{module}"), name)
    return loaded


def frames(error: BaseException, folder: Path) -> list[str]:
    """The traceback lines of an exception in those modules, innermost last: `src/prep.py:12 in fit: x = y`."""
    code, lines = folder / CODE, []
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(code):
            place = Path(frame.filename).relative_to(code).as_posix()
            lines.append(f"{place}:{frame.lineno} in {frame.name}: {frame.line}")
    return lines


class _Finder(MetaPathFinder):
    """Finds the modules below a package that `load` created."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002 - of the protocol
    ) -> ModuleSpec | None:
        """The spec of the module, from the path of its parent package."""
        if not fullname.startswith(_PREFIX):
            return None
        places = (FileFinder(place, (_Loader, [".py"])).find_spec(fullname) for place in path or ())
        return next((spec for spec in places if spec is not None), None)


class _Loader(SourceFileLoader):
    """Makes a module import from its own folder first, and writes no bytecode."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module."""
        top = module.__name__.partition(".")[0]
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _importer(top)}
        super().exec_module(module)

    def set_data(self, path: str, data: object, *, _mode: int = 0o666) -> None:
        """Write no bytecode: it would change the digest of the folder."""


def _importer(top: str) -> Callable[..., ModuleType]:
    def import_(
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

    return import_


def _carried(package: ModuleType, name: str) -> bool:
    places = [Path(place) / name for place in package.__path__]
    return any(place.is_dir() or place.with_suffix(".py").is_file() for place in places)
