"""The entry of a stage's own process: composes `conf/` with Hydra, validates it, and calls the stage's body.

What Hydra users expect holds: overrides, `-m`, `--cfg job`, `--help` (https://hydra.cc/docs/1.3/advanced/hydra-command-line-flags/).
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from mlspec.diagnostics import Diagnostic, Span
from mlspec.errors import MlspecError, SpecError, StageError
from mlspec.job import Job
from mlspec.parts.protocol import Part
from mlspec.parts.registry import PARTS
from mlspec.source.document import Node
from mlspec.spec.messages import explain
from mlspec.spec.names import suggest
from mlspec.spec.root import root_model, sections

PLUGINS = Path(__file__).parent / "plugins"
"""Hydra looks for its plugins in every `hydra_plugins` folder on the path."""

Body = Callable[[Job], float | None]


def execute(stage: str, overrides: Sequence[str], root: Path, parts: Sequence[Part] = PARTS) -> None:
    """Run the body of `stage` with Hydra `overrides`. Raises MlspecError for all that the user can mend."""
    body = _body(stage, parts)
    if not (root / "conf" / "config.yaml").is_file():
        raise StageError("there is no conf/ here", help="run `mlspec build` first")
    os.chdir(root)
    sys.path[:0] = [str(root), str(PLUGINS)]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra would print and exit by itself
    sys.argv = [f"mlspec run {stage}", *overrides]

    failures: list[MlspecError] = []

    def task(config: DictConfig) -> float | None:
        # Hydra would print words of its own over an exception, and end a sweep with it.
        try:
            return body(_job(config, root, parts))
        except MlspecError as error:
            failures.append(error)
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                print(f"error: {error.message}", flush=True)
            return None

    run = hydra.main(version_base="1.3", config_path=str(root / "conf"), config_name="config")(task)
    try:
        run()
    except (HydraException, OmegaConfBaseException) as error:
        raise _override(error, root) from None
    if failures:
        raise failures[0]


def _body(stage: str, parts: Sequence[Part]) -> Body:
    programs = {name: path for part in parts for name, path in part.PROGRAMS.items()}
    if stage not in programs:
        raise StageError(f"there is no stage `{stage}`", help=suggest(stage, programs, "the stages are"))
    module, _, name = programs[stage].partition(":")
    try:
        body: Body = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("mlspec"):
            raise
        message = f"the stage `{stage}` needs the package {error.name}"
        raise StageError(message, help="pip install 'mlspec[train]'") from None
    return body


def _job(config: DictConfig, root: Path, parts: Sequence[Part]) -> Job:
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    values = {str(key): value for key, value in plain.items() if key not in ("hydra", "experiment")}
    artifacts = root / "artifacts"
    mode = HydraConfig.get().mode
    outputs = Path(HydraConfig.get().runtime.output_dir) if mode == RunMode.MULTIRUN else artifacts
    outputs.mkdir(parents=True, exist_ok=True)
    validated = sections(_validated(values, parts))
    return Job(root, artifacts, outputs, values, validated)


def _validated(values: Mapping[str, Any], parts: Sequence[Part]) -> Any:
    """The composed values through the same models as the spec: an override cannot say what the spec could not."""
    model = root_model(parts)
    try:
        return model.model_validate_json(json.dumps(values))
    except ValidationError as error:
        findings = explain(error.errors(include_url=False), model, _tree(values))
        raise SpecError([Diagnostic(f.code, f.message, "conf/", None, f.help) for f in findings]) from None


def _tree(value: Any) -> Node:
    from mlspec.source.document import Entry

    nowhere = Span(1, 1, 2)
    if isinstance(value, Mapping):
        return Node(nowhere, {str(k): Entry(nowhere, _tree(v)) for k, v in value.items()})
    if isinstance(value, list | tuple):
        return Node(nowhere, tuple(_tree(v) for v in value))
    return Node(nowhere, value)


def _override(error: Exception, root: Path) -> MlspecError:
    """Hydra's words, with the nearest key where one was mistyped."""
    first, *rest = [line.strip() for line in str(error).splitlines() if line.strip()]
    if error.__cause__ is not None and "Could not override" in first:
        rest = [line for line in rest if line.startswith("To append")]
    word = first.split("'")[1] if first.count("'") >= 2 else ""
    near = suggest(word, _keys(root), "") if word and "Could not override" in first else ""
    return StageError(first, help="\n".join([*([near] if near.startswith("did you mean") else []), *rest[:3]]))


def _keys(root: Path) -> list[str]:
    from mlspec.parts.configure.part import _leaves

    found: list[str] = []
    for file in sorted((root / "conf").glob("*/default.yaml")):
        values = OmegaConf.to_container(OmegaConf.load(file))
        found += _leaves({file.parent.name: values})  # type: ignore[dict-item]
    return found
