"""An exception raised in the user's own code as a message with the lines of that code only."""

from __future__ import annotations

from pathlib import Path

from mlspec.errors import StageError
from mlspec.job import own_frames, shown_frame


def in_user_code(error: BaseException, root: Path) -> StageError | None:
    """The exception as a StageError with its traceback through the project's files; None where no frame is in them."""
    frames = [shown_frame(frame, root) for frame in own_frames(error, root)]
    if not frames:
        return None
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    return StageError(f"{frames[-1].split(' in ', 1)[0]}: {text}", help="\n".join(["traceback in your code:", *frames]))
