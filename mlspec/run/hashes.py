"""Files and folders to the digests that DVC gives them, remembered by size and time so that nothing is read twice.

A file's digest is its MD5; a folder's is the MD5 of the JSON list of its files' digests, with `.dir` behind
(dvc-data's `hashfile.tree`).
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

CHUNK = 1024 * 1024


class Hashes:
    """Digests below one project; `save` keeps them for the next run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._store = root / ".mlspec" / "hashes.json"
        self._known: dict[str, list[object]] = {}
        with suppress(OSError, ValueError):
            self._known = json.loads(self._store.read_text(encoding="utf-8"))

    def of(self, path: str) -> str | None:
        """The digest of a file or folder, None where there is nothing."""
        target = self.root / path
        if target.is_dir():
            return self._folder(target)
        return self._file(target) if target.is_file() else None

    def _folder(self, folder: Path) -> str:
        rows = []
        for above, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if name not in ("__pycache__", ".git", ".dvc")]
            for name in files:
                file = Path(above, name)
                rows.append({"md5": self._file(file), "relpath": file.relative_to(folder).as_posix()})
        rows.sort(key=lambda row: str(row["relpath"]))
        return hashlib.md5(json.dumps(rows, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"

    def _file(self, file: Path) -> str:
        state = file.stat()
        key = os.path.relpath(file, self.root)
        seen = [state.st_size, state.st_mtime_ns, state.st_ino]
        known = self._known.get(key)
        if known is not None and known[:3] == seen:
            return str(known[3])
        digest = hashlib.md5(usedforsecurity=False)
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
        self._known[key] = [*seen, digest.hexdigest()]
        return digest.hexdigest()

    def save(self) -> None:
        """Keep what is known. Losing it costs only time."""
        with suppress(OSError):
            self._store.parent.mkdir(exist_ok=True)
            partial = self._store.with_suffix(f".{os.getpid()}")
            partial.write_text(json.dumps(self._known), encoding="utf-8")
            partial.replace(self._store)
