"""The files that importing a module of the project loads, from the source text: nothing is imported.

Where the source does not decide what is loaded, all candidates are included. Names that are computed at run time cannot
be followed; the stage's process records those files (`mlspec/watch.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

_SUFFIXES = (*EXTENSION_SUFFIXES, ".py", ".pyc")
_CALLS = ("import_module", "__import__")
_CALLS_AS_BYTES = tuple(call.encode() for call in _CALLS)


class Imports:
    """The modules of one project. Each file is read and parsed once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._parsed: dict[str, tuple[str, ...]] = {}

    def of_modules(self, names: Iterable[str]) -> tuple[str, ...]:
        """The files that importing these dotted names loads, including packages: POSIX paths in the project, sorted."""
        return self._follow(names)

    def of_files(self, paths: Iterable[str]) -> tuple[str, ...]:
        """The files that running these files of the project loads, without the files themselves."""
        return self._follow(name for path in paths for name in self._names(path, _module(path)))

    def file(self, name: str) -> str:
        """The file that Python loads for a dotted name; `""` for a namespace package or a module outside the project.

        In the order of https://docs.python.org/3/library/importlib.html#importlib.machinery.FileFinder: a package
        comes before a module of the same name.
        """
        steps = name.split(".")
        if not all(step.isidentifier() for step in steps):
            return ""
        path = "/".join(steps)
        places = [*(f"{path}/__init__{suffix}" for suffix in _SUFFIXES), *(path + suffix for suffix in _SUFFIXES)]
        return next((place for place in places if _is_file(self._root / place)), "")

    def _follow(self, names: Iterable[str]) -> tuple[str, ...]:
        files: set[str] = set()
        seen: set[str] = set()
        left = list(names)
        while left:
            name = left.pop()
            if name in seen:
                continue
            seen.add(name)
            package, _, last = name.rpartition(".")
            if last == "*":
                left += self._starred(package)
                continue
            if package:
                left.append(package)
            if file := self.file(name):
                files.add(file)
                left += self._names(file, name)
        return tuple(sorted(files))

    def _names(self, path: str, module: str) -> tuple[str, ...]:
        """Dotted names that a file imports; empty if it is not Python source."""
        if path not in self._parsed:
            source = _source(self._root / path)
            tree = _tree(source)
            package = module if path.rpartition("/")[2].startswith("__init__.") else module.rpartition(".")[0]
            calls = any(call in source for call in _CALLS_AS_BYTES)
            self._parsed[path] = tuple(dict.fromkeys(_imported(tree, package, calls=calls))) if tree else ()
        return self._parsed[path]

    def _starred(self, package: str) -> list[str]:
        """The modules that `from package import *` loads: those in `__all__`, or all if `__all__` is computed."""
        file = self.file(package)
        if not file.rpartition("/")[2].startswith("__init__."):
            return []
        tree = module_tree(self._root / file)
        names = _public(tree) if tree else []
        if names is None:
            folder = (self._root / file).parent
            names = sorted({entry.name.partition(".")[0] for entry in folder.iterdir()})
        return [f"{package}.{name}" for name in names]


def _module(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def module_tree(file: Path) -> ast.Module | None:
    """The syntax tree of a file; None if it is not valid Python."""
    return _tree(_source(file))


def _source(file: Path) -> bytes:
    """The text of a Python file; empty if it cannot be read. Bytes: the file may declare its encoding."""
    try:
        return file.read_bytes() if file.suffix == ".py" else b""
    except (OSError, ValueError):
        return b""


def _tree(source: bytes) -> ast.Module | None:
    try:
        return ast.parse(source) if source else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _imported(tree: ast.Module, package: str, *, calls: bool) -> Iterator[str]:
    """The names that the statements import, in any order; with `calls` also those that calls import."""
    for node in ast.walk(tree) if calls else _statements(tree):
        yield from named(node, package)


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """The statements of a module at every depth, without the expressions in them: a small part of its nodes."""
    left: list[ast.AST] = [tree]
    for node in left:
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, field, ())
            left += inner if isinstance(inner, list) else ()
        yield node


def named(node: ast.AST, package: str) -> Iterator[str]:
    """Dotted names that a node imports in a module of `package`."""
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            base = _absolute("." * level + (module or ""), package)
            if base:
                yield base
                yield from (f"{base}.{alias.name}" for alias in names)
        case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]) if _called(function) in _CALLS:
            if base := _absolute(name, package):
                yield base
        case _:
            pass


def _absolute(name: str, package: str) -> str:
    """`..layers` in the package `a.b` is `a.layers`; `""` above the topmost package."""
    bare = name.lstrip(".")
    level = len(name) - len(bare)
    if not level:
        return bare
    steps = package.split(".") if package else []
    if len(steps) < level:
        return ""
    return ".".join([*steps[: len(steps) - level + 1], *([bare] if bare else [])])


def _called(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _public(tree: ast.Module) -> list[str] | None:
    """The names in `__all__`, empty without it; None if it is computed."""
    names: list[str] = []
    for node in ast.walk(tree):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="__all__")], value=value)
                | ast.AnnAssign(target=ast.Name(id="__all__"), value=ast.expr() as value)
            ):
                if not isinstance(value, ast.List | ast.Tuple):
                    return None
                texts = [e.value for e in value.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]
                if len(texts) < len(value.elts):
                    return None
                names += texts
            case ast.AugAssign(target=ast.Name(id="__all__")):
                return None
            case ast.Call(func=ast.Attribute(value=ast.Name(id="__all__"))):
                return None
            case _:
                pass
    return names


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
