"""The entry of a stage's own process: composes `conf/` with Hydra, validates it, and calls the stage's body.

Hydra's command line is supported: overrides, `-m`, `--cfg job`, `--help` (https://hydra.cc/docs/1.3/advanced/hydra-command-line-flags/).
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import cast

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, JsonValue, ValidationError
from yaml import YAMLError

from mlspec.diagnostics import render
from mlspec.errors import MlspecError, SpecError, StageError, UsageError
from mlspec.job import Job
from mlspec.learning.deferred_imports import DeferringFinder
from mlspec.parts.all_parts import PARTS
from mlspec.parts.hydra.part import ACCOUNT_FILE
from mlspec.parts.part_protocol import Part
from mlspec.parts.stage_sections import ACCOUNT
from mlspec.run.imports import without_collection
from mlspec.run.overrides import checked, completed, located, refused, tree, unresolved
from mlspec.run.undeclared_reads import watched
from mlspec.run.user_traceback import in_user_code
from mlspec.spec.messages import explain
from mlspec.spec.names import suggest
from mlspec.spec.root import root_model, sections
from mlspec.stage_context import StageContext
from mlspec.stage_result import reported, started

PLUGINS = Path(__file__).parent / "plugins"
"""Hydra searches for plugins in every `hydra_plugins` folder on the path."""

Body = Callable[[Job], float | None]
Alone = Callable[[], AbstractContextManager[int | None]]
"""Locks the project while a stage writes to `artifacts/`; yields the id of the process that holds the lock."""


def execute(
    stage: str,
    overrides: Sequence[str],
    context: StageContext,
    parts: Sequence[Part] = PARTS,
    alone: Alone = nullcontext,
    beside: Sequence[str] = (),
) -> None:
    """Run the body of `stage` with Hydra `overrides`. Raises MlspecError for everything that the user can fix.

    The stages `beside` it run with the same overrides: each needs one of them that reads its section.
    """
    program = _program(stage, parts)
    for other in beside:
        _program(other, parts)
    if not (context.root / "conf" / "config.yaml").is_file():
        raise StageError("conf/config.yaml not found", help="run `mlspec build` first")
    present = _stages(context.root)
    _require_stages([stage, *beside], present, parts)
    with reported(context.root, stage):
        _run(stage, overrides, _Task(stage, program, context, parts, alone), beside, present)


def _require_stages(names: Sequence[str], present: Sequence[str], parts: Sequence[Part]) -> None:
    """Raise UsageError for a stage that the project does not have; nothing is known where none is `present`."""
    for name in names if present else ():
        if name not in present:
            of_part = (section for part in parts if name in part.PROGRAMS for section in part.SECTIONS)
            section = next(of_part, "deploy")  # the parts of `deploy.iac` have no section of their own
            help = f"its stages: {', '.join(present)}; how to add others: mlspec explain {section}"
            raise UsageError(f"this project has no stage `{name}`", help=help)


def _stages(root: Path) -> list[str]:
    """The stages of the project: those with a version. None where the file is damaged: Hydra reports more of that."""
    try:
        versions = OmegaConf.load(root / "conf" / "versions.yaml")
    except (OSError, ValueError, YAMLError):
        return []
    return [str(name) for name in versions] if isinstance(versions, DictConfig) else []


def _program(stage: str, parts: Sequence[Part]) -> str:
    """The import path of the body. It imports no optional part after the one that has the stage."""
    for part in parts:
        if stage in part.PROGRAMS:
            return part.PROGRAMS[stage]
    available = [name for part in parts for name in part.PROGRAMS]
    raise UsageError(f"stage not found: `{stage}`", help=suggest(stage, available, "available stages"))


def _run(stage: str, overrides: Sequence[str], task: _Task, beside: Sequence[str], present: Sequence[str]) -> None:
    root = task.context.root
    _readable(root)
    checked(overrides, [folder.name for folder in (root / "conf").iterdir() if folder.is_dir()])
    stages = list(dict.fromkeys([stage, *beside]))
    overrides = completed(overrides, _values(root), root_model(task.parts), stages, present)
    os.chdir(root)
    sys.path[:0] = [str(root), str(PLUGINS)]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra would print and exit by itself
    sys.argv = [f"mlspec run {stage}", *_named(stage, overrides)]
    run = hydra.main(version_base="1.3", config_path=str(root / "conf"), config_name="config")(task)
    try:
        run()
    except (HydraException, OmegaConfBaseException) as error:
        raise refused(error, _values(root), root_model(task.parts)) from None
    except OSError as error:  # the task keeps its own errors
        place = error.filename or "its folder"
        raise StageError(f"Hydra cannot create {place}: {error.strerror}", help="change hydra.run.dir") from None
    if task.failure is not None:
        raise task.failure


def _readable(root: Path) -> None:
    """Raise StageError where Hydra, whose configuration has the folder's path as a value, cannot parse that path."""
    try:
        OmegaConf.create({"cwd": str(root)})
    except OmegaConfBaseException:
        raise StageError(
            f"Hydra cannot run in {root}: it cannot parse `${{` in a path",
            help="move the project to a folder without `${` in its path",
        ) from None


