"""The engines, by their name in `--engine`."""

from __future__ import annotations

from collections.abc import Mapping

from mlspec.run.engine import EngineFactory
from mlspec.run.engines.dvc_engine import Dvc

ENGINES: Mapping[str, EngineFactory] = {"dvc": Dvc}
