"""An exception out of the user's own code, told by the lines of that code alone."""

from __future__ import annotations

import traceback
from pathlib import Path

from mlspec.errors import StageError

_NOT_THEIRS = {"site-packages", "dist-packages", ".venv", "venv", ".mlspec"}


def in_user_code(error: BaseException, root: Path) -> StageError | None:
    """The error as a StageError with its way through the project's files; None where it never went through them."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _theirs(f.filename, root)]
    if not frames:
        return None
    last = frames[-1]
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    message = f"{_place(last, root)}: {said}"
    way = [f"{_place(frame, root)} in {frame.name}: {frame.line}" for frame in frames]
    return StageError(message, help="\n".join(["the way there in your code:", *way]))


def _place(frame: traceback.FrameSummary, root: Path) -> str:
    return f"{Path(frame.filename).resolve().relative_to(root.resolve()).as_posix()}:{frame.lineno}"


def _theirs(filename: str, root: Path) -> bool:
    path = Path(filename).resolve()
    package = Path(__file__).resolve().parent.parent
    if not path.is_relative_to(root.resolve()) or path.is_relative_to(package):
        return False
    return not _NOT_THEIRS & set(path.relative_to(root.resolve()).parts)
