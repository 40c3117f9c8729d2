"""Third-party imports of the project's modules, from their source: what must be installed where they run.

Excluded are imports inside a method `fit`, which runs in training only, imports for type checkers, and optional imports
in a `try`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mlspec.source.module_imports import Imports, module_tree, named

_DISTRIBUTIONS = {
    "PIL": "pillow", "bs4": "beautifulsoup4", "cv2": "opencv-python-headless", "dateutil": "python-dateutil",
    "skimage": "scikit-image", "sklearn": "scikit-learn", "umap": "umap-learn", "yaml": "pyyaml",
}  # fmt: skip
"""Packages whose name differs from that of their module."""
_WITHOUT = {"ImportError", "ModuleNotFoundError", "Exception"}


class Outside(NamedTuple):
    """One import of a module that is neither in the project nor in the standard library."""

    name: str
    """The dotted name of the module."""
    file: str
    """The importing file of the project, POSIX."""
    line: int
    release: str
    """The installed version of the package, or `""`."""

    @property
    def package(self) -> str:
        """The name of the package that probably provides it."""
        return distribution(self.name)


def distribution(name: str) -> str:
    """The name of the package that probably provides a module."""
    top = name.partition(".")[0]
    return _DISTRIBUTIONS.get(top, re.sub(r"[-_.]+", "-", top).lower())


def of_module(imports: Imports, root: Path, module: str) -> tuple[Outside, ...]:
    """All third-party imports that loading a module of the project, or calling its functions, may run."""
    outside: dict[str, Outside] = {}
    left, seen = [module], set[str]()
    while left:
        name = left.pop()
        file = imports.file(name)
        if name in seen:
            continue
        seen.add(name)
        left += [name.rpartition(".")[0]] if "." in name else []
        tree = module_tree(root / file) if file else None
        package = name if file.rpartition("/")[2].startswith("__init__.") else name.rpartition(".")[0]
        for node in _run(tree) if tree else ():
            for imported in named(node, package):
                top = imported.partition(".")[0]
                if imports.file(top) or (root / top).is_dir():
                    left.append(imported)
                elif top not in sys.stdlib_module_names:
                    key = imported if top == "mlspec" else top
                    outside.setdefault(key, Outside(imported, file, getattr(node, "lineno", 1), _release(imported)))
    return tuple(sorted(outside.values(), key=lambda each: (each.file, each.line, each.name)))


def _release(name: str) -> str:
    from importlib import metadata  # slow, and few projects import third-party modules

    try:
        return metadata.version(distribution(name))
    except metadata.PackageNotFoundError:
        return ""


def _run(node: ast.AST, inside_class: bool = False) -> Iterator[ast.AST]:
    """The nodes of a module that may run outside training."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"), orelse=rest):
                yield from (inner for each in rest for inner in _run(ast.Module([each], []), inside_class))
            case ast.Try(handlers=handlers) if any(_optional(handler) for handler in handlers):
                for each in (*(s for h in handlers for s in h.body), *child.orelse, *child.finalbody):
                    yield from _run(ast.Module([each], []), inside_class)
            case ast.FunctionDef(name="fit") if inside_class:
                continue
            case _:
                yield child
                yield from _run(child, isinstance(child, ast.ClassDef))


def _optional(handler: ast.ExceptHandler) -> bool:
    """Whether the handler catches a failed import."""
    return handler.type is None or any(isinstance(n, ast.Name) and n.id in _WITHOUT for n in ast.walk(handler.type))
