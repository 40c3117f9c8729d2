"""`Dockerfile.lock`: the pinned digests of images that others publish. Text to mapping and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mlspec.errors import MlspecError

FILE: Final = "Dockerfile.lock"
DIGEST: Final = r"sha256:[0-9a-f]{64}"
_LINE: Final = re.compile(rf"([a-zA-Z0-9][\w./:-]{{0,299}})@({DIGEST})(?:\s+# (\d{{4}}-\d\d-\d\d))?", re.ASCII)
_ABOUT: Final = """\
# The images of the Dockerfile and the workflows, each with the digest that its registry had on that day. Commit it.
# `mlspec lock --upgrade` writes the digest that the registry has now.
"""


@dataclass(frozen=True, slots=True)
class PinnedBase:
    """The digest of an image, and the day on which its registry was asked, "" where a former release pinned it."""

    digest: str
    day: str = ""


def parse(text: str) -> dict[str, PinnedBase]:
    """Image to its pin. Raises MlspecError with the line number if the file is invalid."""
    bases: dict[str, PinnedBase] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or (match[1] in bases and bases[match[1]].digest != match[2]):
            what = "expected NAME@sha256:DIGEST" if match is None else f"{match[1]} has a second digest"
            help = f"keep one line for each image, or delete {FILE}; `mlspec lock` writes it again"
            raise MlspecError(f"{FILE}:{number}: {what}", help=help, code="broken-lock")
        bases[match[1]] = PinnedBase(match[2], match[3] or "")
    return bases


def dump(bases: Mapping[str, PinnedBase]) -> str:
    """The file's text."""
    return _ABOUT + "".join(
        f"{name}@{base.digest}{f' # {base.day}' if base.day else ''}\n" for name, base in sorted(bases.items())
    )


def pinned(base: str, bases: Mapping[str, PinnedBase]) -> str:
    """`base` with the digest in `bases`, unless it has one already."""
    return base if "@" in base or base not in bases else f"{base}@{bases[base].digest}"
