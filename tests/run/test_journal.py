"""The journal of runs survives kills and rows that it cannot read."""

from __future__ import annotations

import json
from pathlib import Path

from mlspec.report.run_history import history
from mlspec.run.journal import Journal
from mlspec.run.outcome import Outcome
from mlspec.stage_result import Reason


def test_the_last_duration_of_a_stage_that_ran_is_the_estimate(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(["train"])
    journal.outcome(Outcome("train", "ran", Reason("never-ran", "never ran"), seconds=2.5))
    journal.outcome(Outcome("train", "ran", Reason("forced", "forced"), seconds=3.5))
    journal.outcome(Outcome("train", "failed", Reason("failed", "x"), seconds=0.1))
    journal.outcome(Outcome("train", "cached", Reason("up-to-date", "up to date")))
    assert journal.durations() == {"train": 3.5}
    assert journal.last()["train"].status == "cached"


def test_a_torn_row_is_skipped_and_the_next_one_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(["data", "train"])
    journal.outcome(Outcome("data", "ran", seconds=1.0))
    whole = journal.path.read_bytes()
    for cut in range(1, 60):
        journal.path.write_bytes(whole[:-cut])
        again = Journal(tmp_path)
        again.outcome(Outcome("train", "ran", seconds=2.0))
        assert again.durations()["train"] == 2.0
        assert again.path.read_bytes().endswith(b"\n")


def test_no_journal_is_an_empty_one(tmp_path: Path) -> None:
    assert Journal(tmp_path).entries() == []


def test_the_report_reads_what_the_journal_writes(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(["data", "train"])
    journal.outcome(Outcome("data", "ran", Reason("never-ran", "never ran"), seconds=1.0, log=".mlspec/logs/data.log"))
    killed = history(tmp_path)
    assert [(o.stage, o.status) for o in killed.outcomes] == [("data", "ran"), ("train", "interrupted")]
    journal.outcome(Outcome("train", "failed", Reason("failed", "no"), "help", 2.0))
    journal.end("failed")
    assert [(o.stage, o.status) for o in history(tmp_path).outcomes] == [("data", "ran"), ("train", "failed")]


def test_a_reason_with_any_line_separator_stays_one_row(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.outcome(Outcome("train", "failed", Reason("failed", "a\u2028b\x85c\nd")))
    assert journal.last()["train"].reason.text == "a\u2028b\x85c\nd"
    assert [o.reason.text for o in history(tmp_path).outcomes[:1]] == ["a\u2028b\x85c\nd"]


def test_a_row_of_unexpected_types_is_read_with_defaults(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.path.parent.mkdir()
    rows = [
        "[" * 100_000,
        '{"event": "stage", "stage": "train", "status": "ran", "seconds": NaN, "log": 3, "help": null}',
    ]
    journal.path.write_text("\n".join(rows) + "\n")
    assert journal.last() == {"train": Outcome("train", "ran")}


def test_the_last_row_of_a_stage_has_its_stable_shape(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin(["train"])
    journal.outcome(Outcome("train", "failed", Reason("failed", "no"), "mlspec apply", 2.0, ".mlspec/logs/train.log"))
    row = json.loads(journal.path.read_text().splitlines()[-1])
    assert journal.last_rows() == {"train": row}
    assert list(row) == ["at", "run", "event", "stage", "status", "reason", "reason_kind", "help", "seconds", "log"]
