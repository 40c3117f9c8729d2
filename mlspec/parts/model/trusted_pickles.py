"""Scans the pickles of a project with `model.trust` before a stage loads them."""

from __future__ import annotations

from typing import Literal

from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.parts.model.pickle_checks import named_files
from mlspec.sections.model import ModelSpec
from mlspec.source.pickle_files import pickles_at
from mlspec.source.pickle_scan import INSTALL, scan
from mlspec.stage_result import warn


def check_trusted(job: Job, section: Literal["data", "model"]) -> None:
    """Scan the pickles that keys of that section name; warn of those that cannot be scanned.

    Raises StageError for one that calls a dangerous function, before any code of it runs.
    """
    model = job.get(ModelSpec)
    if model is None or not model.trust:
        return
    paths = {path for at, named in named_files(job) if at[0] == section for path in pickles_at(job.root, named)}
    unscanned: dict[str, list[str]] = {}
    for path in sorted(paths):
        result = scan(job.root / path)
        if result.dangerous:
            message = f"loading {path} would call {', '.join(result.dangerous)} (found by picklescan)"
            help = "model.trust does not cover such a file: get the weights as safetensors, or data as Parquet or JSON"
            raise StageError(message, help=help)
        if result.failed:
            unscanned.setdefault(result.failed, []).append(path)
    for reason, files in unscanned.items():
        warn(f"not scanned before it is loaded: {', '.join(files)} ({reason})", INSTALL)
