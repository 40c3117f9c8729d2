"""What a tracker is: it gives Lightning a logger, and receives the results of a training and its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pytorch_lightning.loggers import Logger
from torch import nn

from mlspec.job import Job
from mlspec.learning.split_rows import Rows
from mlspec.records.schema import Schema
from mlspec.runtime.preprocess import Preprocess
from mlspec.sections.tracker import TrackerOptions


@dataclass(frozen=True)
class TrainedModel:
    """A training whose files are written, and its validation rows."""

    module: nn.Module
    """The model of the best checkpoint."""
    valid: Rows
    preprocess: Preprocess
    schema: Schema
    outputs: Path
    """`artifacts/`, or the folder of a job of a sweep."""


class Tracker(Protocol):
    """One run of one tracker, from before the training until after it."""

    @property
    def logger(self) -> Logger:
        """Receives the metrics of Lightning."""

    @property
    def page(self) -> str | None:
        """The address of the run; None where it is only on this machine."""

    def finish(self, trained: TrainedModel) -> None:
        """Record the results of a training that succeeded."""

    def close(self, *, failed: bool) -> None:
        """End the run, after `finish` or after an exception."""


StartTracker = Callable[[Job, TrackerOptions, str], Tracker]
"""Starts, or resumes, the run with an id. Raises StageError where the tracker cannot be used."""
