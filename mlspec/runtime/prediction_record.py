"""An answered request to lines of the prediction log: one JSON object for each predicted row. Does no I/O.

A request without predictions is one line, with `row` null and no inputs.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Final, Literal, NamedTuple, TypeAlias

import orjson

from mlspec.runtime.contract import Contract
from mlspec.runtime.image_statistics import ImageStatistics
from mlspec.runtime.json_text import written
from mlspec.runtime.log_policy import LogPolicy, Storage
from mlspec.runtime.predictor import Prediction
from mlspec.runtime.preprocess.base import Feature

Front: TypeAlias = Literal["http", "lambda", "python"]
Row: TypeAlias = Mapping[str, object]
CANCELLED: Final = 499
"""Status of a request whose client has disconnected, as in nginx."""
_COUNTER_BITS: Final = 22
_PROCESS_BITS: Final = 40


class AnsweredRequest(NamedTuple):
    """A request to a prediction route, with its outcome."""

    time: float
    """Time of the answer, in seconds since 1970."""
    request_id: str
    route: str
    status: int
    error: str | None
    """The stable code of the error."""
    seconds: float
    """Duration."""
    rows: Sequence[Row] = ()
    predictions: Sequence[Prediction] = ()
    features: Sequence[tuple[int, Feature]] = ()
    size: int = 0
    """Size of the request body in bytes."""


class Lines(NamedTuple):
    """The lines of one request, each with its line end, and the UTC day that they belong to."""

    day: str
    lines: list[bytes]


class RecordEncoder:
    """Converts the requests of one process. Not thread-safe."""

    def __init__(
        self,
        contract: Contract,
        policy: LogPolicy,
        front: Front,
        images: Mapping[str, ImageStatistics] | None = None,
        *,
        process: int | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._contract, self._policy, self._front = contract, policy, front
        self._chance, self._weight = chance, 1 / policy.sample
        self._ids = _Ids(int.from_bytes(os.urandom(_PROCESS_BITS // 8)) if process is None else process)
        self._clock = _Clock()
        self._inputs = _InputsOf(contract, policy)
        self._texts = [name for name, kind in contract.inputs.items() if kind == "text"]
        self._images = [name for name, kind in contract.inputs.items() if kind == "image"]
        self._statistics = images or {}

    def lines(self, request: AnsweredRequest) -> Lines:
        """The lines of the request: one for each sampled row, or one for a request without predictions."""
        at = self._clock.text(request.time)
        if not request.predictions:
            return Lines(at[:10], [written(self._head(request, at, None, 1.0)) + b"\n"])
        keeps = [True] * len(request.rows)
        if self._policy.sample < 1:
            keeps = [self._chance() < self._policy.sample for _ in keeps]
        lines = [self._line(request, at, index) for index, keep in enumerate(keeps) if keep]
        return Lines(at[:10], lines)

    def _head(self, request: AnsweredRequest, at: str, row: int | None, weight: float) -> dict[str, object]:
        return {
            "id": self._ids.next(request.time),
            "time": at,
            "request_id": request.request_id,
            "row": row,
            "model": self._contract.name,
            "version": self._contract.version,
            "front": self._front,
            "route": request.route,
            "status": request.status,
            "outcome": outcome(request.status),
            "error": request.error,
            "latency_ms": round(request.seconds * 1000, 3),
            "weight": weight,
        }

    def _line(self, request: AnsweredRequest, at: str, index: int) -> bytes:
        record, row = self._head(request, at, index, self._weight), request.rows[index]
        if inputs := self._inputs.stored(row):
            record["inputs"] = inputs
        if self._texts and (lengths := self._lengths(row)):
            record["lengths"] = lengths
        if self._images and (images := self._pictures(row, request, index)):
            record["images"] = images
        record["prediction"] = request.predictions[index]
        return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)

    def _lengths(self, row: Row) -> dict[str, dict[str, int]]:
        texts = [(name, row[name]) for name in self._texts]
        return {
            name: {"characters": len(text), "words": len(text.split())} for name, text in texts if isinstance(text, str)
        }

    def _pictures(self, row: Row, request: AnsweredRequest, index: int) -> dict[str, dict[str, object]]:
        pictures = {name: self._inputs.digest(name, row[name]) for name in self._images}
        if request.features:
            _, feature = request.features[index]
            for name, statistics in self._statistics.items():
                pictures[name] |= statistics.of(feature)
        return {name: values for name, values in pictures.items() if values}


class _InputsOf:
    """The inputs of a row as the policy stores them."""

    def __init__(self, contract: Contract, policy: LogPolicy) -> None:
        self._key = policy.project.encode()[:64]
        self._storage: dict[str, Storage] = {name: policy.columns.get(name, "full") for name in contract.inputs}
        images = {name for name, kind in contract.inputs.items() if kind == "image"}
        self._values = {name: s for name, s in self._storage.items() if s != "redacted" and name not in images}
        self._unchanged = len(self._values) == len(contract.inputs) and "hashed" not in self._values.values()

    def stored(self, row: Row) -> Row:
        """The values of a row, hashed or left out; images are left out."""
        if self._unchanged:
            return row
        return {
            name: row[name] if storage == "full" or row[name] is None else self._hash(row[name], 8)
            for name, storage in self._values.items()
        }

    def digest(self, name: str, value: object) -> dict[str, object]:
        """The digest of an image, unless it is redacted; with the project's key if it is hashed."""
        storage = self._storage[name]
        if storage == "redacted":
            return {}
        content = value.rpartition(";base64,")[2] if isinstance(value, str) else value
        return {"digest": self._hash(content, 16, keyed=storage == "hashed")}

    def _hash(self, value: object, size: int, *, keyed: bool = True) -> str:
        content = value.encode() if isinstance(value, str) else written(value)
        return blake2b(content, digest_size=size, key=self._key if keyed else b"").hexdigest()


class _Ids:
    """UUIDs of version 7 (RFC 9562): time, a counter of the process, and a random number of the process.

    The counter never restarts, so that a clock that is set back cannot repeat an id.
    """

    def __init__(self, process: int) -> None:
        self._process, self._numbers = process, itertools.count()

    def next(self, seconds: float) -> str:
        """The next id, as 32 hexadecimal digits."""
        number = next(self._numbers)
        high, low = number >> _COUNTER_BITS & 0xFFF, number & ((1 << _COUNTER_BITS) - 1)
        stamp = int(seconds * 1000) & 0xFFFF_FFFF_FFFF
        bits = stamp << 80 | 7 << 76 | high << 64 | 2 << 62 | low << _PROCESS_BITS | self._process
        return f"{bits:032x}"


class _Clock:
    """Formats times; the text of the last second is reused."""

    def __init__(self) -> None:
        self._second, self._text = -1, ""

    def text(self, seconds: float) -> str:
        """The time in UTC with milliseconds: `2026-11-27T14:48:45.123Z`."""
        whole, milliseconds = divmod(int(seconds * 1000), 1000)
        if whole != self._second:
            self._second, self._text = whole, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
        return f"{self._text}.{milliseconds:03d}Z"


def outcome(status: int) -> str:
    """The outcome of a request with that status: success, refused, failed or cancelled."""
    if status < 400:
        return "success"
    if status == CANCELLED:
        return "cancelled"
    return "refused" if status < 500 else "failed"
