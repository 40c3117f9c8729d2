"""`mlspec.lock`: the generated files and the digest of what was last written to each. Text to Lock and back.

The file comes from the repository and is validated: errors name the line, and nothing is written. One file a line,
sorted, with a closing `null`, so that git can merge the changes of two branches.
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
_RENAMED = {"configure": "hydra"}
"""Parts by the name that earlier versions wrote. A lock with it equals that with the new name, and is rewritten
when another entry changes."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class LockEntry(NamedTuple):
    """One generated file. `sha256` is the `digest` of the text last written; of a block, of the lines in the markers.

    `kept`: the user chose to keep the file unchanged. `created`: mlspec created the file around the block.
    """

    key: Key
    sha256: str
    part: str
    mode: Literal["file", "block"] = "file"
    kept: bool = False
    created: bool = False


class Lock(NamedTuple):
    """All generated files, and the folders that mlspec created."""

    entries: Mapping[Key, LockEntry] = MappingProxyType({})
    folders: frozenset[Key] = frozenset()


def digest(text: str) -> str:
    """SHA-256 of `text` in UTF-8 with `\\n` line ends, since git may check files out with `\\r\\n`."""
    return hashlib.sha256(text.replace("\r\n", "\n").encode("utf-8", "surrogateescape")).hexdigest()


def read_lock(roots: Roots) -> Lock:
    """The project's lock; empty if the file does not exist. Raises MlspecError if it is invalid."""
    path = os.path.join(roots.project, LOCK)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
            raw = file.read(_MAX_BYTES + 1) if plain else b""
    except FileNotFoundError:
        return Lock()
    except OSError as error:
        reason = "it is a symbolic link" if os.path.islink(path) else error.strerror
        raise _refused("", f"cannot be read: {reason}") from None
    if not plain:
        raise _refused("", "is not a file")
    if len(raw) > _MAX_BYTES:
        raise _refused("", "is larger than 64 MiB")
    if not raw:
        return Lock()  # a power failure may truncate it; all files are then adopted or reported
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
    if entry.created:
        row["made"] = True
    return row


def parse(text: str) -> Lock:
    """The Lock in `text`. Raises MlspecError with the line number."""
    if merge := _MERGE.search(text):
        raise _refused(_line(text, merge.start()), "contains an unresolved merge conflict")
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except (json.JSONDecodeError, _TwiceError) as error:
        place = _line(text, error.pos) if isinstance(error, json.JSONDecodeError) else ""
        raise _refused(place, "is not valid JSON of a lock") from None
    except RecursionError:
        raise _refused("", "is nested too deeply") from None
    version = document.get("version") if isinstance(document, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise _refused(":1", "has no version")
    if version > VERSION:
        raise MlspecError(
            f"{LOCK} has format {version} of a newer mlspec; this version supports format {VERSION}",
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
            raise _refused(place, f"contains {key[1]!r} twice")
        else:
            entries[key] = _entry(row, key, place)
    return Lock(entries, frozenset(folders))


def _key(row: object, place: str) -> Key:
    if not isinstance(row, dict):
        raise _refused(place, "contains a value that is not the entry of a file")
    path, anchor = row.get("path"), row.get("anchor")
    if not isinstance(path, str) or anchor not in ("project", "repository"):
        raise _refused(place, "contains an entry without `path` and `anchor`")
    if reason := fault(path):
        raise _refused(place, f"contains {path!r}, which {reason}")
    return ("project" if anchor == "project" else "repository"), path


def _entry(row: dict[str, object], key: Key, place: str) -> LockEntry:
    sha256, part, mode = row.get("sha256"), row.get("part"), row.get("mode")
    kept, created = row.get("kept", False), row.get("made", False)
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise _refused(place, f"has no SHA-256 for {key[1]!r}")
    if not isinstance(part, str) or not isinstance(kept, bool) or not isinstance(created, bool):
        raise _refused(place, f"has a value of the wrong type for {key[1]!r}")
    if mode == "file":
        return LockEntry(key, sha256, _RENAMED.get(part, part), "file", kept, created)
    if mode == "block":
        return LockEntry(key, sha256, _RENAMED.get(part, part), "block", kept, created)
    raise _refused(place, f"has an unknown mode for {key[1]!r}")


class _TwiceError(ValueError):
    """An object has a key twice."""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        raise _TwiceError
    return unique


def _line(text: str, position: int) -> str:
    return f":{text.count(chr(10), 0, position) + 1}"


def _refused(place: str, what: str) -> MlspecError:
    return MlspecError(
        f"{LOCK}{place} {what}",
        help=f"restore the committed file with `git checkout {LOCK}`, or delete it and run `mlspec build`:\n"
        "files equal to the generated ones are adopted, all others are reported as conflicts",
        code="broken-lock",
    )
