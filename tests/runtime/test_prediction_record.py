from __future__ import annotations

import json
import uuid
from typing import Any

import numpy as np
import pytest

from mlspec.runtime.contract import Contract
from mlspec.runtime.image_statistics import ImageStatistics
from mlspec.runtime.log_policy import LogPolicy
from mlspec.runtime.prediction_record import AnsweredRequest, RecordEncoder, outcome
from mlspec.runtime.received_lines import ReceivedLines
from tests.runtime.answered import AT, OK, ROW, TABLE, encoder, refused, request


def records(encoder: RecordEncoder, request: AnsweredRequest) -> list[dict[str, Any]]:
    _, lines = encoder.lines(request)
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    return [json.loads(line) for line in lines]


def test_a_prediction_is_one_line_with_everything_known_about_it() -> None:
    day, lines = encoder().lines(request())
    assert day == "2026-11-27"
    record = json.loads(lines[0])
    assert record.pop("id").endswith("000000abcdef")
    assert record == {
        "time": "2026-11-27T14:48:45.123Z", "request_id": "r1", "row": 0, "model": "cola", "version": "7",
        "front": "http", "route": "/predict", "status": 200, "outcome": "success", "error": None, "latency_ms": 3.21,
        "weight": 1.0, "inputs": ROW, "lengths": {"sentence": {"characters": 11, "words": 3}}, "prediction": OK,
    }  # fmt: skip


def test_the_rows_of_a_request_are_lines_with_its_id() -> None:
    lines = records(encoder(), request(3))
    assert [line["row"] for line in lines] == [0, 1, 2]
    assert {line["request_id"] for line in lines} == {"r1"}


def test_a_refused_request_is_one_line_without_inputs() -> None:
    (record,) = records(encoder(LogPolicy(sample=0.001), chance=lambda: 1.0), refused())
    assert (record["outcome"], record["error"], record["row"], record["weight"]) == ("refused", "bad-row", None, 1.0)
    assert not {"inputs", "lengths", "prediction"} & set(record)


@pytest.mark.parametrize(
    ("status", "expected"), [(200, "success"), (404, "refused"), (499, "cancelled"), (500, "failed"), (503, "failed")]
)
def test_the_outcome_follows_from_the_status(status: int, expected: str) -> None:
    assert outcome(status) == expected


def test_ids_are_uuids_in_the_order_of_time_and_unique_when_the_clock_is_set_back() -> None:
    written = encoder()
    times = [AT, AT, AT + 1, AT - 3600, AT]
    ids = [records(written, request(time=time))[0]["id"] for time in times]
    assert [uuid.UUID(id).version for id in ids] == [7] * 5
    assert len(set(ids)) == 5
    assert ids[0] < ids[1] < ids[2]
    assert ids[3] < ids[0] < ids[4]


def test_sampling_keeps_a_fraction_and_says_what_each_line_stands_for() -> None:
    chances = iter([0.1, 0.9, 0.24, 0.25])
    lines = records(encoder(LogPolicy(sample=0.25), chance=lambda: next(chances)), request(4))
    assert [(line["row"], line["weight"]) for line in lines] == [(0, 4.0), (2, 4.0)]


def test_a_hashed_value_is_equal_for_equal_values_and_a_redacted_one_is_absent() -> None:
    policy = LogPolicy("cola", columns={"sentence": "hashed", "age": "redacted", "town": "hashed"})
    (one,), (two,) = (records(encoder(policy), request()) for _ in range(2))
    (other,) = records(encoder(LogPolicy("other", columns=policy.columns)), request())
    assert one["inputs"] == two["inputs"] != other["inputs"]
    assert set(one["inputs"]) == {"sentence", "town"}
    assert len(one["inputs"]["sentence"]) == 16
    assert one["inputs"]["town"] is None
    assert one["lengths"] == {"sentence": {"characters": 11, "words": 3}}
    assert "cat" not in json.dumps(one)
    hidden = LogPolicy(columns=dict.fromkeys(TABLE.inputs, "redacted"))
    (nothing,) = records(encoder(hidden), request())
    assert "inputs" not in nothing
    assert nothing["lengths"]["sentence"]["words"] == 3


@pytest.mark.parametrize(("storage", "digests"), [("full", 1), ("hashed", 1), ("redacted", 0)])
def test_of_an_image_the_digest_and_the_brightness_are_stored(storage: Any, digests: int) -> None:
    photos = Contract("photo", "1", {"photo": "image"}, ("bad", "ok"))
    shown = {"photo": ImageStatistics("pixels", 0.5, 0.25)}
    pixels = {"pixels": np.array([[[0.0, 1.0]]], dtype=np.float32)}
    written = encoder(LogPolicy("p", columns={"photo": storage}), photos, images=shown)
    answered = request(rows=[{"photo": "data:image/png;base64,QUJD"}], features=[(1, pixels)])
    (record,) = records(written, answered)
    assert "inputs" not in record
    digest = record["images"]["photo"].pop("digest", "")
    assert len(digest) == 32 * digests
    assert record["images"] == {"photo": {"mean": 0.5, "contrast": 0.25}}
    (bare,) = records(written, request(rows=[{"photo": "QUJD"}], features=[]))
    assert bare.get("images", {}).get("photo", {}).get("digest", "") == digest


