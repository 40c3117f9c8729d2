"""Unfinished trainings that were not resumed for a month."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Final

KEPT_SECONDS: Final = 30 * 86400
"""An interrupted training can be resumed for this long after it wrote its last checkpoint."""


def started(folder: Path) -> None:
    """Make the folder of a training, or mark it as in use: one that is resumed after a month has old files only."""
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)


def remove_old_trainings(scratch: Path) -> None:
    """Remove the folders `train-*` in `scratch` in which nothing was written for `KEPT_SECONDS`.

    Each combination of settings has a folder of its own, which a training removes when it ends. What was interrupted
    and then run with other settings would stay for good, with a checkpoint of the size of model and optimizer.
    """
    for folder in scratch.glob("train-*"):
        try:
            last = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
        except OSError:  # another training removes it at this moment
            continue
        if time.time() - last > KEPT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
