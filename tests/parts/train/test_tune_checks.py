"""What contradicts a search before training is reported with its place, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.diagnostics import Diagnostic
from mlspec.errors import SpecError
from tests.parts.projects import numbers

SWEEP = "sweep: {metric: valid/r2, parameters: {train.%s: {values: [1, 2]}}}\n"


def findings(root: Path, tune: str, more: str = "", keys: str = "") -> list[Diagnostic]:
    project = numbers(root, more)
    project.spec("batch_size: 16", f"batch_size: 16, tune: {tune}{keys}")
    try:
        project.build()
    except SpecError as error:
        return list(error.diagnostics)
    return []


@pytest.mark.parametrize(
    ("tune", "more", "keys", "key", "message"),
    [
        ("{}", "", "", "tune", "names nothing to find"),
        ("{batch_size: {}}", "", ", devices: 2", "batch_size", "needs one device, and train.devices is 2"),
        ("{batch_size: {}}", SWEEP % "batch_size", "", "batch_size", "the sweep varies train.batch_size"),
        ("{learning_rate: {}}", SWEEP % "learning_rate", "", "learning_rate", "would replace each of its"),
        ("{learning_rate: {min: 0.1, max: 0.01}}", "", "", "learning_rate", "min (0.1) is not below max"),
        ("{learning_rate: {}}", "", ", devices: 2, strategy: ddp_spawn", "ddp_spawn", "cannot return a result"),
    ],
)
def test_a_contradiction_is_reported(tune: str, more: str, keys: str, key: str, message: str, tmp_path: Path) -> None:
    (finding,) = findings(tmp_path, tune, more, keys)
    assert finding.code == "conflicting-options"
    assert finding.span
    assert finding.source[finding.span.column - 1 :].startswith(key)
    assert message in finding.message
    assert finding.help


@pytest.mark.parametrize(
    ("tune", "more", "keys"),
    [
        ("{batch_size: {mode: binsearch, max: 64}, learning_rate: {min: 1e-6, max: 0.1, steps: 50}}", "", ""),
        ("{learning_rate: {}}", SWEEP % "batch_size", ", devices: 2, strategy: ddp"),
        ("{batch_size: {}}", SWEEP % "learning_rate", ", schedule: {type: one-cycle}"),
    ],
)
def test_what_fits_together_is_accepted(tune: str, more: str, keys: str, tmp_path: Path) -> None:
    assert findings(tmp_path, tune, more, keys) == []
