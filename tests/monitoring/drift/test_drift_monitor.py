from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.drift.budget import Budget
from mlspec.monitoring.drift.column_reference import ColumnReference
from mlspec.monitoring.drift.drift_alarm import Alarm, RowGroup
from mlspec.monitoring.drift.drift_monitor import DriftMonitor
from mlspec.monitoring.drift.live_rows import LiveRows
from mlspec.monitoring.drift.streams import Streams

BUDGET = Budget.of(1, 90, 1000)


def monitor(reference: Floats, tolerance: float = 0.015) -> DriftMonitor:
    """Of number columns, named by their index."""
    columns = tuple(ColumnReference.of_numbers(str(i), column) for i, column in enumerate(reference.T))
    return DriftMonitor({"": Streams(columns, tolerance)}, BUDGET)


def live(values: Floats, first: int = 0) -> LiveRows:
    numbers = np.arange(first, first + len(values))
    return LiveRows(
        [f"id-{n}" for n in numbers], 60.0 * numbers.astype(np.float64), {str(i): c for i, c in enumerate(values.T)}
    )


def fed(values: Floats, cuts: list[int] | None = None) -> DriftMonitor:
    """A monitor of a reference like seed 0, fed with `values` in blocks that end at `cuts`."""
    result = monitor(np.random.default_rng(0).normal(size=(5000, values.shape[1])))
    for start, end in zip([0, *(cuts or [])], [*(cuts or []), len(values)], strict=True):
        result.update(RowGroup(), live(values[start:end], start))
    return result


def shifted(columns: int, rows: int, at: int, shift: float, seed: int = 1) -> Floats:
    """Normal columns, the first of which moves by `shift` standard deviations at row `at`."""
    values = np.random.default_rng(seed).normal(size=(rows, columns))
    values[at:, 0] += shift
    return values


def only(alarms: list[Alarm]) -> Alarm:
    assert len(alarms) == 1, alarms
    return alarms[0]


def test_a_moved_column_is_named_with_its_size_and_since_when() -> None:
    alarm = only(fed(shifted(5, 4000, 2000, 0.5)).alarms())
    assert (alarm.kind, alarm.column, alarm.direction) == ("moved", "0", "up")
    assert abs(alarm.since_row - 2000) < 60
    assert alarm.since_time == alarm.since_row * 60
    assert alarm.effect.low < 0.5 < alarm.effect.high
    assert alarm.effect.low > 0.3
    assert len(alarm.sample) == 20
    assert alarm.sample[-1] == f"id-{alarm.row}" or int(alarm.sample[-1][3:]) > alarm.row - 10


def test_unchanged_data_raises_no_alarm() -> None:
    assert fed(shifted(20, 10_000, 0, 0.0)).alarms() == []


@pytest.mark.parametrize("seed", range(5))
def test_alarms_do_not_depend_on_the_blocks(seed: int) -> None:
    """To the last bit: looking often changes nothing."""
    values = shifted(4, 1500, 700, -0.6, seed)
    values[1100:, 1] *= 3
    values[900:, 2] = np.nan
    cuts = sorted(set(np.random.default_rng(seed).integers(1, 1500, 40).tolist()))
    whole, parts = fed(values), fed(values, cuts)
    assert len(whole.alarms()) == 3
    assert whole.alarms() == parts.alarms()


def test_a_restored_monitor_continues_to_the_last_bit() -> None:
    values = shifted(3, 1200, 600, 0.7)
    whole, saved = fed(values), fed(values[:700])
    restored = monitor(np.random.default_rng(0).normal(size=(5000, 3)))
    restored.restore(saved.to_json())
    restored.update(RowGroup(), live(values[700:], 700))
    assert whole.alarms()
    assert restored.alarms() == whole.alarms()
    assert restored.to_json() == whole.to_json()


def test_a_damaged_state_is_refused() -> None:
    with pytest.raises(ValueError, match="groups"):
        fed(shifted(1, 5, 0, 0)).restore('{"version": 1}')


def test_an_alarm_is_over_when_the_data_is_as_before() -> None:
    values = shifted(2, 9000, 9000, 0)
    values[1000:2000, 0] += 1
    assert [a.column for a in fed(values[:2000]).alarms()] == ["0"]
    assert fed(values).alarms() == []


