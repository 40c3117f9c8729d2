"""`mlspec.lock`: which files are ours, and what we last wrote into each. Text to Lock and back.

It comes from the repository and is not trusted: what is wrong with it is said with its line, and nothing is touched.
One file a line, sorted, every line alike up to the closing `null`: so that git merges two branches' changes by itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from mlspec.errors import MlspecError
from mlspec.workspace.roots import LOCK, Key, Roots, fault

VERSION = 1
_MAX_BYTES = 64 * 1024 * 1024
_MERGE = re.compile(r"^(<{7}|={7}|>{7}|\|{7})( |$)", re.MULTILINE)
_SHA256 = re.compile(r"[0-9a-f]{64}")


class LockEntry(NamedTuple):
    """One file of ours. `sha256` is `digest` of the text last written: of a block, the lines inside the markers.

    `kept` marks a file that the user chose to keep as it is; `made` a file around a block that was not there before us.
    """

    key: Key
    sha256: str
    part: str
    mode: Literal["file", "block"] = "file"
    kept: bool = False
    made: bool = False


class Lock(NamedTuple):
    """All files of ours, and the folders that were not there before us."""

    entries: Mapping[Key, LockEntry] = MappingProxyType({})
    folders: frozenset[Key] = frozenset()


def digest(text: str) -> str:
    """SHA-256 of `text` in UTF-8; line ends count as `\\n`, since git may check files out with `\\r\\n`."""
    return hashlib.sha256(text.replace("\r\n", "\n").encode("utf-8", "surrogateescape")).hexdigest()


def read_lock(roots: Roots) -> Lock:
    """The project's lock; an empty one where there is none. Raises MlspecError where it cannot be trusted."""
    path = os.path.join(roots.project, LOCK)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
            raw = file.read(_MAX_BYTES + 1) if plain else b""
    except FileNotFoundError:
        return Lock()
    except OSError as error:
        reason = "it is a link" if os.path.islink(path) else error.strerror
        raise _refused("", f"cannot be read: {reason}") from None
    if not plain:
        raise _refused("", "is not a file")
    if len(raw) > _MAX_BYTES:
        raise _refused("", "is over 64 MiB")
    if not raw:
        return Lock()  # what a power cut may leave of it; all files are then adopted or shown
    try:
        return parse(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise _refused("", "is not UTF-8") from None


def dump(lock: Lock) -> str:
    """The lock file's text."""
    rows = [_row(entry) for entry in lock.entries.values()]
    rows += [{"path": path, "anchor": anchor, "mode": "folder"} for anchor, path in lock.folders]
    rows.sort(key=lambda row: (row["path"], row["anchor"], row["mode"]))
    lines = "".join(json.dumps(row, ensure_ascii=False) + ",\n" for row in rows)
    return f'{{"version": {VERSION}, "files": [\n{lines}null]}}\n'


def _row(entry: LockEntry) -> dict[str, str | bool]:
    anchor, path = entry.key
    row: dict[str, str | bool] = {"path": path, "anchor": anchor, "mode": entry.mode, "part": entry.part}
    row["sha256"] = entry.sha256
    if entry.kept:
        row["kept"] = True
    if entry.made:
        row["made"] = True
    return row


def parse(text: str) -> Lock:
    """The Lock in `text`. Raises MlspecError that names the line."""
    if merge := _MERGE.search(text):
        raise _refused(_line(text, merge.start()), "holds git's conflict markers")
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except (json.JSONDecodeError, _TwiceError) as error:
        place = _line(text, error.pos) if isinstance(error, json.JSONDecodeError) else ""
        raise _refused(place, "is not the JSON that mlspec writes") from None
    except RecursionError:
        raise _refused("", "is nested too deeply") from None
    version = document.get("version") if isinstance(document, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise _refused(":1", "has no version")
    if version > VERSION:
        raise MlspecError(
            f"{LOCK} was written by a newer mlspec (format {version}; this one knows {VERSION})",
            help="update mlspec: `pip install --upgrade mlspec`",
            code="broken-lock",
        )
    rows = document.get("files")
    if not isinstance(rows, list):
        raise _refused(":1", "has no list `files`")
    return _collect((row, f":{number}") for number, row in enumerate(rows, 2) if row is not None)


def _collect(rows: Iterable[tuple[object, str]]) -> Lock:
    entries: dict[Key, LockEntry] = {}
    folders: set[Key] = set()
    for row, place in rows:
        key = _key(row, place)
        assert isinstance(row, dict)
        if row.get("mode") == "folder":
            folders.add(key)
        elif key in entries:
            raise _refused(place, f"names {key[1]!r} twice")
        else:
            entries[key] = _entry(row, key, place)
    return Lock(entries, frozenset(folders))


def _key(row: object, place: str) -> Key:
    if not isinstance(row, dict):
        raise _refused(place, "holds something that is not a file's entry")
    path, anchor = row.get("path"), row.get("anchor")
    if not isinstance(path, str) or anchor not in ("project", "repository"):
        raise _refused(place, "holds an entry without a path and an anchor")
    if found := fault(path):
        raise _refused(place, f"names {path!r}, which {found}")
    return ("project" if anchor == "project" else "repository"), path


def _entry(row: dict[str, object], key: Key, place: str) -> LockEntry:
    sha256, part, mode = row.get("sha256"), row.get("part"), row.get("mode")
    kept, made = row.get("kept", False), row.get("made", False)
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise _refused(place, f"has no SHA-256 for {key[1]!r}")
    if not isinstance(part, str) or not isinstance(kept, bool) or not isinstance(made, bool):
        raise _refused(place, f"has a value of the wrong type for {key[1]!r}")
    if mode == "file":
        return LockEntry(key, sha256, part, "file", kept, made)
    if mode == "block":
        return LockEntry(key, sha256, part, "block", kept, made)
    raise _refused(place, f"has an unknown mode for {key[1]!r}")


class _TwiceError(ValueError):
    """A key stands twice in one object."""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _TwiceError
    return made


def _line(text: str, position: int) -> str:
    return f":{text.count(chr(10), 0, position) + 1}"


def _refused(place: str, what: str) -> MlspecError:
    return MlspecError(
        f"{LOCK}{place} {what}",
        help=f"take the committed one back with `git checkout {LOCK}`, or delete it and run `mlspec build`:\n"
        "files that are as mlspec would write them are adopted, all others are shown and left alone",
        code="broken-lock",
    )
