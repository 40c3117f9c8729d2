"""What the stages of a run measured: numbers of metric files, and the results of checks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.apply.stage_results import stage_result_json
from mlspec.errors import StageError
from mlspec.plan.stage import Output, Stage, StageCheck
from mlspec.records.gates import Gate, Gates
from mlspec.run.outcome import Outcome, Status
from mlspec.stage_result import Reason, ReasonKind, check_result, reported

EVALUATE = Stage("evaluate", "Evaluate", "evaluate", outputs=(Output("artifacts/metrics/evaluate.json", "metric"),))
GATE = Stage(
    "gate",
    "Judge",
    "evaluate",
    outputs=(Output("artifacts/metrics/gates.json", "metric"),),
    checks=(StageCheck("gate_f1", "f1 > 0.5"), StageCheck("gate_mcc", "mcc > 0.5")),
    judges="evaluate",
)
DATA = Stage("data", "Check", "data", checks=(StageCheck("data_checks", "The data is right"),))


def outcome(stage: Stage, status: Status, kind: ReasonKind = "", text: str = "") -> Outcome:
    return Outcome(stage.name, status, Reason(kind, text))


def test_the_numbers_of_metric_files_by_their_path(tmp_path: Path) -> None:
    file = tmp_path / "artifacts/metrics/evaluate.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"task": "x", "rows": 4, "metrics": {"f1": 0.5, "mcc": None}, "ok": True, "list": [1]}))
    result = stage_result_json(EVALUATE, outcome(EVALUATE, "ran"), tmp_path)
    assert result == {"metrics": {"rows": 4, "metrics.f1": 0.5}, "checks": []}
    assert stage_result_json(EVALUATE, outcome(EVALUATE, "skipped"), tmp_path)["metrics"] == {}
    file.write_text("{")
    assert stage_result_json(EVALUATE, outcome(EVALUATE, "ran"), tmp_path)["metrics"] == {}


def test_each_gate_has_its_own_result(tmp_path: Path) -> None:
    gates = [
        Gate(metric="f1", bound="> 0.5", value=0.4, passed=False),
        Gate(metric="mcc", bound="> 0.5", value=0.6, passed=True),
    ]
    Gates(passed=False, gates=tuple(gates)).write(tmp_path / "artifacts")
    result = stage_result_json(GATE, outcome(GATE, "failed", "failed", "1 of 2 gates failed"), tmp_path)
    assert result["checks"] == [
        {"name": "gate_f1", "text": "f1 > 0.5", "passed": False, "value": 0.4, "figures": {"value": 0.4}},
        {"name": "gate_mcc", "text": "mcc > 0.5", "passed": True, "value": 0.6, "figures": {"value": 0.6}},
    ]


def test_a_record_of_other_gates_counts_for_nothing(tmp_path: Path) -> None:
    Gates(passed=True, gates=(Gate(metric="f1", bound="> 0.5", value=0.9, passed=True),)).write(tmp_path / "artifacts")
    result = stage_result_json(GATE, outcome(GATE, "failed", "failed", "no value"), tmp_path)
    assert [(check["text"], check["passed"]) for check in result["checks"]] == [("no value", False)] * 2


def test_a_check_that_the_stage_reported_has_its_own_result(tmp_path: Path) -> None:
    stage = Stage("data", "Check", "data", checks=(*DATA.checks, StageCheck("data_size_max", "size <= 3")))
    with pytest.raises(StageError), reported(tmp_path, "data"):
        check_result("data_size_max", passed=True, figures={"rows": 9, "failing_rows": 0})
        raise StageError("2 data checks failed")
    result = stage_result_json(stage, outcome(stage, "failed", "failed", "2 data checks failed"), tmp_path)
    assert [(check["name"], check["passed"], check["figures"]) for check in result["checks"]] == [
        ("data_checks", False, {}),
        ("data_size_max", True, {"rows": 9, "failing_rows": 0}),
    ]


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        ("ran", "", [("The data is right", True)]),
        ("cached", "", [("The data is right", True)]),
        ("failed", "failed", [("2 data checks failed", False)]),
        ("failed", "crashed", []),
        ("failed", "killed", []),
        ("interrupted", "stopped", []),
        ("skipped", "lacks", []),
    ],
)
def test_a_check_fails_where_the_stage_refused_and_not_where_it_broke(
    status: Status, kind: ReasonKind, expected: list[tuple[str, bool]], tmp_path: Path
) -> None:
    result = stage_result_json(DATA, outcome(DATA, status, kind, "2 data checks failed"), tmp_path)
    assert [(check["text"], check["passed"]) for check in result["checks"]] == expected
