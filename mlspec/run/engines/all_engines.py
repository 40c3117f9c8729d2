"""The engines there are, by the name that `--engine` takes."""

from __future__ import annotations

from collections.abc import Mapping

from mlspec.run.engines.dvc_engine import Dvc

ENGINES: Mapping[str, type[Dvc]] = {"dvc": Dvc}
"""A faster one joins here; all are made from the project's folder, the files about to be written, and the raw data."""