def _named(stage: str, overrides: Sequence[str]) -> list[str]:
    """The overrides with `hydra.job.name` before the first one: Hydra allows no flags between overrides."""
    first = next((i for i, o in enumerate(overrides) if not o.startswith("-") and "=" in o), len(overrides))
    return [*overrides[:first], f"hydra.job.name={stage}", *overrides[first:]]


class _Task:
    """The function that Hydra calls, once or for each job of a sweep. It keeps the first failure: Hydra would print it.

    The body is imported only then: an import may take seconds, and an invalid override is reported at once.
    """

    def __init__(self, stage: str, program: str, context: StageContext, parts: Sequence[Part], alone: Alone) -> None:
        self.context, self.parts = context, parts
        self._stage, self._program, self._alone = stage, program, alone
        self.failure: Exception | None = None

    def __call__(self, config: DictConfig) -> float | None:
        try:
            job = _job(config, self.context, self.parts, self._stage)
            started()
            # a job of a sweep has its own folder, so that several may run at once
            if job.outputs != job.inputs:
                return _call(_body(self._program), job)
            with self._alone() as holder, watched(self._stage, job):
                # for the programs that the body starts
                os.environ.update(replace(self.context, holder=holder).to_env())
                return _call(_body(self._program), job)
        except Exception as error:  # noqa: BLE001 - raised again after Hydra has returned
            known = error if isinstance(error, MlspecError) else in_user_code(error, self.context.root)
            self.failure = self.failure or known or error
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                print(_failure_text(known or error), flush=True)
            return None


def _call(body: Body, job: Job) -> float | None:
    """Run the body; for a job of a sweep print its overrides, then its result and its folder."""
    known = HydraConfig.get()
    if known.mode != RunMode.MULTIRUN:
        return body(job)
    name = f"job {known.job.num}"
    print(f"{name}: {' '.join(known.overrides.task)}", flush=True)
    value = body(job)
    print(f"{name}: {'' if value is None else f'{value:.6g}, '}in {os.path.relpath(job.outputs, job.root)}", flush=True)
    return value


def _failure_text(error: Exception) -> str:
    """The error of a failed job; the sweep continues with the next one."""
    if isinstance(error, SpecError):
        return "\n".join(render(diagnostic) for diagnostic in error.diagnostics)
    return f"error: {error}"


def _body(program: str) -> Body:
    module, _, name = program.partition(":")
    DeferringFinder("torchmetrics").install()
    try:
        with without_collection():
            body: Body = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("mlspec"):
            raise
        raise StageError(f"the stage needs the package {error.name}", help="pip install 'mlspec[train]'") from None
    return body


def _job(config: DictConfig, context: StageContext, parts: Sequence[Part], stage: str) -> Job:
    try:
        plain = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise unresolved(error) from None
    assert isinstance(plain, dict)
    text = json.dumps({str(key): value for key, value in plain.items() if key not in ("hydra", "experiment")})
    values: dict[str, JsonValue] = json.loads(text)  # keys that are numbers become text, as in the spec
    values = _with_account(values, context.root) if stage in ACCOUNT else values
    validated = sections(_validated(values, parts))
    root, outputs = context.root, _outputs(context.root)
    outputs.mkdir(parents=True, exist_ok=True)
    return Job(root, root / "artifacts", outputs, values, validated, context)


def _with_account(values: dict[str, JsonValue], root: Path) -> dict[str, JsonValue]:
    """The values with what only the stages that change an account read."""
    file = root / ACCOUNT_FILE
    account = OmegaConf.to_container(OmegaConf.load(file), resolve=True) if file.is_file() else {}
    assert isinstance(account, dict)
    merged = dict(values)
    for name, more in account.items():
        own = merged.get(str(name))
        merged[str(name)] = {**more, **own} if isinstance(own, dict) else more
    return merged


def _outputs(root: Path) -> Path:
    """`artifacts/`; for a job of a sweep its own folder, Hydra's or W&B's (https://docs.wandb.ai/guides/sweeps)."""
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        # Not resolved: `${` in the name of the project's folder is literal.
        return Path(OmegaConf.to_container(HydraConfig.get().runtime, resolve=False)["output_dir"])  # type: ignore[call-overload, index]
    sweep, run = os.environ.get("WANDB_SWEEP_ID"), os.environ.get("WANDB_RUN_ID")
    return root / "multirun" / f"wandb-{sweep}" / run if sweep and run else root / "artifacts"


def _validated(values: Mapping[str, JsonValue], parts: Sequence[Part]) -> BaseModel:
    """The composed values, validated by the same models as the spec."""
    model = root_model(parts)
    try:
        return model.model_validate_json(json.dumps(values))
    except ValidationError as error:
        findings = explain(error.errors(include_url=False), model, tree(values))
        raise SpecError(located(findings, list(HydraConfig.get().overrides.task))) from None


def _values(root: Path) -> dict[str, JsonValue]:
    """The configuration in `conf/`, without overrides."""
    files = sorted((root / "conf").glob("*/default.yaml"))
    return {file.parent.name: cast("JsonValue", OmegaConf.to_container(OmegaConf.load(file))) for file in files}