def test_each_version_is_judged_by_itself() -> None:
    """A bad canary with a tenth of the traffic does not drown."""
    watched = monitor(np.random.default_rng(0).normal(size=(5000, 4)))
    watched.update(RowGroup("1"), live(shifted(4, 9000, 0, 0.0)))
    watched.update(RowGroup("2"), live(shifted(4, 1000, 0, 0.5)))
    assert [(a.group.version, a.column) for a in watched.alarms()] == [("2", "0")]


def categories(values: Sequence[str | None], first: int = 0) -> LiveRows:
    numbers = np.arange(first, first + len(values), dtype=np.float64)
    return LiveRows([str(n) for n in numbers], numbers, {}, {"town": values})


def of_categories(reference: Sequence[str | None], live: Sequence[str | None]) -> list[Alarm]:
    streams = Streams((ColumnReference.of_categories("town", reference),), 0.015)
    result = DriftMonitor({"": streams}, BUDGET)
    result.update(RowGroup(), categories(live))
    return result.alarms()


TOWNS: Sequence[str | None] = ["a"] * 600 + ["b"] * 300 + ["c"] * 100


def drawn(rows: int, seed: int = 0) -> list[str]:
    return [str(v) for v in np.random.default_rng(seed).choice(np.array(TOWNS, dtype=np.str_), rows)]


def test_categories_that_stay_the_same_raise_no_alarm() -> None:
    assert of_categories(TOWNS, drawn(10_000)) == []


def test_a_category_never_seen() -> None:
    alarm = only(of_categories(TOWNS, [*drawn(1000), *(["x"] * 100)]))
    assert (alarm.kind, alarm.direction) == ("unseen", "up")
    assert abs(alarm.since_row - 1000) < 3


def test_a_share_of_a_category() -> None:
    changed = [v if v != "a" or i % 2 else "b" for i, v in enumerate(drawn(1000, 1))]
    alarm = only(of_categories(TOWNS, [*drawn(1000), *changed]))
    assert alarm.kind in ("category", "moved")
    assert abs(alarm.since_row - 1000) < 60


def test_missing_values() -> None:
    alarm = only(of_categories(TOWNS, [*drawn(500), *([None] * 50)]))
    assert (alarm.kind, alarm.effect.unit) == ("missing", "share")
    assert alarm.effect.low > 0.5
    assert "has missing values" in alarm.words()


def test_a_million_categories() -> None:
    """Values that are all different, in the reference as live: unseen values are what is expected."""
    reference: list[str | None] = [f"r{n}" for n in range(20_000)]
    assert of_categories(reference, [f"l{n}" for n in range(5000)]) == []
    alarm = only(of_categories(TOWNS, [f"l{n}" for n in range(1_000_000)][:20_000]))
    assert alarm.kind == "unseen"


def numbers(reference: Floats, live_values: Floats) -> list[Alarm]:
    streams = Streams((ColumnReference.of_numbers("0", reference),), 0.015)
    result = DriftMonitor({"": streams}, BUDGET)
    result.update(RowGroup(), live(live_values[:, None]))
    return result.alarms()


def test_a_constant_feature() -> None:
    assert numbers(np.ones(1000), np.ones(5000)) == []
    alarm = only(numbers(np.ones(1000), np.concatenate([np.ones(100), np.full(100, 1.5)])))
    assert (alarm.kind, alarm.direction) == ("moved", "up")


def test_a_feature_that_is_all_null() -> None:
    nothing = np.full(1000, np.nan)
    assert numbers(nothing, np.full(5000, np.nan)) == []
    alarm = only(numbers(nothing, np.ones(500)))
    assert (alarm.kind, alarm.direction) == ("missing", "down")
    assert only(numbers(np.ones(1000), np.full(300, np.nan))).kind == "missing"


def test_a_scaled_feature_has_more_spread() -> None:
    draws = np.random.default_rng(3)
    alarm = only(numbers(draws.normal(size=5000), draws.normal(size=3000) * 1.6))
    assert alarm.kind == "spread"
    assert alarm.effect.unit == "ratio"
    assert alarm.effect.low < 1.6 < alarm.effect.high


