"""Which files of a project are pickles: loading one runs the code that it names. From names and first bytes only."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

SUFFIXES: Final = (".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth")
"""Endings of files that libraries read with `pickle`."""
_WEIGHTS: Final = (".bin",)
"""Endings of files that may be pickles: their first bytes decide."""
_ZIP: Final = b"PK\x03\x04"
_HEAD: Final = 400


def is_pickle(file: Path) -> bool:
    """Whether the file has the ending of a pickle, or begins as a pickle or as an archive that torch.save wrote."""
    return file.suffix.lower() in SUFFIXES or begins_as_pickle(file)


def begins_as_pickle(file: Path) -> bool:
    """Whether the first bytes are those of a pickle or of an archive of torch.save; False for an unreadable file."""
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD)
    except OSError:
        return False
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    return head.startswith(_ZIP) and _first_member(head).endswith(b"data.pkl")


def _first_member(head: bytes) -> bytes:
    """The name of the first member of a zip archive (APPNOTE.TXT, 4.3.7)."""
    if len(head) < 30:
        return b""
    (length,) = struct.unpack_from("<H", head, 26)
    return head[30 : 30 + length]


def pickles_at(root: Path, path: str) -> tuple[str, ...]:
    """The pickles at `path` of the project: the file itself, or those in the folder. POSIX, sorted."""
    place = root / path
    try:
        if place.is_file():
            return (path,) if is_pickle(place) else ()
        if not place.is_dir():
            return ()
    except (OSError, ValueError):
        return ()  # the name is not valid on the file system
    names = (os.path.join(folder, name) for folder, _, files in os.walk(place) for name in files)
    suspects = (Path(name) for name in names if name.lower().endswith((*SUFFIXES, *_WEIGHTS)))
    return tuple(sorted(file.relative_to(root).as_posix() for file in suspects if is_pickle(file)))


def has_safetensors(root: Path, folder: str) -> bool:
    """Whether the folder of a pretrained model has its weights as safetensors too."""
    try:
        return any((root / folder).glob("*.safetensors"))
    except (OSError, ValueError):
        return False  # the name is not valid on the file system
