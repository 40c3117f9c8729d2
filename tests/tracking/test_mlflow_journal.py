"""The journal of a run: what a killed and resumed training leaves in it, and what is uploaded of it."""

from __future__ import annotations

import math
from pathlib import Path

from mlspec.records.tracked_run import TrackedRun, runs_of, tracked_runs
from mlspec.tracking.mlflow_journal import METRICS, RunJournal

RUN = TrackedRun(id="1a2b", tracker="mlflow", server="", experiment="x", name="x", started=5)


def rows(journal: RunJournal) -> list[tuple[str, float, int]]:
    return [(m.name, m.value, m.step) for m in journal.metrics(0)]


def test_a_resumed_training_repeats_no_step(tmp_path: Path) -> None:
    first = RunJournal(tmp_path, RUN)
    for step in (10, 20):
        first.add({"loss": 1 / step, "rate": 0.1}, step, 1)
    first.close()
    resumed = RunJournal(tmp_path, RUN)
    resumed.add({"loss": 9.0}, 20, 2)
    resumed.add({"loss": 0.5, "valid/loss": 0.25}, 30, 2)
    resumed.close()
    assert [row for row in rows(resumed) if row[0] == "loss"] == [
        ("loss", 0.1, 10),
        ("loss", 0.05, 20),
        ("loss", 0.5, 30),
    ]
    assert ("valid/loss", 0.25, 30) in rows(resumed)


def test_a_number_that_is_not_finite_is_left_out(tmp_path: Path) -> None:
    journal = RunJournal(tmp_path, RUN)
    journal.add({"loss": math.nan, "other": math.inf, "kept": 1.0}, 1, 1)
    assert rows(journal) == [("kept", 1.0, 1)]


def test_the_torn_line_of_a_killed_process_loses_no_other(tmp_path: Path) -> None:
    journal = RunJournal(tmp_path, RUN)
    journal.add({"loss": 1.0}, 1, 1)
    journal.close()
    with (journal.folder / METRICS).open("a", encoding="utf-8") as file:
        file.write('["loss", 2.')
    assert rows(RunJournal(tmp_path, RUN)) == [("loss", 1.0, 1)]
    again = RunJournal(tmp_path, RUN)
    again.add({"loss": 3.0}, 2, 1)
    again.add({"loss": 4.0}, 3, 1)
    again.close()
    assert [row for row in rows(again) if row[0]] == [("loss", 1.0, 1), ("loss", 3.0, 2), ("loss", 4.0, 3)]
    assert [each.value for each in again.metrics(3)] == [4.0], "it counts as a line"


def test_runs_are_found_by_the_checkpoint_that_they_wrote(tmp_path: Path) -> None:
    RUN.save(tmp_path)
    for identity, started, tracker in (("old", 6, "mlflow"), ("new", 7, "mlflow"), ("hub", 6, "dagshub")):
        run = RUN.model_copy(update={"id": identity, "started": started, "tracker": tracker, "checkpoint": "abc"})
        run.save(tmp_path)
    RUN.model_copy(update={"id": "last", "started": 9, "checkpoint": "def"}).save(tmp_path)
    damaged = RUN.model_copy(update={"id": "damaged"}).folder(tmp_path)
    damaged.mkdir()
    (damaged / "run.json").write_text("{")
    assert [run.id for run in tracked_runs(tmp_path)] == ["1a2b", "hub", "old", "new", "last"]
    assert {run.id for run in runs_of(tmp_path, "abc")} == {"new", "hub"}
    assert runs_of(tmp_path, None) == []
    assert RUN.place == "not uploaded yet: .mlspec/runs/mlflow-1a2b"
