"""Whether a folder can contain a project: checks of its path, before anything is written there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from mlspec.errors import MlspecError

RESERVED: Final = 400
"""Bytes reserved for paths in the project: generated files, the state in `.mlspec`, DVC's cache, temporary names."""
_NAME_MAX: Final = 255
_PATH_MAX: Final = 4096
"""Limits of Linux, if the system does not report any: https://man7.org/linux/man-pages/man3/pathconf.3.html."""


def require_usable(folder: Path) -> None:
    """Raise MlspecError if tools of a project fail on the path of `folder`, which need not exist."""
    place = Path(os.path.abspath(folder))
    if reason := fault(place):
        help = "use a folder with another name or a shorter path; nothing was written"
        raise MlspecError(
            f"the folder {_shown(place)} cannot contain a project: {reason}", help=help, code="unfit-folder"
        )


def fault(place: Path) -> str:
    """Why the absolute path `place` cannot contain a project, as part of a sentence; `""` if it can."""
    above = _existing(place)
    most = _limit(above, "PC_NAME_MAX", _NAME_MAX)
    longest = max((len(os.fsencode(name)) for name in place.parts), default=0)
    if longest > most:
        return f"a name in its path has {longest} bytes, the limit of the file system is {most}"
    whole, allowed = len(os.fsencode(place)), _limit(above, "PC_PATH_MAX", _PATH_MAX) - 1 - RESERVED
    if whole > allowed:
        return f"its path has {whole} bytes, the limit is {allowed} ({RESERVED} are reserved for files in the project)"
    if braces := sorted({"{", "}"} & set(str(place))):
        named = " and ".join(f"`{brace}`" for brace in braces)
        return f"its path contains {named}, which DVC does not support in the path of its cache"
    return ""


def _existing(place: Path) -> Path:
    """The nearest folder above that exists."""
    for above in (place, *place.parents):
        try:
            if above.is_dir():
                return above
        except OSError:  # a name that is too long for the file system
            continue
    return Path(place.anchor)


def _limit(folder: Path, name: str, default: int) -> int:
    try:
        limit = os.pathconf(folder, name)
    except (OSError, ValueError, AttributeError):
        return default
    return limit if limit > 0 else default


def _shown(place: Path) -> str:
    text = ascii(str(place))[1:-1]
    return text if len(text) <= 160 else f"{text[:80]}...{text[-70:]}"
