from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mlspec.runtime.log_counts import LogCounts
from mlspec.runtime.log_policy import LogPolicy
from mlspec.runtime.log_segments import LogSegments
from mlspec.runtime.prediction_log import PredictionLog, Sink
from mlspec.runtime.prediction_record import AnsweredRequest
from tests.runtime.answered import AT, OK, ROW, TABLE, encoder, largest_file, refused, request
from tests.runtime.callers import until


class Kept:
    """Keeps lines in memory; `error` is raised while it is set, and `hold` delays it."""

    name = "kept"

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.error: Exception | None = None
        self.hold = threading.Event()
        self.hold.set()
        self.closed = False

    def write(self, day: str, lines: Sequence[bytes]) -> None:
        self.hold.wait(20)
        if self.error:
            raise self.error
        self.lines += b"".join(lines).splitlines(keepends=True)

    def tick(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def log(*sinks: Sink, messages: list[str] | None = None, **more: Any) -> PredictionLog:
    counts = LogCounts(TABLE, {"town": frozenset({"Bonn"})}, 0.5)
    return PredictionLog(encoder(), sinks, counts, report=(messages if messages is not None else []).append, **more)


def counted(log: PredictionLog, name: str) -> dict[str, float]:
    """The samples of a family, by their labels other than model and version."""
    samples = [line.rpartition(" ") for line in log.counts.text().splitlines() if line.startswith(name + "{")]
    return {labels.partition('version="7"')[2].strip(",}"): float(value) for labels, _, value in samples}


def test_a_thread_writes_what_is_added() -> None:
    sink = Kept()
    running = log(sink, flush=0.01)
    running.start()
    running.add(request(3))
    running.add(refused())
    until(lambda: len(sink.lines) == 4)
    running.close()
    assert sink.closed
    assert counted(running, "mlspec_prediction_log_records_total") == {'sink="kept"': 4}


def test_a_prediction_is_written_within_the_flush_interval() -> None:
    """The shortest of several waits counts: a busy machine makes them longer, and never shorter."""
    flush, sink = 0.3, Kept()
    running = log(sink, flush=flush)

    def wait() -> float:
        count, begun = len(sink.lines), time.monotonic()
        running.add(request())
        until(lambda: len(sink.lines) > count)
        return time.monotonic() - begun

    running.start()
    wait()  # the others begin right after the thread has written, and so last a whole interval of it
    assert any(wait() <= flush for _ in range(5))
    running.close()


def test_what_is_queued_is_written_when_the_process_ends() -> None:
    sink = Kept()
    running = log(sink, flush=3600)
    running.start()
    running.add(request())
    running.close()
    assert len(sink.lines) == 1


def test_a_queue_that_is_full_drops_and_counts_and_never_waits() -> None:
    sink = Kept()
    sink.hold.clear()
    running = log(sink, flush=0.01, max_rows=10)
    running.start()
    for _ in range(50):
        running.add(request(2))
    dropped = counted(running, "mlspec_prediction_log_dropped_total")['reason="queue_full"']
    assert dropped >= 100 - 2 * 10
    sink.hold.set()
    running.close()
    assert len(sink.lines) == 100 - counted(running, "mlspec_prediction_log_dropped_total")['reason="queue_full"']


def test_the_queue_is_bounded_by_the_size_of_the_requests_too() -> None:
    running = log(Kept(), max_bytes=100)
    running.add(request(size=1000))
    running.add(request(size=1))
    assert counted(running, "mlspec_prediction_log_dropped_total")['reason="queue_full"'] == 1
    running.flush()
    running.add(request(size=1))
    assert counted(running, "mlspec_prediction_log_dropped_total")['reason="queue_full"'] == 1


def test_a_full_disk_is_reported_once_and_again_when_there_is_space(tmp_path: Path) -> None:
    messages: list[str] = []
    running = log(LogSegments(tmp_path), messages=messages)
    with largest_file(10):
        for _ in range(3):
            running.add(request(2))
            running.flush()
    running.add(request())
    running.flush()
    running.close()
    assert messages == [
        "prediction log (file): File too large; predictions continue and are not logged",
        "prediction log (file): writing again; 6 records were lost",
    ]
    assert counted(running, "mlspec_prediction_log_dropped_total") == {
        'reason="queue_full"': 0,
        'reason="write_error"': 6,
    }
    assert counted(running, "mlspec_prediction_log_write_errors_total") == {'sink="file"': 3}
    (file,) = (tmp_path / "log").rglob("*.jsonl")
    assert [json.loads(line)["row"] for line in file.read_text().splitlines()] == [0]


def test_a_request_that_cannot_be_encoded_does_not_stop_the_log() -> None:
    sink, messages = Kept(), list[str]()
    running = log(sink, messages=messages)
    running.add(request(rows=[{"sentence": object(), "age": object(), "town": None}]))
    running.add(request())
    running.flush()
    assert len(sink.lines) == 1
    assert counted(running, "mlspec_prediction_log_dropped_total")['reason="write_error"'] == 1
    assert "encoder" in messages[0]


def test_missing_and_unseen_values_and_scores_are_counted_without_a_sink() -> None:
    running = log()
    rows = [{"sentence": "a", "age": None, "town": town} for town in ("Bonn", "Oslo", None)]
    sure: Any = {"label": "ok", "score": 0.4, "probabilities": {}}
    running.add(request(rows=rows, predictions=[sure] * 3))
    running.add(refused())
    running.flush()
    assert counted(running, "mlspec_observed_rows_total") == {"": 3}
    assert counted(running, "mlspec_input_missing_total") == {
        'input="sentence"': 0,
        'input="age"': 3,
        'input="town"': 1,
    }
    assert counted(running, "mlspec_input_unseen_total") == {'input="town"': 1}
    assert counted(running, "mlspec_low_confidence_predictions_total") == {"": 3}
    assert counted(running, "mlspec_prediction_score_bucket")['le="0.4"'] == 3
    assert counted(running, "mlspec_prediction_score_bucket")['le="0.3"'] == 0


def small(**changes: Any) -> AnsweredRequest:
    """A request of one row with its texts."""
    row = {**ROW, **changes}
    body = json.dumps(row).encode()
    return request(rows=[row], size=len(body), body=body, answer=json.dumps(OK).encode())


def add_small(log: PredictionLog, request: AnsweredRequest) -> None:
    """Add a request as the service does."""
    (row,), (prediction,) = request.rows, request.predictions
    now, id, route = request.time, request.request_id, request.route
    assert log.add_received((now, id, route, request.seconds, request.body, row, request.answer, prediction))


def test_small_requests_are_bounded_and_counted_with_the_others() -> None:
    sink = Kept()
    running = log(sink, max_rows=10)
    for _ in range(6):
        add_small(running, small())
    running.add(request(3))
    running.add(request(2))
    add_small(running, small())
    add_small(running, small())
    assert counted(running, "mlspec_prediction_log_dropped_total")['reason="queue_full"'] == 3
    running.flush()
    assert len(sink.lines) == 10
    assert len({json.loads(line)["id"] for line in sink.lines}) == 10
    add_small(running, small())
    assert counted(running, "mlspec_prediction_log_dropped_total")['reason="queue_full"'] == 3


def test_a_queue_of_small_requests_that_is_half_full_is_written_early() -> None:
    sink = Kept()
    running = log(sink, flush=3600, max_rows=10)
    running.start()
    for _ in range(6):
        add_small(running, small())
    until(lambda: len(sink.lines) == 6)
    running.close()


def test_small_requests_are_counted_like_the_others() -> None:
    texts, rows = log(Kept()), log(Kept())
    for town in ("Bonn", "Oslo", None):
        whole = small(age=None, town=town)
        add_small(texts, whole)
        rows.add(whole._replace(body=b"", answer=b""))
    texts.flush()
    rows.flush()
    assert texts.counts.text() == rows.counts.text()
    assert counted(texts, "mlspec_input_missing_total")['input="age"'] == 3


def test_small_requests_with_line_ends_and_of_two_days_are_written_as_lines_of_their_day() -> None:
    days: list[tuple[str, int]] = []

    class ByDay(Kept):
        def write(self, day: str, lines: Sequence[bytes]) -> None:
            days.append((day, b"".join(lines).count(b"\n")))
            super().write(day, lines)

    sink = ByDay()
    running = log(sink)
    whole = small()
    for later in (0, 0, 86400):
        add_small(running, whole._replace(time=AT + later, body=b"\n" + whole.body))
    running.flush()
    assert days == [("2026-11-27", 2), ("2026-11-28", 1)]
    assert all(json.loads(line)["inputs"] == ROW for line in sink.lines)


def test_a_row_that_only_the_strict_parser_reads_is_counted() -> None:
    running = log(Kept())
    whole = small()
    deep = b'{"sentence": "\\ud83d\\ude00", "age": 1e400, "town": null}'
    add_small(running, whole._replace(body=deep))
    add_small(running, whole)
    running.flush()
    assert counted(running, "mlspec_observed_rows_total") == {"": 2}


def test_a_million_distinct_values_add_no_metric() -> None:
    running = log()
    rows = [{"sentence": "a", "age": 1.0, "town": f"t{number}"} for number in range(1000)]
    before = len(running.counts.text().splitlines())
    running.add(AnsweredRequest(0.0, "r", "/predict", 200, None, 0.1, rows, request(1000).predictions))
    running.flush()
    assert len(running.counts.text().splitlines()) == before
    assert counted(running, "mlspec_input_unseen_total") == {'input="town"': 1000}


def test_a_policy_is_read_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    from mlspec.runtime import log_policy
    from mlspec.runtime.preprocess.bundle_errors import BundleError

    file = tmp_path / "monitoring.json"
    log_ = {"folder": "f", "sample": 0.5, "flush_seconds": 2, "low_confidence": 0, "columns": {"a": "hashed"}}
    whole: dict[str, Any] = {"version": 1, "project": "cola", "log": log_}
    file.write_text(json.dumps(whole))
    assert log_policy.read(file) == LogPolicy("cola", "f", 0.5, 2.0, 0.0, {"a": "hashed"})
    for change in ({"sample": 0}, {"sample": "1"}, {"columns": {"a": "secret"}}, {"columns": 3}):
        file.write_text(json.dumps(whole | {"log": log_ | change}))
        with pytest.raises(BundleError, match=r"monitoring\.json.*mlspec build"):
            log_policy.read(file)
    file.write_text(json.dumps(whole | {"version": 2}))
    with pytest.raises(BundleError, match="version 2"):
        log_policy.read(file)
