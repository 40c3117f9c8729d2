"""Charts of the page that compare the log with the training data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from mlspec.monitoring.log_panels import category_panel
from mlspec.monitoring.monitor_state import PanelView
from mlspec.monitoring.panel_data import ViewedRange
from tests.monitoring.log_lines import DAY, line, segment
from tests.monitoring.references import REFERENCE
from tests.monitoring.watched import Service

TRAINED = {"Bonn": 0.6, "Köln": 0.38}


def panel(folder: Path, towns: Sequence[str | None], log: dict[str, object] | None = None) -> PanelView | None:
    """The panel of one prediction a second."""
    rows = [line(n, inputs={"age": 40.0, "town": town, "sentence": "x"}) for n, town in enumerate(towns)]
    segment(folder, rows, "host-1-0-0")
    model = Service(folder, log=log or {}).model
    viewed = ViewedRange(DAY, DAY + timedelta(seconds=len(towns)))
    with model.store.opened() as connection:
        return category_panel(
            model, lambda text, values=(): connection.sql(text, params=list(values)).to_arrow_table(), viewed
        )


def test_the_shares_of_categories_are_shown_against_those_in_training(tmp_path: Path) -> None:
    """A minute as in training, with missing values and one that is not listed, then a minute of one town."""
    usual = ["Bonn"] * 30 + ["Köln"] * 19 + ["Trier"] + [None] * 10
    drawn = panel(tmp_path, [*usual, *["Köln"] * 60])
    assert drawn is not None
    shares = {line.name: [value for _, value in line.points] for line in drawn.lines}
    assert list(shares) == ["town Köln", "town Bonn"], "the largest change first"
    assert shares["town Bonn"] == pytest.approx([0, -TRAINED["Bonn"]])
    assert shares["town Köln"] == pytest.approx([0, 1 - TRAINED["Köln"]])


def test_a_change_in_many_rows_is_shown_before_one_by_chance(tmp_path: Path) -> None:
    """Of a single row every share is far from that in training."""
    drawn = panel(tmp_path, [*["Bonn"] * 48, *["Köln"] * 12, "Köln"])
    assert drawn is not None
    largest = max(abs(value or 0) for _, value in drawn.lines[0].points[:1])
    assert largest == pytest.approx(0.2)


@pytest.mark.parametrize("log", [{"inputs": "hashed"}, {"columns": {"town": "redacted"}}])
def test_hidden_categories_have_no_chart(log: dict[str, object], tmp_path: Path) -> None:
    assert "town" in REFERENCE.columns
    assert panel(tmp_path, ["0123"] * 5, log) is None
