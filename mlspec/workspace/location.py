"""Whether a project can live in a folder: judged by its path alone, before anything is written there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from mlspec.errors import MlspecError

ROOM: Final = 400
"""Bytes that paths below a project take: generated files, the state in `.mlspec`, DVC's cache and temporary names."""
_NAME_MAX: Final = 255
_PATH_MAX: Final = 4096
"""What Linux allows where the system does not say: https://man7.org/linux/man-pages/man3/pathconf.3.html."""


def require_usable(folder: Path) -> None:
    """Raise MlspecError where the tools of a project fail on the path of `folder`, which need not exist yet."""
    place = Path(os.path.abspath(folder))
    if reason := fault(place):
        help = "choose a folder with another name or a shorter path; nothing was written"
        raise MlspecError(
            f"a project cannot be in the folder {_shown(place)}: {reason}", help=help, code="unfit-folder"
        )


def fault(place: Path) -> str:
    """Why no project can be in the absolute path `place`, as a sentence part; empty when one can."""
    above = _existing(place)
    most = _limit(above, "PC_NAME_MAX", _NAME_MAX)
    longest = max((len(os.fsencode(name)) for name in place.parts), default=0)
    if longest > most:
        return f"its path has a name of {longest} bytes, and the file system allows {most}"
    whole, allowed = len(os.fsencode(place)), _limit(above, "PC_PATH_MAX", _PATH_MAX) - 1 - ROOM
    if whole > allowed:
        return (
            f"its path is {whole} bytes long, and at most {allowed} leave room for the {ROOM} bytes of the paths below"
        )
    if braces := sorted({"{", "}"} & set(str(place))):
        named = " and ".join(f"`{brace}`" for brace in braces)
        return f"its path contains {named}, and DVC fails on that in the path of its cache"
    return ""


def _existing(place: Path) -> Path:
    """The nearest folder above that exists."""
    for above in (place, *place.parents):
        try:
            if above.is_dir():
                return above
        except OSError:  # a name that is too long to be looked up
            continue
    return Path(place.anchor)


def _limit(folder: Path, name: str, default: int) -> int:
    try:
        found = os.pathconf(folder, name)
    except (OSError, ValueError, AttributeError):
        return default
    return found if found > 0 else default


def _shown(place: Path) -> str:
    text = ascii(str(place))[1:-1]
    return text if len(text) <= 160 else f"{text[:80]}...{text[-70:]}"
