"""What the report says of decisions: those of the data, and which epoch was kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.run.report.decisions import Decision, decisions


@pytest.mark.parametrize(("mode", "direction"), [("max", "largest"), ("min", "smallest")])
def test_the_checkpoint_that_was_kept_is_a_decision(tmp_path: Path, mode: str, direction: str) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics/train.json").write_text(json.dumps({"best": {"monitor": "Val Acc", "mode": mode}}))
    assert decisions(tmp_path) == (
        Decision("checkpoint", f"the epoch with the {direction} Val Acc", "train.checkpoint.mode"),
    )


@pytest.mark.parametrize("best", [None, {}, {"monitor": "x"}, {"monitor": "x", "mode": ["min"]}, []])
def test_a_record_of_another_shape_is_left_out(tmp_path: Path, best: object) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics/train.json").write_text(json.dumps({"best": best}))
    assert decisions(tmp_path) == ()
