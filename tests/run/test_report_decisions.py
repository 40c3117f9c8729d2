"""What the report says of decisions: those of the data, and what training monitored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.run.report.decisions import RECORDS, Decision, decisions


def recorded(root: Path, name: str, contents: object) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(json.dumps(contents))


def test_every_record_is_shown_in_order(tmp_path: Path) -> None:
    for name in RECORDS:
        recorded(tmp_path, name, {"decisions": [{"subject": name, "reading": "taken", "key": "a.b"}]})
    assert decisions(tmp_path) == tuple(Decision(name, "taken", "a.b") for name in RECORDS)


@pytest.mark.parametrize("rows", [None, {}, [None], [{"subject": "x"}], [{"reading": "x"}], [[]], ["x"]])
@pytest.mark.parametrize("name", RECORDS)
def test_a_record_of_another_shape_is_left_out(tmp_path: Path, name: str, rows: object) -> None:
    recorded(tmp_path, name, {"decisions": rows})
    assert decisions(tmp_path) == ()
