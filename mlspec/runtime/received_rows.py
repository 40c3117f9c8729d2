"""Small requests of the prediction log, of which only texts are kept, back to rows and predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import orjson

from mlspec.runtime.json_text import parse
from mlspec.runtime.prediction_record import AnsweredRequest, ReceivedRow, Row


def rows_of(received: Sequence[ReceivedRow]) -> Sequence[Row]:
    """The row of each request. Each text is a JSON object, because the request was answered."""
    bodies = [body for _, _, _, _, _, body, _, _ in received]
    try:
        rows: Sequence[Row] = orjson.loads(b"[%b]" % b",".join(bodies))
    except orjson.JSONDecodeError:  # the strict parser accepts more, deep nesting for example
        rows = [cast("Row", parse(body)) for body in bodies]
    return rows


def request_of(received: ReceivedRow, row: Row) -> AnsweredRequest:
    """The request with its prediction."""
    now, id, route, status, seconds, body, answer, _ = received
    predictions = [orjson.loads(answer)]
    return AnsweredRequest(now, id, route, status, None, seconds, [row], predictions, (), len(body), body, answer)
