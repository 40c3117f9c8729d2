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
_COUNTER: Final = ((1 << _COUNTER_BITS) - 1) << _PROCESS_BITS


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
        self._chance, self._weight = chance, orjson.dumps(1 / policy.sample)
        number = int.from_bytes(os.urandom(_PROCESS_BITS // 8)) if process is None else process
        self._process, self._numbers = 2 << 62 | number, itertools.count()
        self._second, self._at, self._day = -1, b"", ""
        self._constants: dict[tuple[str, int, str | None], bytes] = {}
        self._inputs = _InputsOf(contract, policy)
        self._texts = [name for name, kind in contract.inputs.items() if kind == "text"]
        self._images = [name for name, kind in contract.inputs.items() if kind == "image"]
        self._statistics = images or {}
        self._plain = self._inputs.unchanged and not self._texts and not self._images

    def lines(self, request: AnsweredRequest) -> Lines:
        """The lines of the request: one for each sampled row, or one for a request without predictions.

        Their text is formatted, because building a dict and encoding it takes three times as long.
        """
        milliseconds = int(request.time * 1000)
        second, part = divmod(milliseconds, 1000)
        if second != self._second:
            self._second, self._at = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
            self._day = self._at[:10].decode()
        weight = self._weight if request.predictions else b"1.0"
        before = b'","time":"%b.%03dZ","request_id":%b,"row":' % (self._at, part, orjson.dumps(request.request_id))
        after = b'%b%.3f,"weight":%b' % (self._constant(request), request.seconds * 1000, weight)
        stamp = milliseconds & 0xFFFF_FFFF_FFFF
        if not request.predictions:
            return Lines(self._day, [b'{"id":"%012x7%03x%016x%bnull%b}\n' % (stamp, *self._number(), before, after)])
        lines = []
        for index in self._sampled(len(request.rows)):
            high, low = self._number()
            rest, prediction = self._rest(request, index), orjson.dumps(request.predictions[index])
            line = b'{"id":"%012x7%03x%016x%b%d%b%b,"prediction":%b}\n'
            lines.append(line % (stamp, high, low, before, index, after, rest, prediction))
        return Lines(self._day, lines)

    def _number(self) -> tuple[int, int]:
        """The counter of the process as the last two parts of a UUID of version 7 (RFC 9562), with its random number.

        It never restarts, so that a clock that is set back cannot repeat an id.
        """
        number = next(self._numbers)
        return number >> _COUNTER_BITS & 0xFFF, number << _PROCESS_BITS & _COUNTER | self._process

    def _sampled(self, rows: int) -> Sequence[int]:
        if self._policy.sample == 1:
            return range(rows)
        return [index for index in range(rows) if self._chance() < self._policy.sample]

    def _constant(self, request: AnsweredRequest) -> bytes:
        """The part of the line that is equal for all requests with that route, status and error."""
        key = request.route, request.status, request.error
        if (known := self._constants.get(key)) is None:
            constant = {
                "model": self._contract.name,
                "version": self._contract.version,
                "front": self._front,
                "route": request.route,
                "status": request.status,
                "outcome": outcome(request.status),
                "error": request.error,
            }
            known = self._constants[key] = b"," + written(constant)[1:-1] + b',"latency_ms":'
        return known

    def _rest(self, request: AnsweredRequest, index: int) -> bytes:
        """The inputs of a row, the lengths of its texts, and the statistics of its images."""
        row = request.rows[index]
        if self._plain:
            return b',"inputs":' + orjson.dumps(row)
        inputs = self._inputs.stored(row)
        rest = b',"inputs":' + orjson.dumps(inputs) if inputs else b""
        if self._texts and (lengths := self._lengths(row)):
            rest += b',"lengths":' + orjson.dumps(lengths)
        if self._images and (images := self._pictures(row, request, index)):
            rest += b',"images":' + orjson.dumps(images)
        return rest

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
        self.unchanged = len(self._values) == len(contract.inputs) and "hashed" not in self._values.values()

    def stored(self, row: Row) -> Row:
        """The values of a row, hashed or left out; images are left out."""
        if self.unchanged:
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


def outcome(status: int) -> str:
    """The outcome of a request with that status: success, refused, failed or cancelled."""
    if status < 400:
        return "success"
    if status == CANCELLED:
        return "cancelled"
    return "refused" if status < 500 else "failed"
