from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlspec.monitoring.duckdb_session import QueryLimits
from mlspec.monitoring.prediction_store import PredictionStore
from mlspec.records.bundle_signature import SignatureInput, SignatureOutput
from tests.monitoring.log_lines import DAY, SIGNATURE, failure, line, segment

ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def store(folder: Path) -> PredictionStore:
    return PredictionStore(folder, SIGNATURE)


def test_segments_become_parquet_and_rows_in_order_of_time(tmp_path: Path) -> None:
    segment(tmp_path, [line(5), line(1), line(3)], "host-1-100-0")
    segment(tmp_path, [line(4), failure(2)], "host-2-100-0")
    sealed = store(tmp_path).seal()
    assert (sealed.segments, sealed.rows, sealed.corrupt) == (2, 5, 0)
    assert list((tmp_path / "log").rglob("*.jsonl*")) == []
    table = store(tmp_path).rows(*ALWAYS, ["request_id", "input.age", "input.town", "score", "outcome"]).read_all()
    assert table["request_id"].to_pylist() == ["r1", "r2", "r3", "r4", "r5"]
    assert table["input.age"].to_pylist() == [1.0, None, 3.0, 4.0, 5.0]
    assert table["input.town"].to_pylist() == ["Köln", None, "Bonn", "Köln", None]
    assert table["outcome"].to_pylist() == ["success", "failed", "success", "success", "success"]


def test_an_empty_store_has_every_column(tmp_path: Path) -> None:
    table = store(tmp_path).query("SELECT * FROM predictions")
    assert table.num_rows == 0
    assert table.column_names == list(store(tmp_path).columns.types)
    assert store(tmp_path).rows(*ALWAYS, ["id", "time", "input.age"]).read_all().num_rows == 0


def test_sealed_and_open_predictions_are_one_table(tmp_path: Path) -> None:
    segment(tmp_path, [line(1)], "a-1-1-1")
    store(tmp_path).seal()
    segment(tmp_path, [line(2)], "a-1-1-2")
    segment(tmp_path, [line(3)], "far-1-1-3", is_open=True)
    table = store(tmp_path).query(
        "SELECT count(*) AS n, sum(score) AS s, min(id) AS first FROM predictions WHERE version = ?", ["7"]
    )
    assert table.to_pylist() == [{"n": 3, "s": 0.51 + 0.52 + 0.53, "first": "00000000-0000-0000-0000-000000000001"}]


def test_versions_with_different_schemas(tmp_path: Path) -> None:
    """A column that was text, one that went, one that is new: old rows keep what they had."""
    old = line(1, version="6", inputs={"age": "young", "shoe": 42.0})
    segment(tmp_path, [old], "a-1-1-1")
    store(tmp_path).seal()
    segment(tmp_path, [line(2), line(3, version="6", inputs={"age": "12", "shoe": "big"})], "a-1-1-2")
    for _ in range(2):
        table = store(tmp_path).query(
            'SELECT "input.age" AS age, "input.shoe" AS shoe, "input.town" AS town FROM predictions ORDER BY time'
        )
        assert table["age"].to_pylist() == [None, 2.0, 12.0]
        assert table["shoe"].to_pylist() == ["42.0", None, "big"]
        assert table["town"].to_pylist() == [None, None, None]
        store(tmp_path).seal()
    of_six = store(tmp_path).rows(*ALWAYS, ["request_id", "input.shoe"], version="6").read_all()
    assert of_six["input.shoe"].to_pylist() == ["42.0", "big"]


def test_a_hashed_number_is_a_category(tmp_path: Path) -> None:
    segment(tmp_path, [line(1, inputs={"age": "0123456789abcdef"})])
    hashed = PredictionStore(tmp_path, SIGNATURE, hashed=frozenset({"age"}))
    assert hashed.query('SELECT "input.age" AS age FROM predictions')["age"].to_pylist() == ["0123456789abcdef"]


def test_images_and_a_regression(tmp_path: Path) -> None:
    inputs = (SignatureInput(name="photo", type="image", channels=1, height=8, width=8),)
    signature = SIGNATURE.model_copy(update={"inputs": inputs, "output": SignatureOutput(name="price")})
    image = {"photo": {"digest": "x", "mean": 0.4, "contrast": 0.2}}
    segment(tmp_path, [line(1, inputs={}, lengths={}, images=image, prediction={"value": 1.5})])
    of_images = PredictionStore(tmp_path, signature)
    of_images.seal()
    row = of_images.query('SELECT "mean.photo" AS m, "contrast.photo" AS c, value FROM predictions').to_pylist()
    assert row == [{"m": 0.4, "c": 0.2, "value": 1.5}]


def test_rows_are_read_in_batches(tmp_path: Path) -> None:
    """Out of order within a day, over three days: the batches are in order of time, and of bounded size."""
    for day in range(3):
        moments = [DAY + timedelta(days=day, milliseconds=79 * n % 600) for n in range(300)]
        lines = [line(day * 300 + n, moment, inputs={}, lengths={}) for n, moment in enumerate(moments)]
        segment(tmp_path, lines, f"a-1-1-{day}")
    store(tmp_path).seal()
    small = PredictionStore(tmp_path, SIGNATURE, limits=QueryLimits(rows=50))
    batches = list(small.rows(*ALWAYS, ["time"]))
    times = [moment for batch in batches for moment in batch["time"].to_pylist()]
    assert len(times) == 900
    assert times == sorted(times)
    assert max(batch.num_rows for batch in batches) <= 50


def test_names_with_quotes(tmp_path: Path) -> None:
    name = "a\"b'; DROP TABLE x; --"
    inputs = (SignatureInput(name=name, type="number"),)
    odd = PredictionStore(tmp_path / "it's", SIGNATURE.model_copy(update={"inputs": inputs}))
    segment(tmp_path / "it's", [line(1, inputs={name: 4.0})], "it's-1-1-1")
    for _ in range(2):
        assert odd.rows(*ALWAYS, [f"input.{name}"]).read_all()[0].to_pylist() == [4.0]
        odd.seal()
