"""The trackers of one training, as a context: they start together, and an exception marks their runs as failed."""

from __future__ import annotations

import importlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pytorch_lightning.loggers import Logger

from mlspec.job import Job, write_text
from mlspec.learning import ranks
from mlspec.sections.track import TrackSpec
from mlspec.tracking.all_trackers import TRACKERS
from mlspec.tracking.tracker import StartTracker, Tracker, TrainedModel


class RunTrackers:
    """The started trackers; none in the processes of a distributed training but the first."""

    def __init__(self, trackers: Mapping[str, Tracker]) -> None:
        self._trackers = trackers

    @property
    def loggers(self) -> list[Logger]:
        """Lightning's loggers."""
        return [tracker.logger for tracker in self._trackers.values()]

    @property
    def pages(self) -> dict[str, str]:
        """Key of the section `track` to the address of the run."""
        return {name: tracker.page for name, tracker in self._trackers.items() if tracker.page}

    def finish(self, load: Callable[[], TrainedModel]) -> None:
        """Record the results with each tracker. Without one nothing is loaded."""
        if not self._trackers:
            return
        trained = load()
        for tracker in self._trackers.values():
            tracker.finish(trained)


@contextmanager
def tracked(job: Job, scratch: Path) -> Iterator[RunTrackers]:
    """The trackers that the spec has. The runs of a training that resumes in `scratch` resume too."""
    section = job.get(TrackSpec)
    options = section.trackers if section is not None and ranks.first() else {}
    with ExitStack() as stack:
        started = dict[str, Tracker]()
        for name, settings in options.items():
            if settings.enabled:
                tracker = _start(name)(job, settings, _identity(scratch))
                stack.push(lambda kind, *_, ended=tracker: ended.close(failed=kind is not None))
                started[name] = tracker
        yield RunTrackers(started)


def _start(name: str) -> StartTracker:
    module, _, function = TRACKERS[name].partition(":")
    start: StartTracker = getattr(importlib.import_module(module), function)
    return start


def _identity(scratch: Path) -> str:
    """The id of a run, which stays the same when it resumes."""
    path = scratch / "run-id"
    if not path.exists():
        write_text(path, secrets.token_hex(4))
    return path.read_text(encoding="ascii")
