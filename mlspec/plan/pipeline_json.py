"""The pipeline as JSON, for programs that run its stages: orchestrators, scripts. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

from mlspec.plan.graph import upstream
from mlspec.plan.stage import Stage, StageResources

Read = Callable[[str], bytes | None]
"""The content of a file of the project, None where it does not exist."""


class OutputJson(TypedDict):
    """A file or folder that a stage writes."""

    path: str
    kind: str


class CheckJson(TypedDict):
    """A condition that fails a stage."""

    name: str
    text: str


class ResourcesJson(TypedDict):
    """The section `run` for one stage: seconds, bytes, null for no limit."""

    timeout: int | None
    retries: int
    retry_delay: int
    cpus: float | None
    memory: int | None
    gpus: int | None


class PipelineStageJson(TypedDict):
    """A stage. `code_version` changes with what decides its outputs, apart from the data: code and settings."""

    stage: str
    description: str
    after: list[str]
    command: str
    part: str
    inputs: list[str]
    outputs: list[OutputJson]
    needs: list[str]
    effects: bool
    code_version: str
    checks: list[CheckJson]
    judges: str | None
    resources: ResourcesJson


def pipeline_json(stages: Sequence[Stage], values: Mapping[str, object], read: Read) -> list[PipelineStageJson]:
    """The stages in order. `values` are the sections of the spec with all defaults; `read` opens files of code."""
    needs = upstream(stages)
    return [
        {
            "stage": stage.name,
            "description": stage.description,
            "after": list(needs[stage.name]),
            "command": stage.command,
            "part": stage.part,
            "inputs": list(stage.inputs),
            "outputs": [{"path": output.path, "kind": output.kind} for output in stage.outputs],
            "needs": list(stage.needs),
            "effects": stage.effects,
            "code_version": _code_version(stage, values, read),
            "checks": [{"name": check.name, "text": check.text} for check in stage.checks],
            "judges": stage.judges,
            "resources": _resources(stage.resources),
        }
        for stage in stages
    ]


def _resources(own: StageResources) -> ResourcesJson:
    return {
        "timeout": own.timeout,
        "retries": own.retries,
        "retry_delay": own.retry_delay,
        "cpus": own.cpus,
        "memory": own.memory,
        "gpus": own.gpus,
    }


def _code_version(stage: Stage, values: Mapping[str, object], read: Read) -> str:
    """mlspec's own version of the stage, and a digest of its settings and of the project's code that it runs."""
    code = {path: hashlib.sha256(read(path) or b"").hexdigest() for path in stage.inputs if path.endswith(".py")}
    settings = {key: _value(values, key) for key in stage.params}
    text = json.dumps([settings, code], sort_keys=True, default=str)
    return f"{stage.version}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _value(values: Mapping[str, object], dotted: str) -> object:
    value: object = values
    for step in dotted.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
