"""Digests of the user's model code, to detect that it changed after a checkpoint was trained."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlspec.sections.model import Custom
from mlspec.source.module_imports import Imports


def digests(model: Custom, root: Path) -> dict[str, list[str]]:
    """Each file that importing `model.class` loads, with the digests of its bytes and of its syntax tree."""
    return {path: _digests(root / path) for path in Imports(root).of_modules([model.class_.partition(":")[0]])}


def changed(trained: Mapping[str, Sequence[str]], root: Path) -> list[str]:
    """The files whose code has changed; changes of comments and layout do not count."""
    return [path for path, digests in trained.items() if not set(digests) & set(_digests(root / path))]


def _digests(file: Path) -> list[str]:
    try:
        text = file.read_bytes()
    except OSError:
        return []
    try:
        tree = ast.dump(ast.parse(text)).encode()  # differs between Python versions, hence also the bytes
    except (SyntaxError, ValueError, RecursionError):
        tree = text
    return [hashlib.sha256(content).hexdigest() for content in (text, tree)]
