"""`Dockerfile.lock`: the digests that base images had at the project's first build. Text to mapping and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from mlspec.errors import MlspecError

FILE: Final = "Dockerfile.lock"
DIGEST: Final = r"sha256:[0-9a-f]{64}"
_LINE: Final = re.compile(rf"([a-zA-Z0-9][\w./:-]{{0,299}})@({DIGEST})", re.ASCII)
_ABOUT: Final = """\
# The base images that the Dockerfile is built on, each by the digest it had when it was first pulled. Commit this file.
# To move on to what a tag stands for today, delete its line and run `mlspec apply`.
"""


def parse(text: str) -> dict[str, str]:
    """Base image to digest. Raises MlspecError that names the line: the file comes from the repository."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or found.get(match[1], match[2]) != match[2]:
            what = "is no NAME@sha256:DIGEST" if match is None else f"gives {match[1]} a second digest"
            help = f"keep one line for each base image, or delete {FILE}: the next apply looks the digests up again"
            raise MlspecError(f"{FILE}:{number} {what}", help=help, code="broken-lock")
        found[match[1]] = match[2]
    return found


def dump(bases: Mapping[str, str]) -> str:
    """The file's text."""
    return _ABOUT + "".join(f"{name}@{digest}\n" for name, digest in sorted(bases.items()))


def pinned(base: str, bases: Mapping[str, str]) -> str:
    """`base` with its digest, where it has none of its own and one is known."""
    return base if "@" in base or base not in bases else f"{base}@{bases[base]}"
