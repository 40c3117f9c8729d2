"""Files and folders to the digests that DVC keeps of them, as they are or as they will be once a build is written.

A file's digest is the MD5 of its bytes; a folder's that of the list of its files' digests, with `.dir` behind it.
Digests of files on the disk are remembered by size, time and inode, as DVC itself does.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlspec.dvc.ignores import Ignores
from mlspec.job import write_text

_CHUNK = 1 << 20


class Tree:
    """The project's files. `coming` are texts about to be written, by path; None for a file about to be deleted."""

    def __init__(self, root: Path, coming: Mapping[str, str | None] | None = None) -> None:
        self.root = root
        self.coming = dict(coming or {})
        self._ignores = Ignores(self.text)
        self._memory = root / ".mlspec" / "digests.json"
        self._known = _load(self._memory)
        self._learned = False

    def text(self, path: str) -> str | None:
        """A file's text, None where there is none or it is not text."""
        if path in self.coming:
            return self.coming[path]
        try:
            return (self.root / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def exists(self, path: str) -> bool:
        """Whether a file or folder is there."""
        if self.coming.get(path, "") is None:
            return False
        return path in self.coming or (self.root / path).exists() or bool(self._coming_below(path))

    def digest(self, path: str) -> str | None:
        """The digest of a file or folder; None where there is none."""
        path = path.rstrip("/")
        if path in self.coming:
            text = self.coming[path]
            return None if text is None else _md5(text.encode("utf-8", "surrogateescape"))
        full = self.root / path
        if full.is_dir() or self._coming_below(path):
            return self._folder(path)
        return self._file(path) if full.is_file() else None

    def remember(self) -> None:
        """Keep the digests of files for the next time. Where that cannot be, they are computed again."""
        if not self._learned or not self._memory.parent.is_dir():
            return
        with contextlib.suppress(OSError):
            write_text(self._memory, json.dumps(self._known))

    def _folder(self, path: str) -> str:
        digests = {name: self.digest(f"{path}/{name}") for name in self._files(path)}
        rows = [{"md5": digest, "relpath": name} for name, digest in sorted(digests.items()) if digest is not None]
        return _md5(json.dumps(rows, sort_keys=True).encode("utf-8")) + ".dir"

    def _files(self, path: str) -> Iterator[str]:
        """Files below a folder, by their paths in it, without those that DVC passes over."""
        found: set[str] = set()
        for folder, folders, files in os.walk(self.root / path):
            below = Path(folder).relative_to(self.root / path).as_posix()
            prefix = "" if below == "." else f"{below}/"
            folders[:] = [f for f in folders if not self._ignores.ignored(f"{path}/{prefix}{f}", folder=True)]
            found.update(prefix + name for name in files)
        found.update(name.removeprefix(f"{path}/") for name in self._coming_below(path))
        return (name for name in found if not self._ignores.ignored(f"{path}/{name}"))

    def _coming_below(self, path: str) -> list[str]:
        return [name for name, text in self.coming.items() if text is not None and name.startswith(f"{path}/")]

    def _file(self, path: str) -> str:
        full = self.root / path
        found = full.stat()
        facts = [found.st_size, found.st_mtime_ns, found.st_ino]
        known = self._known.get(path)
        if known is not None and known[:3] == facts:
            return str(known[3])
        digest = hashlib.md5(usedforsecurity=False)
        with full.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        self._known[path] = [*facts, digest.hexdigest()]
        self._learned = True
        return digest.hexdigest()


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _load(path: Path) -> dict[str, list[object]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    whole = isinstance(found, dict) and all(isinstance(row, list) and len(row) == 4 for row in found.values())
    return found if whole else {}
