"""The project's commit, and its repository's address: read by the program `git`, which may be missing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlspec.git_program import git_text

_PIPELINE_FILES: Final = ("artifacts", "dvc.lock", ".dvc/config", "Dockerfile.lock", "mlspec.lock")
"""Files that the pipeline writes, and where data is stored: changes there do not make a commit dirty."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit that is checked out."""

    id: str
    dirty: bool
    """Whether tracked files differ from it, other than generated ones."""
    time: int
    """Commit time in seconds since 1970."""
    source: str | None = None
    """The repository's web address, without credentials."""

    @property
    def revision(self) -> str:
        """The hash, followed by `-dirty` where files differ from it."""
        return self.id + "-dirty" * self.dirty


def read_commit(root: Path) -> Commit | None:
    """The commit that is checked out in `root`; None without git or before the first commit."""
    head = (git_text(root, "show", "--no-patch", "--format=%H %ct", "HEAD") or "").split()
    if len(head) != 2:
        return None
    address = web_address(git_text(root, "remote", "get-url", "origin") or "")
    return Commit(head[0], bool(changed_files(root)), int(head[1]), address)


def changed_files(root: Path) -> list[str]:
    """The tracked files below `root` that differ from the commit, other than generated ones."""
    excluded = (f":(exclude,literal){path}" for path in (*_PIPELINE_FILES, *_generated_files(root)))
    listed = git_text(root, "diff", "--name-only", "--relative", "-z", "HEAD", "--", ".", *excluded) or ""
    return [name for name in listed.split("\0") if name]


def _generated_files(root: Path) -> list[str]:
    """The files that follow from the spec alone: they differ from the commit under another `--env`."""
    try:
        lock = json.loads((root / "mlspec.lock").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    rows = lock.get("files") if isinstance(lock, dict) else None
    return [
        str(row.get("path"))
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and row.get("mode") == "file" and not row.get("kept")
    ]


def folder_address(root: Path) -> str:
    """The address of the folder `root` in its repository, in characters allowed in AWS tags; "" without a remote."""
    repository = web_address(git_text(root, "remote", "get-url", "origin") or "")
    return "" if repository is None else _folder_in(repository, root)


def first_commit_address(root: Path) -> str:
    """The folder `root` in the repository with a certain first commit: equal in every clone, with or without a remote.

    "" without git, before the first commit, and in a shallow clone, which lacks the first commit.
    """
    commits = (git_text(root, "rev-list", "--max-parents=0", "HEAD") or "").split()
    if not commits or git_text(root, "rev-parse", "--is-shallow-repository") != "false":
        return ""
    return _folder_in(f"first-commit:{commits[-1]}", root)


def _folder_in(repository: str, root: Path) -> str:
    folder = (git_text(root, "rev-parse", "--show-prefix") or "").strip().strip("/")
    return re.sub(r"[^A-Za-z0-9_.:/=+@-]", "_", f"{repository}/{folder}".rstrip("/"))[:256]


def web_address(remote: str) -> str | None:
    """A git remote as an https address, without user, password and query, which may be secret; None for a path."""
    match = re.fullmatch(r"(?:(?:https?|ssh|git)://)?(?:[^@/]*@)?([A-Za-z0-9.-]+)(?::\d+)?[:/]+([^?#\s]+)", remote)
    if not match or "." not in match[1] or remote.startswith((".", "/")):
        return None
    return f"https://{match[1]}/{match[2].removesuffix('.git')}"
