"""`requirements-serve.lock`: digests of the packages in `package.requirements`. Text to mapping and back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from mlspec.errors import MlspecError

FILE: Final = "requirements-serve.lock"
_RELEASE: Final = re.compile(r"([a-z0-9][a-z0-9.-]{0,99}==[0-9A-Za-z.+!-]{1,50})( \\)?", re.ASCII)
_HASH: Final = re.compile(r"\s*--hash=sha256:([0-9a-f]{64})( \\)?", re.ASCII)
_EXACT: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==([0-9A-Za-z.+!-]+)", re.ASCII)
_DIGEST: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})", re.ASCII)
_ABOUT: Final = """\
# Digests of the packages in `package.requirements`. `mlspec lock` writes this file; commit it.
"""


def requirements(text: str) -> dict[str, tuple[str, ...]]:
    """Every exact release of a requirements file to its digests, none where it has no hash. Other lines are ignored."""
    digests: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        if (release := _EXACT.match(line)) is not None:
            current = digests.setdefault(f"{release[1]}=={release[2]}", [])
        current += _DIGEST.findall(line)
    return {release: tuple(values) for release, values in digests.items()}


def parse(text: str) -> dict[str, tuple[str, ...]]:
    """`name==release` to its digests. Raises MlspecError with the line number if the file is invalid."""
    digests: dict[str, list[str]] = {}
    current: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if (digest := _HASH.fullmatch(line)) is not None and current is not None:
            current.append(digest[1])
        elif (release := _RELEASE.fullmatch(line)) is not None:
            current = digests.setdefault(release[1], [])
        else:
            message = f"{FILE}:{number}: expected NAME==RELEASE, or --hash=sha256:DIGEST of one"
            raise MlspecError(message, help=f"delete {FILE}, then: mlspec lock", code="broken-lock")
    return {release: tuple(values) for release, values in digests.items() if values}


def dump(digests: Mapping[str, Sequence[str]]) -> str:
    """The file's text."""
    return _ABOUT + "".join(f"{requirement(release, values)}\n" for release, values in sorted(digests.items()))


def requirement(release: str, digests: Sequence[str]) -> str:
    """A requirement of pip with its digests, each on a line of its own."""
    return " \\\n    ".join([release, *(f"--hash=sha256:{digest}" for digest in sorted(digests))])
