"""The journal as the report reads it."""

from __future__ import annotations

import json
from pathlib import Path

from mlspec.run.report.history import JOURNAL, History, history


def journal(root: Path, *entries: object) -> History:
    path = root / JOURNAL
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(entry if isinstance(entry, str) else json.dumps(entry) + "\n" for entry in entries))
    return history(root)


def entry(run: str, stage: str, status: str = "ran", seconds: float = 1.0) -> dict[str, object]:
    return {"run": run, "stage": stage, "status": status, "seconds": seconds}


def test_without_a_journal_nothing_is_told(tmp_path: Path) -> None:
    assert history(tmp_path) == History()


def test_the_last_run_is_told_and_the_one_before_for_its_times(tmp_path: Path) -> None:
    found = journal(
        tmp_path,
        entry("2026-11-20T08:00:00+00:00", "data", seconds=4.0),
        entry("2026-11-20T08:00:00+00:00", "train", seconds=90.0),
        entry("2026-11-21T08:00:00+00:00", "data", "cached"),
        entry("2026-11-21T08:00:00+00:00", "train", "failed", 7.0),
        entry("2026-11-21T19:30:00+02:00", "data", seconds=3.0),
        entry("2026-11-21T19:30:00+02:00", "train", seconds=80.0),
    )
    assert [(o.stage, o.status, o.seconds) for o in found.outcomes] == [("data", "ran", 3.0), ("train", "ran", 80.0)]
    assert found.when == "2026-11-21 17:30 UTC"
    assert found.before == {"data": 4.0, "train": 90.0}


def test_the_last_word_on_a_stage_counts(tmp_path: Path) -> None:
    found = journal(tmp_path, entry("a", "train", "interrupted"), entry("a", "train", "ran"))
    assert [o.status for o in found.outcomes] == ["ran"]


def test_a_torn_or_foreign_line_is_passed_over(tmp_path: Path) -> None:
    found = journal(
        tmp_path, "3\n", {"stage": 4}, {"stage": "x", "status": "odd"}, entry("a", "data"), '{"run": "a", "sta'
    )
    assert [o.stage for o in found.outcomes] == ["data"]
