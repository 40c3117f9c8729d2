"""`Dockerfile.lock`: the pinned digests of base images. Text to mapping and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from mlspec.errors import MlspecError

FILE: Final = "Dockerfile.lock"
DIGEST: Final = r"sha256:[0-9a-f]{64}"
_LINE: Final = re.compile(rf"([a-zA-Z0-9][\w./:-]{{0,299}})@({DIGEST})", re.ASCII)
_ABOUT: Final = """\
# The base images of the Dockerfile, each pinned to the digest it had when it was first pulled. Commit this file.
# To update a base image, delete its line and run `mlspec apply`.
"""


def parse(text: str) -> dict[str, str]:
    """Base image to digest. Raises MlspecError with the line number if the file is invalid."""
    bases: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or bases.get(match[1], match[2]) != match[2]:
            what = "expected NAME@sha256:DIGEST" if match is None else f"{match[1]} has a second digest"
            help = f"keep one line for each base image, or delete {FILE}; `mlspec apply` writes it again"
            raise MlspecError(f"{FILE}:{number}: {what}", help=help, code="broken-lock")
        bases[match[1]] = match[2]
    return bases


def dump(bases: Mapping[str, str]) -> str:
    """The file's text."""
    return _ABOUT + "".join(f"{name}@{digest}\n" for name, digest in sorted(bases.items()))


def pinned(base: str, bases: Mapping[str, str]) -> str:
    """`base` with the digest in `bases`, unless it has one already."""
    return base if "@" in base or base not in bases else f"{base}@{bases[base]}"
