"""An exception from the user's own code, shown by the lines of that code alone."""

from __future__ import annotations

from pathlib import Path

from mlspec.errors import StageError
from mlspec.job import own_frames, shown_frame


def in_user_code(error: BaseException, root: Path) -> StageError | None:
    """The error as a StageError with its path through the project's files; None where it is not theirs."""
    way = [shown_frame(frame, root) for frame in own_frames(error, root)]
    if not way:
        return None
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    return StageError(f"{way[-1].split(' in ', 1)[0]}: {said}", help="\n".join(["the way there in your code:", *way]))
