"""What modules of the project import from outside it, read as text: what has to be installed where they run.

Left out is what runs in training alone (inside a method `fit`), what only a type checker reads, and what a `try` does
without.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from mlspec.source.module_imports import Imports, module_tree, named

_DISTRIBUTIONS = {
    "PIL": "pillow", "bs4": "beautifulsoup4", "cv2": "opencv-python-headless", "dateutil": "python-dateutil",
    "skimage": "scikit-image", "sklearn": "scikit-learn", "umap": "umap-learn", "yaml": "pyyaml",
}  # fmt: skip
"""Packages whose name is another than that of the module that they install."""
_WITHOUT = {"ImportError", "ModuleNotFoundError", "Exception"}


@dataclass(frozen=True, slots=True)
class Outside:
    """One import of something that is neither the project's nor Python's."""

    name: str
    """Dotted."""
    file: str
    """Of the project, POSIX."""
    line: int
    release: str
    """Of the package that is installed here, or `""`."""

    @property
    def package(self) -> str:
        """The name of the package that probably has it."""
        return distribution(self.name)


def distribution(name: str) -> str:
    """The name of the package that has a module, where its name says so."""
    top = name.partition(".")[0]
    return _DISTRIBUTIONS.get(top, re.sub(r"[-_.]+", "-", top).lower())


def of_module(imports: Imports, root: Path, module: str) -> tuple[Outside, ...]:
    """All imports from outside that loading a module of the project runs, or a call of what it defines may run."""
    found: dict[str, Outside] = {}
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
                    found.setdefault(key, Outside(imported, file, getattr(node, "lineno", 1), _release(imported)))
    return tuple(sorted(found.values(), key=lambda each: (each.file, each.line, each.name)))


def _release(name: str) -> str:
    try:
        return metadata.version(distribution(name))
    except metadata.PackageNotFoundError:
        return ""


def _run(node: ast.AST, inside_class: bool = False) -> Iterator[ast.AST]:
    """The nodes of a module that run outside of training."""
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
    """Whether an import that fails is caught."""
    return handler.type is None or any(isinstance(n, ast.Name) and n.id in _WITHOUT for n in ast.walk(handler.type))
