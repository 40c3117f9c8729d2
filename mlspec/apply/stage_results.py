"""What the stages of a run measured, as JSON: numbers of their metric files, and the result of each of their checks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypedDict

from mlspec.plan.stage import Stage, StageCheck
from mlspec.records.gates import Gates
from mlspec.run.outcome import Outcome
from mlspec.stage_result import read


class CheckResultJson(TypedDict):
    """The result of one check. `value` is the measured number, where the check has one; `figures` are all by name."""

    name: str
    text: str
    passed: bool
    value: float | None
    figures: dict[str, float]


class StageResultJson(TypedDict):
    """What one stage measured: numbers by their path in the file (`metrics.accuracy`), and its checks."""

    metrics: dict[str, float]
    checks: list[CheckResultJson]


def stage_result_json(stage: Stage, outcome: Outcome, root: Path) -> StageResultJson:
    """What the stage measured in the project `root`; empty where it was skipped or interrupted."""
    if outcome.status not in ("ran", "cached", "failed"):
        return {"metrics": {}, "checks": []}
    files = [root / output.path for output in stage.outputs if output.kind == "metric"]
    metrics = dict(pair for file in files for pair in _numbers(_document(file)))
    return {"metrics": metrics, "checks": _checks(stage, outcome, root)}


def _checks(stage: Stage, outcome: Outcome, root: Path) -> list[CheckResultJson]:
    """The results; none where the stage failed for another reason than a check, such as a crash."""
    gates = _gates(stage, root / "artifacts")
    if gates is not None:
        return [
            _result(check, gate.passed, {} if gate.value is None else {"value": gate.value})
            for check, gate in zip(stage.checks, gates.gates, strict=True)
        ]
    passed = outcome.status != "failed"
    if not passed and outcome.reason.kind != "failed":
        return []
    reported = read(root, stage.name)
    known = {check.name: check for check in reported.checks} if reported else {}
    return [
        _result(check, known[check.name].passed, known[check.name].figures)
        if check.name in known
        else _result(check, passed, {}, "" if passed else outcome.reason.text)
        for check in stage.checks
    ]


def _result(check: StageCheck, passed: bool, figures: Mapping[str, float], text: str = "") -> CheckResultJson:
    value = figures.get("value")
    return {"name": check.name, "text": text or check.text, "passed": passed, "value": value, "figures": {**figures}}


def _gates(stage: Stage, artifacts: Path) -> Gates | None:
    """The record of the gates, if the stage wrote it and it is that of the stage's checks."""
    if not stage.checks or not any(output.path == f"artifacts/{Gates.FILE}" for output in stage.outputs):
        return None
    record = Gates.find(artifacts)
    return record if record is not None and len(record.gates) == len(stage.checks) else None


def _document(file: Path) -> object:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _numbers(value: object, path: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of nested mappings with their paths; truth values are not numbers."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value
