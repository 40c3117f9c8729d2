"""Answered requests, their encoder, and a disk that is full."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlspec.runtime.contract import Contract
from mlspec.runtime.log_policy import LogPolicy
from mlspec.runtime.prediction_record import AnsweredRequest, RecordEncoder

TABLE = Contract("cola", "7", {"sentence": "text", "age": "number", "town": "category"}, ("bad", "ok"))
AT = 1_795_790_925.1234
ROW = {"sentence": "The cat sat", "age": 31.0, "town": None}
OK: Any = {"label": "ok", "score": 0.93, "probabilities": {"ok": 0.93, "bad": 0.07}}


def request(count: int = 1, **changes: Any) -> AnsweredRequest:
    whole = AnsweredRequest(AT, "r1", "/predict", 200, None, 0.0032101, [ROW] * count, [OK] * count)
    return whole._replace(**changes)


def refused(status: int = 422, code: str = "bad-row") -> AnsweredRequest:
    return request(0, status=status, error=code)


def encoder(policy: LogPolicy | None = None, contract: Contract = TABLE, **more: Any) -> RecordEncoder:
    return RecordEncoder(contract, policy or LogPolicy("cola"), "http", process=0xABCDEF, **more)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The kernel refuses to let a file of this process grow beyond that size, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
