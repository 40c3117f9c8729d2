"""The rows that the project's own data function returns, read as the stage `data` reads them."""

from __future__ import annotations

import os
from pathlib import Path

from mlspec.parts.data.read_source import called


def source_rows(root: Path, source: str) -> list[dict[str, object]]:
    """The rows of a callable source such as `src.data:load`, called in the folder of the project. Raises StageError."""
    before = Path.cwd()
    os.chdir(root)
    try:
        rows: list[dict[str, object]] = called(source, root).table.to_pylist()
        return rows
    finally:
        os.chdir(before)
