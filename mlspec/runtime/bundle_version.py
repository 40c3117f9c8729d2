"""The version of a served model: as it was deployed, or the beginning of the digest of its bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

DIGITS: Final = 12
"""Of the digest; the image has as many in its label `org.opencontainers.image.version`."""
_BLOCK: Final = 1 << 20


def bundle_version(bundle: Path, environment: Mapping[str, str]) -> str:
    """`MODEL_VERSION`, which an image sets; the content of `bundle.version` beside the bundle, which a zip has; else
    it is computed, which reads every file of the bundle."""
    if version := environment.get("MODEL_VERSION"):
        return version
    try:
        return version_file(bundle).read_text(encoding="utf-8").strip()
    except OSError:
        return _digest(bundle)[:DIGITS] or "unknown"


def version_file(bundle: Path) -> Path:
    """Where a package that knows the version has it."""
    return bundle.with_name(f"{bundle.name}.version")


def _digest(folder: Path) -> str:
    """SHA-256 of a line `DIGEST  PATH` for each file, sorted by path; empty for an empty folder."""
    files = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
    lines = "".join(f"{_file_digest(path)}  {name}\n" for name, path in files)
    return hashlib.sha256(lines.encode()).hexdigest() if files else ""


def _file_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
