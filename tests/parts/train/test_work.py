"""The stage `train`, with its real body on tiny real projects."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from mlspec.errors import StageError
from mlspec.parts.train.run_fingerprint import fingerprint
from mlspec.records.decisions import TrainDecisions
from tests.parts import projects
from tests.parts.projects import Applied


def weights(project: Applied, name: str = "best") -> dict[str, Any]:
    result = torch.load(project.artifacts / "model" / f"{name}.ckpt", weights_only=True)
    return dict(result["state_dict"])


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def curves(project: Applied) -> list[dict[str, str]]:
    with (project.artifacts / "plots" / "train.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def metrics(project: Applied) -> dict[str, Any]:
    """The record, without how fast it was."""
    record: dict[str, Any] = json.loads((project.artifacts / "metrics" / "train.json").read_text(encoding="utf-8"))
    record.pop("speed", None)
    return record


def recorded(project: Applied) -> dict[str, str]:
    """What the record of decisions says of each monitor."""
    return {d.subject: d.reading for d in TrainDecisions.read(project.artifacts).decisions}


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Applied:
    """Trained with the defaults."""
    project = projects.text(tmp_path_factory.mktemp("once"), "evaluate: {metrics: [accuracy]}\n")
    project.spec("dropout: 0", "dropout: 0.2")
    project.spec("max_epochs: 8", "max_epochs: 2")
    project.run("data", "train")
    return project


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["text", "numbers", "images"])
def test_every_kind_of_model_learns(kind: str, tmp_path: Path) -> None:
    project: Applied = getattr(projects, kind)(tmp_path)
    project.run("data", "train")
    record = metrics(project)
    if kind == "numbers":
        assert record["valid"]["valid/r2"] > 0.9
    else:
        assert record["valid"]["valid/accuracy"] > 0.9
    rows = curves(project)
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(1, record["epochs"] + 1)]
    assert {"train/loss", "valid/loss", "learning_rate"} <= set(rows[0])
    assert float(rows[-1]["train/loss"]) < float(rows[0]["train/loss"])
    assert not list((tmp_path / ".mlspec" / "scratch").glob("train-*"))


def test_a_target_far_from_zero_is_learned(tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(1)
    sizes = torch.randn(200, generator=draw).tolist()
    rows = "\n".join(f"{size:.4f},Bonn,{300_000 + 50_000 * size:.1f}" for size in sizes)
    project = projects.numbers(tmp_path)
    (tmp_path / "data" / "prices.csv").write_text(f"size,town,price\n{rows}\n", encoding="utf-8")
    project.run("data", "train")
    assert metrics(project)["valid"]["valid/r2"] > 0.9


def test_a_seed_makes_two_runs_equal(tmp_path: Path) -> None:
    one, other = projects.text(tmp_path / "one"), projects.text(tmp_path / "other")
    for project in (one, other):
        project.spec("dropout: 0", "dropout: 0.2")
        project.spec("max_epochs: 8", "max_epochs: 2")
        project.run("data", "train")
    assert same(weights(one, "last"), weights(other, "last"))
    assert curves(one) == curves(other)
    other.spec("max_epochs: 2", "max_epochs: 2, seed: 43")
    other.run("train")
    assert not same(weights(one, "last"), weights(other, "last"))


def test_training_stops_when_it_gets_no_better(tmp_path: Path) -> None:
    project = projects.numbers(tmp_path)
    project.spec("max_epochs: 12", "max_epochs: 50, early_stopping: {monitor: valid/loss, patience: 1, min_delta: 0.5}")
    project.run("data", "train")
    assert metrics(project)["epochs"] < 10
    assert recorded(project) == {"checkpoint": "smallest valid/loss", "early stopping": "smallest valid/loss"}


def test_the_best_epoch_is_kept(tmp_path: Path) -> None:
    project = projects.text(tmp_path)
    project.spec("max_epochs: 8", "max_epochs: 3, checkpoint: {monitor: valid/loss, mode: max}")
    value = project.run("data", "train")
    rows = curves(project)
    worst = max(rows, key=lambda row: float(row["valid/loss"]))
    best = metrics(project)["best"]
    assert best["epoch"] == int(worst["epoch"])
    assert value == best["value"] == pytest.approx(float(worst["valid/loss"]))


def test_a_sweep_receives_its_own_metric(tmp_path: Path) -> None:
    project = projects.text(
        tmp_path,
        "sweep: {metric: valid/mcc, goal: maximize, parameters: {train.learning_rate: {min: 0.001, max: 0.01}}}\n",
    )
    project.spec("max_epochs: 8", "max_epochs: 3")
    value = project.run("data", "train")
    assert value == max(float(row["valid/mcc"]) for row in curves(project))
    assert recorded(project) == {"checkpoint": "smallest valid/loss", "sweep": "largest valid/mcc"}


def test_the_training_loss_can_be_watched(tmp_path: Path) -> None:
    project = projects.numbers(tmp_path)
    project.spec("max_epochs: 12", "max_epochs: 2, checkpoint: {monitor: train/loss}")
    project.run("data", "train")
    assert metrics(project)["best"]["monitor"] == "train/loss"


def test_an_undefined_metric_is_null_and_its_reason_is_reported_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = projects.text(tmp_path, "evaluate: {metrics: [auroc]}\n")
    project.spec("max_epochs: 8", "max_epochs: 2")
    project.run("data")
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = project.artifacts / "data" / "valid.parquet"
    table = pq.read_table(path)
    pq.write_table(table.filter(pc.equal(table["label"], 1)), path)
    project.run("train")
    reason = "all 24 rows have one label"
    record = metrics(project)
    assert record["valid"]["valid/auroc"] is None
    assert record["undefined"] == {"valid/auroc": reason}
    assert [row["valid/auroc"] for row in curves(project)] == ["", ""]
    out = capsys.readouterr().out
    assert out.count("valid/auroc undefined") == 2
    assert out.count(f"note: valid/auroc is undefined: {reason}") == 1
    assert " nan" not in out


def test_a_loss_of_nan_stops_with_advice(tmp_path: Path) -> None:
    project = projects.numbers(tmp_path)
    project.spec("learning_rate: 0.02", "learning_rate: 10, optimizer: {type: sgd, momentum: 0.99}")
    project.run("data")
    with pytest.raises(StageError, match=r"the loss is (nan|inf)") as raised:
        project.run("train")
    assert "train.learning_rate" in raised.value.help


def test_settings_that_lightning_refuses_end_with_its_reason(tmp_path: Path) -> None:
    project = projects.numbers(tmp_path)
    project.spec("max_epochs: 12", "max_epochs: 1, accelerator: mps")
    project.run("data")
    with pytest.raises(StageError, match="Lightning rejected the settings"):
        project.run("train")


def test_missing_data_names_the_next_command(tmp_path: Path) -> None:
    with pytest.raises(StageError) as raised:
        projects.numbers(tmp_path).run("train")
    assert "mlspec apply --until data" in raised.value.help


def test_the_kept_checkpoint_holds_no_optimizer(tmp_path: Path) -> None:
    project = projects.numbers(tmp_path)
    project.spec("max_epochs: 12", "max_epochs: 1")
    project.run("data", "train")
    best = torch.load(project.artifacts / "model" / "best.ckpt", weights_only=True)
    assert "optimizer_states" not in best
    assert "optimizer_states" in torch.load(project.artifacts / "model" / "last.ckpt", weights_only=True)


def test_steps_can_be_limited(tmp_path: Path) -> None:
    project = projects.numbers(tmp_path)
    project.spec("max_epochs: 12", "max_epochs: 12, max_steps: 13, schedule: {type: one-cycle}")
    project.run("data", "train")
    assert metrics(project)["steps"] == 13


def test_a_metric_means_in_training_what_it_means_in_evaluation(tmp_path: Path) -> None:
    names = ["f1", "precision", "recall", "accuracy", "mcc"]
    project = projects.text(tmp_path, f"evaluate: {{metrics: {names}, average: weighted, threshold: 0.45}}\n")
    project.spec("max_epochs: 8", "max_epochs: 1")
    project.run("data")
    (project.artifacts / "data/test.parquet").write_bytes((project.artifacts / "data/valid.parquet").read_bytes())
    project.run("train", "evaluate")
    evaluated = json.loads((project.artifacts / "metrics/evaluate.json").read_text(encoding="utf-8"))["metrics"]
    assert {name: metrics(project)["valid"][f"valid/{name}"] for name in names} == pytest.approx(evaluated)
    assert evaluated["recall"] == evaluated["accuracy"]  # so it is with the average `weighted`


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    ["workers: 2", "log_every: 1", "checkpoint: {every: 1m}", "checkpoint: {every_steps: 2}", "devices: 1",
     "accelerator: cpu", "an added metric"],
)  # fmt: skip
def test_what_training_does_not_depend_on_leaves_the_weights_alone(change: str, once: Applied, tmp_path: Path) -> None:
    project = projects.text(tmp_path, "evaluate: {metrics: [accuracy]}\n")
    project.spec("dropout: 0", "dropout: 0.2")
    if change == "an added metric":
        project.spec("[accuracy]", "[accuracy, auroc]")
        change = "log_every: 10"
    project.spec("max_epochs: 8", f"max_epochs: 2, {change}")
    project.run("data", "train")
    assert same(weights(once), weights(project))
    assert same(weights(once, "last"), weights(project, "last"))


def test_what_a_watched_metric_means_is_something_training_depends_on(tmp_path: Path) -> None:
    def measured() -> set[str]:
        train = next(stage for stage in project.build().plan.stages if stage.name == "train")
        return {key for key in train.params if key.startswith("evaluate")}

    project = projects.text(tmp_path, "evaluate: {average: macro, metrics: [accuracy]}\n")
    before = fingerprint(project.job())
    assert measured() == set()
    project.spec("metrics: [accuracy]", "metrics: [accuracy, mcc]")
    assert fingerprint(project.job()) == before
    project.spec("learning_rate: 0.01", "learning_rate: 0.01, checkpoint: {monitor: valid/f1}")
    assert measured() == {"evaluate.average", "evaluate.threshold"}
    before = fingerprint(project.job())
    project.spec("average: macro", "average: micro")
    assert fingerprint(project.job()) != before


def test_a_run_is_recognised_after_the_project_has_moved(tmp_path: Path) -> None:
    one, other = (projects.text(tmp_path / name) for name in ("one", "other"))
    for project in (one, other):
        (project.root / "artifacts" / "data").mkdir(parents=True)
        (project.root / "artifacts" / "data" / "schema.json").write_text("{}")
    assert fingerprint(one.job()) == fingerprint(other.job())
    (other.root / "artifacts" / "data" / "schema.json").rename(other.root / "artifacts" / "data" / "valid.parquet")
    assert fingerprint(one.job()) != fingerprint(other.job())


@pytest.mark.slow
def test_a_second_training_reads_the_pixels_of_the_first(tmp_path: Path) -> None:
    project = projects.images(tmp_path, "evaluate: {metrics: [accuracy]}\n")
    project.run("data", "train")
    first, pixels = weights(project), sorted((tmp_path / ".mlspec" / "scratch" / "pixels").iterdir())
    assert [path.name.partition("-")[0] for path in pixels] == ["train", "valid"]
    times = [path.stat().st_mtime_ns for path in pixels]
    project.run("train", "evaluate")
    assert same(first, weights(project))
    assert [path.stat().st_mtime_ns for path in pixels] == times
