from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from mlspec.errors import UsageError
from mlspec.monitoring.label_store import LabelsAdded, LabelStore
from mlspec.monitoring.prediction_store import PredictionStore
from mlspec.records.bundle_signature import SignatureOutput
from tests.monitoring.log_lines import DAY, SIGNATURE, failure, line, segment

NOON = DAY + timedelta(hours=12)


@pytest.fixture
def store(tmp_path: Path) -> PredictionStore:
    """Two days of predictions, a request of two rows, a failure; the second day is not sealed."""
    predictions = PredictionStore(tmp_path, SIGNATURE)
    segment(
        tmp_path,
        [line(1), line(2), line(3, request_id="two", row=0), line(4, request_id="two", row=1), failure(5)],
        "a-1-1-1",
    )
    predictions.seal()
    segment(tmp_path, [line(6, DAY + timedelta(days=1))], "a-1-1-2", day="2026-11-28")
    return predictions


def labelled(store: PredictionStore) -> list[tuple[str, int, str]]:
    rows = store.query("SELECT request_id, row, actual FROM labelled ORDER BY time").to_pylist()
    return [(r["request_id"], r["row"], r["actual"]) for r in rows]


def table(**columns: list[object]) -> pa.Table:
    return pa.table(columns)


def test_labels_join_their_predictions_of_any_day(store: PredictionStore) -> None:
    added = LabelStore(store).add(
        table(request_id=["r1", "two", "two", "r6"], row=[0, 0, 1, 0], label=["no", "yes", "no", "yes"]), NOON
    )
    assert added == LabelsAdded(rows=4, added=4)
    assert labelled(store) == [("r1", 0, "no"), ("two", 0, "yes"), ("two", 1, "no"), ("r6", 0, "yes")]
    assert sorted(f.name for f in (store.folders.labels).iterdir()) == ["2026-11-27.parquet", "2026-11-28.parquet"]


def test_every_kind_of_row_is_counted(store: PredictionStore) -> None:
    rows = [
        ("r1", "no"),
        ("r1", "no"),
        ("r1", "yes"),
        ("r2", "yes"),
        ("r9", "no"),
        ("r5", "no"),
        ("two", None),
        (None, "no"),
        ("r6", "maybe"),
        ("two", ""),
    ]
    given = table(request_id=[r for r, _ in rows], label=[label for _, label in rows])
    added = LabelStore(store).add(given, NOON)
    assert added == LabelsAdded(rows=10, added=2, duplicate=1, conflicting=1, unknown=2, missing=3, invalid=1)
    assert labelled(store) == [("r1", 0, "no"), ("r2", 0, "yes")]


def test_labels_that_come_twice_and_late(store: PredictionStore) -> None:
    labels = LabelStore(store)
    labels.add(table(request_id=["r1", "r2"], label=["no", "no"]), NOON)
    again = labels.add(table(request_id=["r1", "r2", "r6"], label=["no", "yes", "no"]), NOON + timedelta(days=9))
    assert again == LabelsAdded(rows=3, added=1, late=1, duplicate=1, conflicting=1)
    assert labelled(store) == [("r1", 0, "no"), ("r2", 0, "no"), ("r6", 0, "no")]
    corrected = labels.add(table(request_id=["r1", "r2"], label=["no", "yes"]), NOON, replace=True)
    assert corrected == LabelsAdded(rows=2, replaced=1, duplicate=1)
    assert labelled(store) == [("r1", 0, "no"), ("r2", 0, "yes"), ("r6", 0, "no")]


def test_labels_that_never_come(store: PredictionStore) -> None:
    assert labelled(store) == []
    assert (
        LabelStore(store).add(
            table(request_id=[], label=[]).cast(pa.schema([("request_id", pa.string()), ("label", pa.string())])), NOON
        )
        == LabelsAdded()
    )


def test_by_id_with_the_time_of_the_label(store: PredictionStore) -> None:
    ids = [f"{1:032x}", "00000000-0000-0000-0000-000000000002", "nonsense"]
    times = ["2026-12-24T00:00:00+01:00", "2026-11-27T01:00:00Z", None]
    added = LabelStore(store).add(table(id=ids, label=["no", "yes", "no"], time=times), NOON)
    assert added == LabelsAdded(rows=3, added=2, late=1, unknown=1)
    at = store.query("SELECT labelled_at FROM labelled ORDER BY id")["labelled_at"].to_pylist()
    assert [moment.isoformat() for moment in at] == ["2026-12-23T23:00:00+00:00", "2026-11-27T01:00:00+00:00"]


def test_an_index_stands_for_its_label(store: PredictionStore) -> None:
    added = LabelStore(store).add(table(request_id=["r1", "r2", "r6"], label=[0, 1, 2]), NOON)
    assert added == LabelsAdded(rows=3, added=2, invalid=1)
    assert labelled(store) == [("r1", 0, "no"), ("r2", 0, "yes")]


def test_values_of_a_regression(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path, SIGNATURE.model_copy(update={"output": SignatureOutput(name="price")}))
    segment(tmp_path, [line(1, prediction={"value": 1.5}), line(2, prediction={"value": 2.5})])
    added = LabelStore(store).add(table(request_id=["r1", "r2"], value=["2.0", "inf"]), NOON)
    assert added == LabelsAdded(rows=2, added=1, invalid=1)
    assert store.query("SELECT value - actual AS error FROM labelled")["error"].to_pylist() == [-0.5]


@pytest.mark.parametrize(
    "columns", [{"request_id": ["r1"]}, {"label": ["no"]}, {"id": ["1"], "label": ["no"], "value": [1]}]
)
def test_missing_columns_are_named(store: PredictionStore, columns: dict[str, list[object]]) -> None:
    with pytest.raises(UsageError) as error:
        LabelStore(store).add(pa.table(columns), NOON)
    assert "column" in error.value.message
    assert "request_id" in error.value.help


def test_labels_follow_their_day_out_of_the_store(store: PredictionStore) -> None:
    LabelStore(store).add(table(request_id=["r1", "r6"], label=["no", "no"]), NOON)
    store.forget(DAY.date() + timedelta(1))
    assert labelled(store) == [("r6", 0, "no")]
    assert [f.name for f in store.folders.labels.iterdir()] == ["2026-11-28.parquet"]
