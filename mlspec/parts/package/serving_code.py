"""The code that serves a bundle: the package `mlspec` with its runtime alone."""

from __future__ import annotations

from pathlib import Path

import mlspec
from mlspec.job import fresh, swap, write_text

_ABOUT = '"""The serving part of mlspec; the compiler is not here."""\n\n__version__ = "{version}"\n'


def fill(folder: Path) -> None:
    """Write the package `mlspec` with its runtime alone to `folder`, whole or not at all."""
    partial, source = fresh(folder), Path(mlspec.__file__).parent / "runtime"
    for file in sorted(source.rglob("*.py")):
        write_text(partial / "mlspec" / "runtime" / file.relative_to(source), file.read_text(encoding="utf-8"))
    write_text(partial / "mlspec" / "__init__.py", _ABOUT.format(version=mlspec.__version__))
    swap(partial, folder)
