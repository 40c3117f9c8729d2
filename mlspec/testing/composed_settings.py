"""The settings of `conf/`, composed by Hydra and validated as a stage does it, without a command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from pydantic import BaseModel, JsonValue

from mlspec.parts.all_parts import PARTS
from mlspec.run.program import PLUGINS
from mlspec.spec.root import root_model, sections


def composed(root: Path, overrides: Sequence[str] = ()) -> dict[str, JsonValue]:
    """The sections of the project in `root` with their values, after Hydra `overrides` such as `experiment=wide`.

    Raises HydraException if `conf/` does not compose, and ValidationError if a value is not valid.
    """
    if str(PLUGINS) not in sys.path:
        sys.path.append(str(PLUGINS))
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(root / "conf"), version_base="1.3"):
        config = compose("config", overrides=list(overrides))
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    text = json.dumps({str(key): value for key, value in plain.items() if key != "experiment"})
    values: dict[str, JsonValue] = json.loads(text)  # keys that are numbers become text, as in the spec
    validated(values)
    return values


def validated(values: Mapping[str, JsonValue]) -> dict[str, BaseModel]:
    """The sections as models. Raises ValidationError."""
    return sections(root_model(PARTS).model_validate_json(json.dumps(values)))
