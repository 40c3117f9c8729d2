"""What `mlspec monitor` prints: the answers, what is to be decided, the alarms with rows, and the numbers behind them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mlspec.cli.console import Console
from mlspec.cli.monitor_text import show_state, state_json
from mlspec.monitoring.monitor_state import LabelMix, LabelShareView
from tests.monitoring.incidents_store import incidents_state
from tests.report.monitor_states import full_state


def printed(capsys: pytest.CaptureFixture[str], rows: int = 20) -> str:
    show_state(Console(as_json=False), incidents_state(), rows)
    return capsys.readouterr().out


def test_everything_is_in_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys)
    for words in (
        "Is it up?", "version 7: moved, not harmful", "version 8: moved and harmful", "  moved: age\n",
        "a share of wrong predictions between", "= help: train on the new labels: `mlspec monitor retrain`",
        "alarm[moved]: age moved (version 8), since 2026-11-27 00:1", "age moved up by +", "an alarm needs",
        "more rows", "6 of 20 rows that show it:", "Accuracy, with 95 % intervals",
        "Quality of each label, with 95 % intervals\n  version 7, no: precision 0.", ", expected 0.",
        "Columns that differ from training (PSI, KS and Cramer's V are net of their noise)", "p < 0.001",
    ):  # fmt: skip
        assert words in text, words
    assert max(map(len, text.splitlines())) <= 100


def test_of_many_labels_those_that_differ_from_training_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A share whose interval has that of training says nothing."""
    usual = [LabelShareView(f"usual {n}", 0.02, 0.02, 0.4, None, (0.0, 1.0)) for n in range(40)]
    moved = [LabelShareView(f"moved {n}", 0.02, 0.3, 0.1 + n / 100, None, (0.08, 0.3)) for n in range(11)]
    mix = LabelMix((*usual, *moved), "assumes that rows look alike", version="7")
    state = replace(incidents_state(), label_mixes=(mix,))
    show_state(Console(as_json=False), state)
    text = " ".join(capsys.readouterr().out.split())
    assert (
        "Estimated shares of the true labels of version 7 that differ from training (11 of 51): moved 10 20% (8% to 30%)"
        in text
    )
    assert "and 3 more (in --json). The estimate of shares assumes that rows look alike." in text
    assert "usual" not in text
    assert "Quality of the 2 labels that are predicted most, with 95 % intervals" in text
    show_state(Console(as_json=False), replace(state, label_mixes=(LabelMix(tuple(usual[:2]), "assumes nothing"),)))
    assert "Estimated shares" not in capsys.readouterr().out


def test_the_rows_are_shared_among_the_alarms(capsys: pytest.CaptureFixture[str]) -> None:
    assert "20 rows that show it:" in printed(capsys, rows=60)
    assert "1 of 20 rows that show it:" in printed(capsys, rows=1)
    assert "rows that show it" not in printed(capsys, rows=0)


def test_a_command_in_a_help_is_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    assert "`mlspec rollback`" in printed(capsys)
    assert "`mlspec monitor retrain`" in printed(capsys)


@pytest.mark.parametrize("state", [incidents_state, full_state])
def test_the_json_has_the_same(state: object) -> None:
    assert callable(state)
    document = json.loads(json.dumps(state_json(state())))
    alarm = document["alarms"][-1]
    assert alarm["facts"].keys() >= {"column", "version", "slice", "direction", "size", "low", "high", "unit",
                                     "evidence", "threshold", "rows", "basis", "end"}  # fmt: skip
    assert alarm["examples"]
    feature = document["features"][0]
    assert feature["psi"].keys() == {"value", "noise", "net", "p"}
    assert feature["evidence"] > 0
    assert document["quality"][0].keys() >= {"version", "slice", "value", "low", "high", "labelled", "labelled_share"}
    assert document["estimates"][0]["assumption"]
    assert document["label_mixes"][0]["shares"]
    assert document["dropped"] == ({"log": {"queue_full": 12}} if document["notes"] else {})
    assert document["measures"][0].keys() == {"version", "label", "metric", "measured", "estimated"}
    assert document["diagnoses"][0]["sentences"]
