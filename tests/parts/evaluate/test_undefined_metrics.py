"""Metrics without a value: the same rows on which the computation gives none, and a reason for each."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from mlspec.learning.metrics import scores  # noqa: E402
from mlspec.parts.evaluate.undefined_metrics import gates, monitors, reasons, shown, undefined  # noqa: E402
from mlspec.sections.evaluate import EvaluateSpec  # noqa: E402
from mlspec.sections.metric_names import NAMES, Task  # noqa: E402

TARGETS: dict[str, tuple[Task, list[Any]]] = {
    "numbers": ("regression", [1.0, 2.0, 3.0, 4.0]),
    "with a zero": ("regression", [1.0, 0.0, 3.0, 4.0]),
    "all zero": ("regression", [0.0, 0.0, 0.0]),
    "constant": ("regression", [5.0, 5.0, 5.0]),
    "one number": ("regression", [5.0]),
    "both labels": ("classification", [0, 1, 1, 0]),
    "one label": ("classification", [1, 1, 1]),
    "one row": ("classification", [0]),
    "three labels": ("classification", [0, 1, 2, 0]),
    "two of three labels": ("classification", [0, 1, 1, 0]),
}


@pytest.mark.parametrize("case", TARGETS)
def test_a_metric_has_a_reason_exactly_where_it_has_no_value(case: str) -> None:
    task, targets = TARGETS[case]
    draw = torch.Generator().manual_seed(1)
    labels = 3 if "three" in case else 2
    outputs = torch.randn((len(targets), labels) if task == "classification" else (len(targets),), generator=draw)
    result = scores(task, NAMES[task], outputs, torch.tensor(targets))
    missing = {name for name, value in result.items() if value is None}
    assert missing == {name for name in NAMES[task] if undefined(name, targets)}
    assert reasons(result, targets).keys() == missing


def test_a_reason_has_the_numbers() -> None:
    assert undefined("mape", [0.0, 0.0, 2.0]).startswith("2 of 3 rows have the target 0")
    assert undefined("r2", [5.0] * 4) == "all 4 rows have the target 5"
    assert undefined("auroc", [1] * 4) == "all 4 rows have one label"
    assert undefined("r2", [5.0]) == "it needs 2 rows and has 1"


def test_a_gate_is_refused_where_no_slice_has_a_value() -> None:
    test = {"y": [0.0, 1.0, 0.0], "town": ["Bonn", "Ulm", "Bonn"]}

    def refused(gate: str) -> bool:
        options = EvaluateSpec(metrics=["mape"], slices=["town"], gates={gate: "< 1"})
        return bool(list(gates(options, test, "y")))

    assert refused("mape")
    assert refused("mape@town=Bonn")
    assert not refused("mape@town=Ulm")
    assert not refused("mape@town=*")
    assert not refused("mae")


def test_a_monitor_is_refused_by_its_key() -> None:
    watched = {"sweep.metric": "valid/mape", "train.checkpoint.monitor": "valid/loss"}
    result = shown(monitors(watched, "regression", [0.0, 1.0]))
    assert result is not None
    assert result[0].startswith("sweep.metric: `valid/mape` is undefined on the validation rows: 1 of 2 rows")
    assert shown(monitors(watched, "regression", [2.0, 1.0])) is None
