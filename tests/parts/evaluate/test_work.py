"""The stages `evaluate` and `gate` on trained projects."""

from __future__ import annotations

import csv
import json
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlspec.errors import StageError
from mlspec.job import Job
from tests.parts.projects import Applied

pq = pytest.importorskip("pyarrow.parquet")
torch = pytest.importorskip("torch")

from mlspec.learning.infer import checked  # noqa: E402
from mlspec.parts.evaluate import calibration  # noqa: E402
from mlspec.parts.evaluate.work import write_predictions  # noqa: E402

Trained = Callable[..., Applied]
pytestmark = pytest.mark.slow


def test_neither_evaluate_nor_export_imports_lightning() -> None:
    """It takes a second, and they train nothing."""
    code = (
        "import mlspec.parts.evaluate.work, mlspec.parts.export.work, sys; sys.exit('pytorch_lightning' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def read(project: Applied, name: str) -> Any:
    return json.loads((project.artifacts / "metrics" / f"{name}.json").read_text())


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def limited(outputs: Path) -> None:
    """Write the predictions where no file may be larger than 100 bytes, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    write_predictions(Job(outputs, outputs, outputs, {}, {}), {"a": list(range(1000))})


def test_the_old_predictions_stay_if_the_new_ones_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "evaluate" / "predictions.parquet"
    write_predictions(Job(tmp_path, tmp_path, tmp_path, {}, {}), {"a": [1]})
    before = path.read_bytes()
    process = get_context("fork").Process(target=limited, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == 1
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_classification(trained: Trained) -> None:
    project = trained(
        "text",
        "evaluate: {metrics: [accuracy, f1, auroc], slices: {origin: {}, "
        "length: {column: sentence, by: length, bins: [20, 40]}}}\n",
    )
    project.run("evaluate")
    record = read(project, "evaluate")
    test = pq.read_table(project.artifacts / "data/test.parquet")
    predicted = pq.read_table(project.artifacts / "evaluate/predictions.parquet")
    assert record["rows"] == test.num_rows == predicted.num_rows
    right = [a == b for a, b in zip(*(predicted[c].to_pylist() for c in ("actual", "predicted")), strict=True)]
    assert record["metrics"]["accuracy"] == pytest.approx(np.mean(right), abs=1e-5)
    assert record["metrics"]["accuracy"] > 0.8
    assert predicted["actual"].to_pylist() == [("sad", "glad")[i] for i in test["label"].to_pylist()]
    assert list(record["per_class"]) == ["sad", "glad"]
    assert record["per_class"]["sad"]["support"] == test["label"].to_pylist().count(0)
    origins = test["origin"].to_pylist()
    for origin in "abc":
        chosen = [ok for ok, o in zip(right, origins, strict=True) if o == origin]
        entry = record["slices"][f"origin={origin}"]
        assert entry["rows"] == len(chosen)
        assert entry["metrics"]["accuracy"] == pytest.approx(np.mean(chosen), abs=1e-5)
    lengths = {name: entry["rows"] for name, entry in record["slices"].items() if name.startswith("length=")}
    assert list(lengths) == ["length=<20", "length=20..40", "length=>=40"]
    assert sum(lengths.values()) == test.num_rows
    assert [tuple(r.values()) for r in rows(project.artifacts / "plots/confusion.csv")] == list(
        zip(predicted["actual"].to_pylist(), predicted["predicted"].to_pylist(), strict=True)
    )
    table = rows(project.artifacts / "plots/calibration.csv")
    assert sum(int(row["count"]) for row in table) == test.num_rows
    assert 0 <= record["calibration"]["ece"] <= 1


def test_two_runs_write_the_same(trained: Trained) -> None:
    project = trained("text", "evaluate:\n")
    project.run("evaluate")
    files = ["metrics/evaluate.json", "plots/confusion.csv", "evaluate/predictions.parquet"]
    first = [(project.artifacts / f).read_bytes() for f in files]
    project.run("evaluate")
    assert [(project.artifacts / f).read_bytes() for f in files] == first


def test_a_number(trained: Trained) -> None:
    project = trained("numbers", "evaluate: {metrics: [rmse, r2], slices: {size: {bins: [0]}, town: {}}}\n")
    project.run("evaluate")
    record = read(project, "evaluate")
    assert record["task"] == "regression"
    assert record["metrics"]["r2"] > 0.8
    assert record["calibration"] is None
    assert set(record["slices"]) == {
        "size=<0", "size=>=0", "size=(missing)", "town=Bonn", "town=Ulm", "town=Hof", "town=(missing)",
    }  # fmt: skip
    pairs = rows(project.artifacts / "plots/fit.csv")
    truth = pq.read_table(project.artifacts / "data/test.parquet")["price"].to_pylist()
    assert [float(row["actual"]) for row in pairs] == truth


def test_images_whose_labels_come_from_the_folders(trained: Trained) -> None:
    project = trained("images", "evaluate: {metrics: [accuracy, f1, mcc, auroc, average_precision]}\n")
    project.run("evaluate")
    record = read(project, "evaluate")
    assert list(record["per_class"]) == ["left", "right", "top"]
    assert record["metrics"]["auroc"] > 0.9


def test_a_slice_of_a_column_that_is_not_there(trained: Trained) -> None:
    project = trained("text", "evaluate: {slices: [orgin]}\n")
    with pytest.raises(StageError, match="no column `orgin`") as caught:
        project.run("evaluate")
    assert caught.value.help == "did you mean `origin`?"


def test_gates_pass(trained: Trained) -> None:
    project = trained(
        "text",
        'evaluate: {slices: [origin], gates: {mcc: ">= 0.2", "recall[sad]": "> 0.5", "accuracy@origin=*": ">= 0.5", '
        'ece: "<= 0.5"}}\n',
    )
    project.run("evaluate", "gate")
    record = read(project, "gates")
    assert json.loads((project.artifacts / "evaluate/passed.json").read_text()) == {"passed": True}
    assert record["passed"] is True
    assert [g["metric"] for g in record["gates"]] == ["mcc", "recall[sad]", "accuracy@origin=*", "ece"]
    slices = {n: e["metrics"]["accuracy"] for n, e in read(project, "evaluate")["slices"].items()}
    assert record["gates"][2]["value"] == min(slices.values())
    assert slices[record["gates"][2]["slice"]] == min(slices.values())


def test_a_failed_gate_stops_the_pipeline_after_its_record_is_written(trained: Trained) -> None:
    project = trained("numbers", 'evaluate: {gates: {r2: ">= 0.5", mae: "<= 0.001"}}\n')
    project.run("evaluate")
    passed = project.artifacts / "evaluate/passed.json"
    passed.write_text("{}")
    with pytest.raises(StageError) as caught:
        project.run("gate")
    assert not passed.exists()
    record = read(project, "gates")
    assert record["passed"] is False
    assert [g["passed"] for g in record["gates"]] == [True, False]
    assert f"mae {record['gates'][1]['value']:.4g} fails the gate <= 0.001" in caught.value.message
    assert "r2" not in caught.value.message
    assert "evaluate.gates" in caught.value.help


def test_a_gate_on_a_slice_without_rows_says_so(trained: Trained) -> None:
    project = trained("text", 'evaluate: {slices: [origin], gates: {"accuracy@origin=z": ">= 0.5"}}\n')
    project.run("evaluate")
    with pytest.raises(StageError, match="has no value"):
        project.run("gate")


def test_a_value_that_is_not_defined_misses_its_gate(trained: Trained) -> None:
    project = trained("text", 'evaluate: {metrics: [auroc], gates: {auroc: ">= 0.1"}}\n')
    project.run("evaluate")
    path = project.artifacts / "metrics/evaluate.json"
    record = json.loads(path.read_text())
    record["metrics"]["auroc"] = None
    path.write_text(json.dumps(record))
    with pytest.raises(StageError, match="auroc is undefined"):
        project.run("gate")


def test_outputs_that_are_no_logits_are_refused() -> None:
    checked(np.zeros((3, 2)), 2)
    checked(np.zeros((3, 1)), 0)
    with pytest.raises(StageError, match=r"shape \[3\] for 3 rows, expected \[3, 2\]"):
        checked(np.zeros(3), 2)
    with pytest.raises(StageError, match="NaN or infinite for 1 of 3"):
        checked(np.array([[0, np.nan], [0, 0], [1, 1.0]]), 2)


def test_calibration_against_manual_results() -> None:
    sure = torch.tensor([0.55, 0.58, 0.95, 1.0])
    right = torch.tensor([True, False, True, True])
    low, high = calibration.table(sure, right, 10)
    assert (low.count, low.accuracy) == (2, 0.5)
    assert low.confidence == pytest.approx(0.565)
    assert high.count == 2
    assert calibration.error([low, high]) == pytest.approx((0.065 * 2 + 0.025 * 2) / 4)
