"""The user's model code as a checkpoint was trained with it, and whether it is still the same."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlspec.sections.model import Custom
from mlspec.source.module_imports import Imports


def digests(model: Custom, root: Path) -> dict[str, list[str]]:
    """Each file that loading `model.class` loads, with the digest of its bytes and that of its syntax tree."""
    return {path: _digests(root / path) for path in Imports(root).of_modules([model.class_.partition(":")[0]])}


def changed(trained: Mapping[str, Sequence[str]], root: Path) -> list[str]:
    """The files that no longer do what they did: one with other comments or another layout still does."""
    return [path for path, digests in trained.items() if not set(digests) & set(_digests(root / path))]


def _digests(file: Path) -> list[str]:
    try:
        text = file.read_bytes()
    except OSError:
        return []
    try:
        tree = ast.dump(ast.parse(text)).encode()  # differs between versions of Python, hence the bytes as well
    except (SyntaxError, ValueError, RecursionError):
        tree = text
    return [hashlib.sha256(found).hexdigest() for found in (text, tree)]
