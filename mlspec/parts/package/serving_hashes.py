"""The digests of the wheels that serving installs, for the releases in `serving_pins.py`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("serving_hashes.txt")
_ANY: Final = "*"


def hashes(release: str, python: str) -> tuple[str, ...]:
    """SHA-256 of the wheels of `numpy==2.4.6` for that Python, one for each processor; none for an unknown release."""
    known = _table()
    return known.get((release, python)) or known.get((release, _ANY), ())


@cache
def _table() -> Mapping[tuple[str, str], tuple[str, ...]]:
    lines = (line.split() for line in FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return {(release, python): tuple(digests) for release, python, *digests in lines}
