from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mlspec.monitoring.prediction_store import PredictionStore
from tests.monitoring.log_lines import DAY, SIGNATURE, failure, line, segment

ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def store(folder: Path) -> PredictionStore:
    return PredictionStore(folder, SIGNATURE)


def test_segments_become_parquet_and_rows_in_order_of_time(tmp_path: Path) -> None:
    segment(tmp_path, [line(5), line(1), line(3)], "host-1-100-0")
    segment(tmp_path, [line(4), failure(2)], "host-2-100-0")
    sealed = store(tmp_path).seal(DAY)
    assert (sealed.segments, sealed.rows, sealed.corrupt) == (2, 5, 0)
    assert list((tmp_path / "log").rglob("*.jsonl*")) == []
    table = store(tmp_path).rows(*ALWAYS, ["request_id", "input.age", "input.town", "score", "outcome"]).read_all()
    assert table["request_id"].to_pylist() == ["r1", "r2", "r3", "r4", "r5"]
    assert table["input.age"].to_pylist() == [1.0, None, 3.0, 4.0, 5.0]
    assert table["input.town"].to_pylist() == ["Köln", None, "Bonn", "Köln", None]
    assert table["outcome"].to_pylist() == ["success", "failed", "success", "success", "success"]
