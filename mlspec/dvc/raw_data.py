"""Raw data under DVC: added when it is new or changed, brought back when it is missing. What git keeps stays there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlspec.child_process import environment
from mlspec.dvc.dvc_file import tracked_digest
from mlspec.dvc.tree import Tree
from mlspec.errors import StageError


def keep(paths: Sequence[str], root: Path) -> None:
    """Put each of `paths` under DVC, or fetch it. Raises StageError where it is nowhere to be had."""
    tree = Tree(root)
    for path in paths:
        if _kept_above(path, root) or _linked(path, root):
            continue
        there, pointer = (root / path).exists(), root / f"{path}.dvc"
        if not there:
            _bring(path, root, tracked=pointer.is_file())
        elif pointer.is_file():
            if tree.digest(path) != tracked_digest(pointer.read_text(encoding="utf-8")):
                _dvc(root, "add", path)
        elif not _in_git(path, root):
            _dvc(root, "add", path)
    tree.remember()


def _kept_above(path: str, root: Path) -> bool:
    """Whether a folder above is under DVC as a whole; that is its owner's business."""
    steps = path.split("/")
    return any((root / ("/".join(steps[:n]) + ".dvc")).is_file() for n in range(1, len(steps)))


def _linked(path: str, root: Path) -> bool:
    """Whether it is, or lies behind, a link to a folder: DVC adds no such files. They stay an input of the stage."""
    steps = path.split("/")
    places = [root / "/".join(steps[:n]) for n in range(1, len(steps) + 1)]
    return any(place.is_symlink() and place.is_dir() for place in places)


def _bring(path: str, root: Path, *, tracked: bool) -> None:
    if not tracked:
        raise StageError(f"{path} is missing", help="put the data there; `data.source` in the spec names the place")
    for words in (("checkout", f"{path}.dvc"), ("pull", f"{path}.dvc")):
        if _run(root, *words).returncode == 0 and (root / path).exists():
            return
    raise StageError(
        f"{path} is missing, and neither DVC's cache nor its remote has it",
        help=f"dvc pull {path}.dvc    shows what is in the way; `data.remote` names the place to pull from",
    )


def _in_git(path: str, root: Path) -> bool:
    try:
        found = subprocess.run(["git", "ls-files", "--", path], cwd=root, capture_output=True, text=True)
    except FileNotFoundError:
        return False
    return found.returncode == 0 and bool(found.stdout.strip())


def _dvc(root: Path, *words: str) -> None:
    done = _run(root, *words)
    if done.returncode:
        said = "; ".join(_errors(done.stderr)) or f"exit code {done.returncode}"
        raise StageError(f"`dvc {' '.join(words)}` failed: {said}", help="run it by hand to see more")


def _errors(text: str) -> Iterator[str]:
    return (line.removeprefix("ERROR: ") for line in text.splitlines() if line.startswith("ERROR: "))


def _run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *words]
    return subprocess.run(
        command, cwd=root, capture_output=True, text=True, env=environment(), stdin=subprocess.DEVNULL
    )