def test_a_clock_that_jumps_changes_only_the_times() -> None:
    values = shifted(2, 1500, 700, 0.6)
    rows = live(values)
    jumped = LiveRows(rows.ids, np.where(np.arange(1500) % 2 == 0, rows.times - 1e9, np.nan), rows.numbers)
    there, here = monitor(values[:700]), monitor(values[:700])
    there.update(RowGroup(), jumped)
    here.update(RowGroup(), rows)
    assert [(a.row, a.effect) for a in there.alarms()] == [(a.row, a.effect) for a in here.alarms()]
    assert here.alarms()
    assert there.to_json()


def test_a_version_with_other_columns_has_streams_of_its_own() -> None:
    """Its reference decides: a column that it lacks is not missing there."""
    old = Streams((ColumnReference.of_numbers("0", np.arange(1000.0)),), 0.015)
    new = Streams((ColumnReference.of_numbers("1", np.arange(1000.0)),), 0.015)
    result = DriftMonitor({"1": old, "2": new}, BUDGET)
    draws = np.random.default_rng(0).uniform(0, 1000, size=(2000, 2))
    for version, column in (("1", 0), ("2", 1)):
        rows = live(draws)
        result.update(RowGroup(version), LiveRows(rows.ids, rows.times, {str(column): draws[:, column]}))
    assert result.alarms() == []


def test_a_changed_schema_starts_from_scratch() -> None:
    saved = fed(shifted(2, 800, 100, 1.0))
    assert saved.alarms()
    other = monitor(np.random.default_rng(0).normal(size=(5000, 3)))
    other.restore(saved.to_json())
    assert other.alarms() == []


def test_the_size_is_measured_on_rows_after_the_alarm_once_there_are_enough() -> None:
    """The rows that raised an alarm also chose its start: they say nothing about a change that has gone since."""
    values = shifted(1, 2000, 500, 0.5)
    raised = only(fed(values).alarms()).row
    values[raised + 1 :, 0] -= 0.5
    at_once = only(fed(values[: raised + 1]).alarms()).effect
    assert not at_once.independent
    assert at_once.low > 0
    assert "may be too large until 100 rows" in at_once.basis()
    assert not only(fed(values[: raised + 100]).alarms()).effect.independent
    later = only(fed(values[: raised + 401]).alarms()).effect
    assert later.basis() == "measured on the 400 rows after the alarm was raised"
    assert later.low < 0 < later.high


@pytest.mark.parametrize("seed", range(8))
def test_the_interval_from_rows_after_the_alarm_holds_the_change(seed: int) -> None:
    effect = only(fed(shifted(1, 1500, 300, 0.4, seed)).alarms()).effect
    assert effect.independent
    assert effect.low < 0.4 < effect.high


def test_an_alarm_says_after_how_many_rows_it_ends() -> None:
    """After four times the rows that its last evidence took, and 200 at least, without new evidence."""
    values = shifted(1, 5000, 5000, 0)
    values[1000:1060, 0] += 3
    alarm = only(fed(values[:1060]).alarms())
    assert alarm.end() == f"ends after {alarm.ends_after:,} more rows without new evidence"
    end = 1060 + alarm.ends_after
    assert end - 1060 >= 150
    assert only(fed(values[: end - 1]).alarms()).ends_after == 1
    assert fed(values[:end]).alarms() == []


def test_a_slice_is_judged_by_a_reference_of_its_own() -> None:
    """Its rows are not distributed as all rows are; a slice without a reference is not judged."""
    whole = Streams((ColumnReference.of_numbers("input.age", NORMAL * 3 + 5),), 0.015)
    inside = Streams((ColumnReference.of_numbers("input.age", NORMAL),), 0.015)
    result = DriftMonitor({"": whole}, BUDGET, divisions=2, slices={"": {"town=a": inside}})
    ages = np.random.default_rng(1).normal(size=3000)
    ids, times = [str(i) for i in range(3000)], np.arange(3000.0)
    result.update(RowGroup("1", "town=a"), LiveRows(ids, times, {"input.age": ages}, {"input.town": ["a"] * 3000}))
    result.update(RowGroup("1", "town=b"), LiveRows(ids, times, {"input.age": ages + 9}, {"input.town": ["b"] * 3000}))
    assert result.alarms() == []
    result.update(RowGroup("1", "town=a"), LiveRows(ids, times, {"input.age": ages + 1}, {"input.town": ["a"] * 3000}))
    assert only(result.alarms()).column == "input.age"


NORMAL = np.random.default_rng(0).normal(size=5000)
