"""The stage `track`: uploads to the trackers what they lack: runs, results of evaluation, and the bundle as a model."""

from __future__ import annotations

import importlib
import platform
from collections.abc import Callable
from pathlib import Path

from mlspec.job import Job
from mlspec.parts.package import serving_code, serving_pins
from mlspec.records.bundle_signature import BundleSignature
from mlspec.sections.track import TrackSpec
from mlspec.sections.tracker import TrackerOptions
from mlspec.tracking.all_trackers import UPLOADS

Upload = Callable[[Job, TrackerOptions, Callable[[Path], dict[str, str]]], None]


def main(job: Job) -> None:
    """Upload to each tracker that is not disabled. Raises StageError where one refuses or does not answer."""
    track = job.get(TrackSpec)
    for name, options in track.trackers.items() if track is not None else ():
        if options.enabled and name in UPLOADS:
            module, _, function = UPLOADS[name].partition(":")
            upload: Upload = getattr(importlib.import_module(module), function)
            upload(job, options, lambda folder: _serving(job, folder))


def _serving(job: Job, folder: Path) -> dict[str, str]:
    """Write the code that serves the bundle to `folder`, and return the packages that it needs."""
    serving_code.fill(folder)
    signature = BundleSignature.read(job.inputs)
    python = ".".join(platform.python_version_tuple()[:2])
    known = python if python in serving_pins.pythons() else serving_pins.pythons()[-1]
    kinds = {each.type for each in signature.inputs}
    return serving_pins.requirements(known, False, kinds, server=False)
