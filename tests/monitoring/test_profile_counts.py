from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.monitoring.log_columns import LogColumns
from mlspec.monitoring.log_table import parse_lines
from mlspec.monitoring.profile_counts import NEW_VALUES, ProfileCounts, Profiler
from mlspec.monitoring.profile_table import merged
from tests.monitoring.log_lines import DAY, SIGNATURE, failure, line, text
from tests.monitoring.references import REFERENCE

COLUMNS = LogColumns.of(SIGNATURE)
TOWN = st.sampled_from(["Bonn", "Köln", "Trier", "Ulm", "", None])
ROW = st.tuples(
    st.integers(0, 3 * 3600),
    TOWN,
    st.none() | st.floats(-1e9, 1e9),
    st.sampled_from(["6", "7"]),
    st.sampled_from([1.0, 4.0]),
)


def profile(records: list[dict[str, object]], size: int = 1000) -> pa.Table:
    """The profile of predictions, counted in batches."""
    table = parse_lines(text(records).encode().splitlines(), COLUMNS).table
    for name in COLUMNS.types:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    counts, profiler = ProfileCounts(), Profiler(COLUMNS, REFERENCE)
    for batch in table.select(profiler.names).to_batches(size):
        profiler.count(batch, counts)
    return counts.table()


def counted(table: pa.Table, measure: str, column: str = "") -> dict[str, float]:
    rows = [r for r in table.to_pylist() if (r["measure"], r["column"]) == (measure, column)]
    return {key: sum(r["rows"] for r in rows if r["key"] == key) for key in sorted({r["key"] for r in rows})}


def record(number: int, values: tuple[int, str | None, float | None, str, float]) -> dict[str, object]:
    second, town, age, version, weight = values
    inputs = {"age": age, "town": town, "sentence": "a b"}
    return line(number, DAY + timedelta(seconds=second), inputs=inputs, version=version, weight=weight)


@settings(max_examples=40, deadline=None)
@given(st.lists(ROW, max_size=40), st.integers(0, 40), st.integers(1, 17))
def test_merged_profiles_are_the_profile_of_the_union(
    rows: list[tuple[int, str | None, float | None, str, float]], cut: int, size: int
) -> None:
    """However the predictions are split into hours, files and batches."""
    records = [record(number, values) for number, values in enumerate(rows)]
    whole, parts = profile(records), merged([profile(records[:cut], size), profile(records[cut:])])
    keys = ["hour", "version", "measure", "column", "key"]
    assert parts.select(keys).equals(whole.select(keys))
    for name in ("rows", "weight"):
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-9, atol=1e-3)


def test_what_is_counted() -> None:
    records = [
        line(n, latency_ms=10.0, inputs={"age": n, "town": town})
        for n, town in enumerate(["Bonn", "Bonn", "Trier", "Ulm", None])
    ]
    table = profile([*records, line(5, request_id="r4", row=1), failure(6), failure(7, "refused", status=400)])
    assert counted(table, "requests") == {"": 7}
    assert counted(table, "predictions") == {"": 6}
    assert counted(table, "outcome") == {"failed": 1, "refused": 1, "success": 5}
    assert counted(table, "status") == {"200": 5, "400": 1, "500": 1}
    assert counted(table, "error") == {"ValueError": 2}
    assert counted(table, "label") == {"yes": 6}
    assert counted(table, "category", "town") == {"Bonn": 2}
    assert (counted(table, "other", "town"), counted(table, "unseen", "town")) == ({"": 1}, {"": 1})
    assert (counted(table, "new_value", "town"), counted(table, "missing", "town")) == ({"Ulm": 1}, {"": 2})
    assert sum(counted(table, "number", "age").values()) == 6


def test_a_million_distinct_categories_stay_bounded() -> None:
    counts, profiler = ProfileCounts(), Profiler(LogColumns({"town": "category"}, ("no", "yes")), REFERENCE)
    frequent = ["Ulm"] * 500
    for start in range(0, 1_000_000, 50_000):
        towns = [f"town {number}" for number in range(start, start + 49_500)] + frequent
        rows = len(towns)
        values = {
            "time": pa.array([DAY] * rows, pa.timestamp("us", "UTC")),
            "row": pa.nulls(rows, pa.int32()),
            "version": ["7"] * rows,
            "outcome": ["success"] * rows,
            "input.town": towns,
            "weight": [1.0] * rows,
        }
        missing = {
            n: pa.nulls(rows, pa.float64() if n in ("latency_ms", "score") else pa.string())
            for n in profiler.names
            if n not in values
        }
        profiler.count(pa.table(values | missing), counts)
        assert len(counts.values) < 100_000
    table = counts.table()
    assert counted(table, "unseen", "town") == {"": 1_000_000}
    named = counted(table, "new_value", "town")
    assert (len(named), named["Ulm"]) == (NEW_VALUES, 10_000)


@pytest.mark.parametrize("value", [None, 5.0])
def test_a_column_that_is_all_null_or_constant(value: float | None) -> None:
    table = profile([line(n, inputs={"age": value, "town": "Bonn"}) for n in range(10)])
    present = sum(counted(table, "number", "age").values())
    assert (present, counted(table, "missing", "age")) == ((0, {"": 10}) if value is None else (10, {}))
