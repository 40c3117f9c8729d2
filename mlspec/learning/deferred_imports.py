"""Packages that a library imports for features mlspec does not use are imported on first use: stages start sooner."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

UNUSED: Final = ("scipy.signal", "transformers")
"""What torchmetrics imports for metrics of sound and of generated text; Lightning imports torchmetrics."""


class Deferred:
    """A name of a package, which is imported when the name is used."""

    def __init__(self, module: str, name: str) -> None:
        self.__dict__["_Deferred__place"] = module, name

    def __real(self) -> Any:
        module, name = self.__place
        return getattr(importlib.import_module(module), name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__real(), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.__real(), name, value)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the real function or class."""
        return self.__real()(*arguments, **named)

    def __instancecheck__(self, instance: object) -> bool:
        # Without the package nothing can be an instance of its classes.
        return self.__place[0] in sys.modules and isinstance(instance, self.__real())

    def __subclasscheck__(self, subclass: type) -> bool:
        return self.__place[0] in sys.modules and issubclass(subclass, self.__real())

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[Any, ...]:
        return (self.__real(),)


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Deferred:
        if name.startswith("__"):
            raise AttributeError(name)
        return Deferred(self.__name__, name)


class _StandIns(MetaPathFinder, Loader):
    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self.created: list[ModuleType] = []

    def find_spec(self, fullname: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG002
        ours = any(fullname == name or fullname.startswith(f"{name}.") for name in self._names)
        return ModuleSpec(fullname, self, is_package=True) if ours else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self.created.append(_StandIn(spec.name))
        return self.created[-1]

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: the module is imported later."""


@contextmanager
def deferred(names: Sequence[str] = UNUSED) -> Iterator[None]:
    """Let the imports of the body get names that import these packages when they are used; later imports are real."""
    finder = _StandIns([name for name in names if name not in sys.modules])
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for module in finder.created:
            _forget(module)


class _Importer(Loader):
    """Imports a library with the loader that finds it, while `names` are deferred."""

    def __init__(self, loader: Loader, names: Sequence[str]) -> None:
        self._loader, self._names = loader, names

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Execute the library; afterwards it has its own loader."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        with deferred(self._names):
            self._loader.exec_module(module)


class DeferringFinder(MetaPathFinder):
    """Defers the packages `names` while `library` is imported, in whatever module and at whatever time that happens."""

    def __init__(self, library: str, names: Sequence[str] = UNUSED) -> None:
        self._library, self._names = library, names

    def install(self) -> None:
        """Ask this finder first. A library that is imported already, or that has such a finder, stays as it is."""
        others = [finder for finder in sys.meta_path if isinstance(finder, DeferringFinder)]
        if self._library not in sys.modules and not any(other.serves(self._library) for other in others):
            sys.meta_path.insert(0, self)

    def serves(self, library: str) -> bool:
        """Whether the library is the one of this finder."""
        return library == self._library

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The library as the next finder finds it."""
        if fullname != self._library:
            return None
        specs = (finder.find_spec(fullname, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((one for one in specs if one is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Importer(spec.loader, self._names)
        return spec


def _forget(module: ModuleType) -> None:
    """Remove a stand-in from the loaded modules, and from the package that has it as an attribute."""
    if sys.modules.get(module.__name__) is module:
        del sys.modules[module.__name__]
    package, _, name = module.__name__.rpartition(".")
    parent = sys.modules.get(package)
    if parent is not None and parent.__dict__.get(name) is module:
        delattr(parent, name)
