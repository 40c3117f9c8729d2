"""Files and folders to the digests that DVC computes of them, in their current state or after a build is written.

A file's digest is the MD5 of its bytes; a folder's that of the list of its files' digests, followed by `.dir`.
Digests of files on disk are cached by size, modification time and inode, as DVC does.
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
        """The text of a file; None where it does not exist or is not text."""
        if path in self.coming:
            return self.coming[path]
        try:
            return (self.root / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def exists(self, path: str) -> bool:
        """Whether a file or folder exists."""
        if self.coming.get(path, "") is None:
            return False
        return path in self.coming or (self.root / path).exists() or bool(self._coming_below(path))

    def digest(self, path: str) -> str | None:
        """The digest of a file or folder; None where it does not exist."""
        path = path.rstrip("/")
        if path in self.coming:
            text = self.coming[path]
            return None if text is None else _md5(text.encode("utf-8", "surrogateescape"))
        full = self.root / path
        if full.is_dir() or self._coming_below(path):
            return self._folder(path)
        return self._file(path) if full.is_file() else None

    def remember(self) -> None:
        """Save the digests of files for the next run. Where that fails, they are computed again."""
        if not self._learned or not self._memory.parent.is_dir():
            return
        with contextlib.suppress(OSError):
            write_text(self._memory, json.dumps(self._known))

    def _folder(self, path: str) -> str:
        digests = {name: self.digest(f"{path}/{name}") for name in self._files(path)}
        rows = [{"md5": digest, "relpath": name} for name, digest in sorted(digests.items()) if digest is not None]
        return _md5(json.dumps(rows, sort_keys=True).encode("utf-8")) + ".dir"

    def _files(self, path: str) -> Iterator[str]:
        """Files below a folder, by their paths in it, without those that DVC ignores."""
        names: set[str] = set()
        for folder, folders, files in os.walk(self.root / path):
            below = Path(folder).relative_to(self.root / path).as_posix()
            prefix = "" if below == "." else f"{below}/"
            folders[:] = [f for f in folders if not self._ignores.ignored(f"{path}/{prefix}{f}", folder=True)]
            names.update(prefix + name for name in files)
        names.update(name.removeprefix(f"{path}/") for name in self._coming_below(path))
        return (name for name in names if not self._ignores.ignored(f"{path}/{name}"))

    def _coming_below(self, path: str) -> list[str]:
        return [name for name, text in self.coming.items() if text is not None and name.startswith(f"{path}/")]

    def _file(self, path: str) -> str:
        full = self.root / path
        status = full.stat()
        facts = [status.st_size, status.st_mtime_ns, status.st_ino]
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
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    whole = isinstance(value, dict) and all(isinstance(row, list) and len(row) == 4 for row in value.values())
    return value if whole else {}