def test_a_regression_has_a_value() -> None:
    prices = Contract("price", "1", {"age": "number"})
    (record,) = records(encoder(contract=prices), request(rows=[{"age": 1.0}], predictions=[{"value": 1.5}]))
    assert record["prediction"] == {"value": 1.5}
    assert "lengths" not in record


def received(text: str, row: dict[str, Any] | None = None, **changes: Any) -> AnsweredRequest:
    """A request of one row whose body and response are known."""
    answer = json.dumps(OK).encode()
    return request(rows=[row or ROW], body=text.encode(), answer=answer, **changes)


@pytest.mark.parametrize(
    "text",
    [
        '{"sentence":"The cat sat","age":31,"town":null}',
        ' { "town" : null, "age" : 3.1e1, "sentence" : "The \\u0063at sat" } ',
        '{\n  "sentence": "The cat sat",\r\n  "age": 31.0,\r  "town": null\n}',
    ],
)
def test_a_row_is_stored_as_it_was_received_and_is_the_same_record(text: str) -> None:
    (encoded,), (spliced,) = records(encoder(), request()), records(encoder(), received(text))
    assert spliced == encoded


@pytest.mark.parametrize("storage", ["hashed", "redacted"])
def test_a_row_with_a_hidden_column_is_never_stored_as_it_was_received(storage: Any) -> None:
    policy = LogPolicy("cola", columns={"town": storage})
    row = {**ROW, "town": "Bonn"}
    hidden = received(json.dumps(row), row)
    assert b"Bonn" not in encoder(policy).lines(hidden).lines[0]
    assert not encoder(policy).as_received


def together(*requests: AnsweredRequest) -> list[tuple[str, list[dict[str, Any]]]]:
    """The days and records of requests of one row, that were kept as they were received."""
    waiting = ReceivedLines(encoder(), {})
    waiting.add(
        [
            (each.time, each.request_id, each.route, each.seconds, each.body, each.rows[0], each.answer, OK)
            for each in requests
        ]
    )
    return [(each.day, [json.loads(line) for line in each.lines().splitlines()]) for each in waiting.take()]


def test_requests_that_are_kept_as_they_were_received_are_the_same_records() -> None:
    rows = [{"sentence": "é" * count or None, "age": count / 3, "town": "50 % {b}"} for count in range(70)]
    some = [
        received(json.dumps(row), row, time=AT + number / 100, seconds=number / 7e4, request_id=f"r{number}")
        for number, row in enumerate(rows)
    ]
    ((day, lines),) = together(*some)
    ids = [record.pop("id") for record in lines]
    assert (day, ids) == ("2026-11-27", sorted(set(ids)))
    one = encoder()
    assert lines == [{n: v for n, v in record.items() if n != "id"} for each in some for record in records(one, each)]


def test_the_lines_of_received_requests_are_of_the_day_of_their_time() -> None:
    indented = received(json.dumps(ROW, indent=1))
    result = together(indented, received(json.dumps(ROW), time=AT - 86400), received(json.dumps(ROW), time=AT + 1))
    assert [(day, len(of_day)) for day, of_day in result] == [("2026-11-27", 1), ("2026-11-26", 1), ("2026-11-27", 1)]
    assert all(record["inputs"] == ROW for _, of_day in result for record in of_day)
    ids = [uuid.UUID(record["id"]) for _, of_day in result for record in of_day]
    assert [(id.version, id.variant) for id in ids] == [(7, uuid.RFC_4122)] * 3
    assert ids[1] < ids[0] < ids[2]


@pytest.mark.parametrize(("prediction", "expected"), [(OK, [0.93]), ({"value": 1.5}, [])])
def test_the_score_of_a_received_request_is_kept_unless_it_has_none(prediction: Any, expected: list[float]) -> None:
    waiting = ReceivedLines(encoder(), {})
    waiting.add([(AT, "r", "/predict", 0.1, b"{}", ROW, b"{}", prediction)])
    assert [each.scores.tolist() for each in waiting.take()] == [expected]


def test_the_memory_of_received_requests_is_used_again_without_their_lines() -> None:
    waiting = ReceivedLines(encoder(), {"town": frozenset({"Bonn"})})
    ids, buffers = [], set()
    for count, town in ((3, "Ulm"), (1, "Bonn"), (2, None)):
        row = {**ROW, "town": town}
        waiting.add([(AT, "r", "/predict", 0.1, json.dumps(row).encode(), row, b"{}", OK)] * count)
        assert waiting.rows == count
        (buffer,) = waiting.take()
        assert (waiting.rows, waiting.take()) == (0, [])
        records = [json.loads(line) for line in buffer.lines().splitlines()]
        assert (buffer.rows, [record["inputs"] for record in records]) == (count, [row] * count)
        assert list(buffer.unusual) == ([] if town == "Bonn" else [("town", town)] * count)
        ids += [record["id"] for record in records]
        buffers.add(id(buffer))
        waiting.give_back(buffer)
    assert ids == sorted(set(ids))
    assert len(buffers) == 2
