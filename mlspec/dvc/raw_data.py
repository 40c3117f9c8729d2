"""Raw data tracked by DVC: added when it is new or changed, restored when it is missing. Files in git stay there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlspec.child_process import environment
from mlspec.dvc.dvc_file import tracked_digest
from mlspec.dvc.tree import Tree
from mlspec.errors import StageError
from mlspec.git_program import git_bytes


def keep(paths: Sequence[str], root: Path) -> None:
    """Track each of `paths` with DVC, or restore it. Raises StageError where no copy exists."""
    tree = Tree(root)
    for path in paths:
        if _kept_above(path, root) or _linked(path, root):
            continue
        exists, pointer = (root / path).exists(), root / f"{path}.dvc"
        if not exists:
            _restore(path, root, tracked=pointer.is_file())
        elif pointer.is_file():
            if tree.digest(path) != tracked_digest(pointer.read_text(encoding="utf-8")):
                _dvc(root, "add", path)
        elif not _in_git(path, root):
            _dvc(root, "add", path)
    tree.remember()


def _kept_above(path: str, root: Path) -> bool:
    """Whether DVC tracks a folder above as a whole, which the user manages."""
    steps = path.split("/")
    return any((root / ("/".join(steps[:n]) + ".dvc")).is_file() for n in range(1, len(steps)))


def _linked(path: str, root: Path) -> bool:
    """Whether the path is, or is below, a symlink to a folder: DVC cannot add it; it remains an input of the stage."""
    steps = path.split("/")
    places = [root / "/".join(steps[:n]) for n in range(1, len(steps) + 1)]
    return any(place.is_symlink() and place.is_dir() for place in places)


def _restore(path: str, root: Path, *, tracked: bool) -> None:
    if not tracked:
        raise StageError(f"{path} is missing", help="put the data at that path, or correct `data.source` in the spec")
    for words in (("checkout", f"{path}.dvc"), ("pull", f"{path}.dvc")):
        if _run(root, *words).returncode == 0 and (root / path).exists():
            return
    if not _run(root, "remote", "list").stdout.strip():
        raise StageError(
            f"{path} is missing; DVC's cache does not have it, and no DVC remote is set",
            help=f"copy the data to {path}, or set `data.remote` where it is, then `mlspec build` and `dvc push` there",
        )
    raise StageError(
        f"{path} is missing, and neither DVC's cache nor its remote has it",
        help=f"dvc pull {path}.dvc    shows the reason; `data.remote` is the remote that it pulls from",
    )


def _in_git(path: str, root: Path) -> bool:
    return bool(git_bytes(root, "--literal-pathspecs", "ls-files", "--", path))


def _dvc(root: Path, *words: str) -> None:
    completed = _run(root, *words)
    if completed.returncode:
        command = f"dvc {' '.join(words)}"
        error = "; ".join(_errors(completed.stderr)) or f"exit code {completed.returncode}"
        raise StageError(f"`{command}` failed: {error}", help=f"{command}    shows the full output")


def _errors(text: str) -> Iterator[str]:
    return (line.removeprefix("ERROR: ") for line in text.splitlines() if line.startswith("ERROR: "))


def _run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *words]
    return subprocess.run(
        command, cwd=root, capture_output=True, text=True, env=environment(), stdin=subprocess.DEVNULL
    )
