"""The engines, by the name that `--engine` takes."""

from __future__ import annotations

from collections.abc import Mapping

from mlspec.run.engine import EngineFactory
from mlspec.run.engines.dvc_engine import Dvc

ENGINES: Mapping[str, EngineFactory] = {"dvc": Dvc}
