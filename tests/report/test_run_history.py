"""The journal as the report reads it."""

from __future__ import annotations

import json
from pathlib import Path

from mlspec.report.run_history import RunHistory, history
from mlspec.run.journal import NAME


def journal(root: Path, *entries: object) -> RunHistory:
    path = root / NAME
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(entry if isinstance(entry, str) else json.dumps(entry) + "\n" for entry in entries))
    return history(root)


def begin(run: str, at: str, *stages: str) -> dict[str, object]:
    return {"at": at, "run": run, "event": "begin", "stages": stages}


def stage(run: str, name: str, status: str = "ran", seconds: float = 1.0) -> dict[str, object]:
    return {"run": run, "event": "stage", "stage": name, "status": status, "seconds": seconds}


def end(run: str) -> dict[str, object]:
    return {"run": run, "event": "end", "status": "done"}


def test_without_a_journal_the_history_is_empty(tmp_path: Path) -> None:
    assert history(tmp_path) == RunHistory()


def test_the_history_has_the_last_run_and_the_durations_of_earlier_ones(tmp_path: Path) -> None:
    runs = journal(
        tmp_path,
        begin("a", "2026-11-20T08:00:00+00:00", "data", "train"),
        stage("a", "data", seconds=4.0),
        stage("a", "train", seconds=90.0),
        end("a"),
        begin("b", "2026-11-21T08:00:00+00:00", "data", "train"),
        stage("b", "data", "cached"),
        stage("b", "train", "failed", 7.0),
        end("b"),
        begin("c", "2026-11-21T19:30:00+02:00", "data", "train"),
        stage("c", "data", seconds=3.0),
        stage("c", "train", seconds=80.0),
        end("c"),
    )
    assert [(o.stage, o.status, o.seconds) for o in runs.outcomes] == [("data", "ran", 3.0), ("train", "ran", 80.0)]
    assert runs.when == "2026-11-21 17:30 UTC"
    assert runs.before == {"data": 4.0, "train": 90.0}


def test_the_last_row_of_a_stage_counts(tmp_path: Path) -> None:
    runs = journal(tmp_path, stage("a", "train", "interrupted"), stage("a", "train", "ran"))
    assert [o.status for o in runs.outcomes] == ["ran"]


def test_a_run_without_an_end_was_interrupted_where_it_was(tmp_path: Path) -> None:
    runs = journal(tmp_path, begin("a", "", "data", "train", "evaluate"), stage("a", "data"))
    assert [(o.stage, o.status) for o in runs.outcomes] == [("data", "ran"), ("train", "interrupted")]


def test_a_torn_or_foreign_line_is_skipped(tmp_path: Path) -> None:
    odd = ("3\n", "[]\n", {"stage": 4, "run": "a"}, {"stage": "x", "status": "odd", "run": "a"})
    runs = journal(tmp_path, *odd, stage("a", "data"), '{"run": "a", "sta')
    assert [o.stage for o in runs.outcomes] == ["data"]
