"""Charts of the page that compare the log with the training data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from mlspec.monitoring.log_panels import category_panel
from mlspec.monitoring.monitor_state import MonitorState, PanelView
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


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> MonitorState:
    """A new version with a tenth of the traffic, to which half of the ages, and all towns as `Köln`, arrive."""
    service = Service(tmp_path_factory.mktemp("canary"))
    service.answer(450)
    rows = [
        line(
            10_000 + n,
            service.now - timedelta(seconds=100),
            version="8",
            inputs={"age": None if n % 2 else 70.0, "town": "Köln", "sentence": "x"},
        )
        for n in range(50)
    ]
    segment(service.folder, rows, "other-1-1-1")
    return service.observe().state


def lines(state: MonitorState, id: str) -> dict[str, float]:
    """The last value of each line of a chart."""
    (panel,) = [panel for panel in state.panels if panel.id == id]
    return {line.name: [value for _, value in line.points if value is not None][-1] for line in panel.lines}


def test_an_input_that_is_missing_in_a_canary_has_a_line_of_its_own(canary: MonitorState) -> None:
    """Over both versions 7 % of the ages are missing, which is as much as by chance."""
    missing = lines(canary, "missing")
    assert missing.keys() == {f"{version} {name}" for version in "78" for name in ("age", "town", "sentence")}
    assert missing["8 age"] == 0.5
    assert missing["7 age"] < 0.05


def test_what_moved_in_a_canary_is_not_averaged_with_the_rest(canary: MonitorState) -> None:
    shifts, shares = lines(canary, "drift"), lines(canary, "categories")
    assert shifts["8 age"] == pytest.approx(3, abs=0.1)
    assert abs(shifts["7 age"]) < 0.3
    assert shares["8 town Köln"] == pytest.approx(1 - TRAINED["Köln"])
    assert abs(shares["7 town Köln"]) < 0.15


def test_the_lines_of_a_single_version_are_named_by_the_input_alone(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.answer(100)
    state = service.observe().state
    assert lines(state, "missing").keys() == {"age", "town", "sentence"}
    assert "age" in lines(state, "drift")
    assert lines(state, "categories").keys() == {"town Bonn", "town Köln"}


@pytest.mark.parametrize("log", [{"inputs": "hashed"}, {"columns": {"town": "redacted"}}])
def test_hidden_categories_have_no_chart(log: dict[str, object], tmp_path: Path) -> None:
    assert "town" in REFERENCE.columns
    assert panel(tmp_path, ["0123"] * 5, log) is None
