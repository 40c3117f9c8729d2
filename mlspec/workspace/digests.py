"""Digests of files, and of the installed mlspec, whose builds may differ from those of another version."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import mlspec

_ENGINES = ("click", "jinja2", "pydantic", "yaml")
_PACKAGE = Path(mlspec.__file__).parent


def digest(data: bytes) -> str:
    """SHA-256 of the bytes."""
    return hashlib.sha256(data).hexdigest()


def engine(package: Path = _PACKAGE) -> str:
    """A digest of the installed mlspec: its version, its files and templates, Python, and the packages it renders with.

    Files count by size and time, except those of starters, which a build does not use; packages by the time of their
    site-packages folder, which changes with every installation.
    """
    facts: list[object] = [mlspec.__version__, sys.version]
    facts += sorted(_files(str(package)))
    beside = package.parent / "templates"  # a checkout; a wheel has them inside the package
    if not (package / "_templates").is_dir() and beside.is_dir():
        facts += sorted(_files(str(beside)))
    for name in _ENGINES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            site = os.path.dirname(os.path.dirname(spec.origin))
            facts.append((site, os.stat(site).st_mtime_ns))
    return digest(repr(facts).encode())


def _files(folder: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in ("__pycache__", "init"):
                    yield from _files(entry.path)
            else:
                facts = entry.stat()
                yield entry.path, facts.st_size, facts.st_mtime_ns
