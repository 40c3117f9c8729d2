"""An answered request to lines of the prediction log: one JSON object for each predicted row. Does no I/O.

A request without predictions is one line, with `row` null and no inputs.
"""

from __future__ import annotations

import itertools
import os
import random
import struct
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

import orjson

from mlspec.runtime.contract import Contract
from mlspec.runtime.image_statistics import ImageStatistics
from mlspec.runtime.input_hash import VALUE_BYTES, input_hash, project_key
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
_LATENCY: Final = b',"latency_ms":'
MILLISECONDS: Final = [b'.%03dZ","request_id":' % part for part in range(1000)]
_LINE_FEED, _CARRIAGE_RETURN = b"\n\r"


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
    body: bytes = b""
    """The JSON text of the only row as it was received; empty: it is encoded again from `rows`."""
    answer: bytes = b""
    """The JSON text of the only prediction as it was sent, if `body` is set."""


AnsweredValues: TypeAlias = tuple[
    float,
    str,
    str,
    int,
    str | None,
    float,
    Sequence[Row],
    Sequence[Prediction],
    Sequence[tuple[int, Feature]],
    int,
    bytes,
    bytes,
]
"""The values of an AnsweredRequest. A plain tuple takes a tenth of the time, on the path of each answer."""


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
        self._chance = chance
        self._weighted = b',"weight":%b' % orjson.dumps(1 / policy.sample)
        self.inputs_follow = self._weighted + b',"inputs":'
        number = int.from_bytes(os.urandom(_PROCESS_BITS // 8)) if process is None else process
        self._process, self._numbers = 2 << 62 | number, itertools.count()
        self._second, self._at, self._day = -1, b"", ""
        self._constants: dict[tuple[str, int, str | None], bytes] = {}
        self._inputs = _InputsOf(contract, policy)
        self.texts = [name for name, kind in contract.inputs.items() if kind == "text"]
        self._images = [name for name, kind in contract.inputs.items() if kind == "image"]
        self._statistics = images or {}
        self.as_received = self._inputs.unchanged and not self._images and policy.sample == 1
        """Whether a row is stored as the text that was received."""

    def lines(self, request: AnsweredRequest) -> Lines:
        """The lines of the request: one for each sampled row, or one for a request without predictions.

        Their text is formatted, because building a dict and encoding it takes three times as long, and a row that is
        stored as it was received is not encoded again.
        """
        milliseconds = int(request.time * 1000)
        second, part = divmod(milliseconds, 1000)
        self._set_second(second)
        constant = self._constant(request.route, request.status, request.error)
        request_id, latency = orjson.dumps(request.request_id), b"%.3f" % (request.seconds * 1000)
        before, between = (self._at, MILLISECONDS[part], request_id, b',"row":'), (constant, latency)
        rows = list(self._rows(request))
        ids = self._ids([milliseconds] * len(rows))
        parts = zip(ids, rows, strict=True)
        return Lines(
            self._day,
            [b"".join((b'{"id":"', id, *before, position, *between, *rest)) for id, (position, rest) in parts],
        )

    def between(self, route: str) -> bytes:
        """The part of the line of a successful request of one row between its request id and its latency."""
        return b'","row":0' + self._constant(route, 200, None)

    def _set_second(self, second: int) -> None:
        if second != self._second:
            self._second, at = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._at, self._day = b'","time":"%b' % at.encode(), at[:10]

    def _ids(self, milliseconds: Sequence[int]) -> list[bytes]:
        """UUIDs of version 7 (RFC 9562): the time, the counter of the process, and its random number.

        The counter never restarts, so that a clock that is set back cannot repeat an id.
        """
        halves = []
        for at, number in zip(milliseconds, self._numbers, strict=False):
            halves.append((at & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | number >> _COUNTER_BITS & 0xFFF)
            halves.append(number << _PROCESS_BITS & _COUNTER | self._process)
        text = struct.pack(f">{len(halves)}Q", *halves).hex().encode()
        return [text[start : start + 32] for start in range(0, len(text), 32)]

    def _rows(self, request: AnsweredRequest) -> Iterable[tuple[bytes, tuple[bytes, ...]]]:
        """The position of each sampled row, or `null`, and the texts that end its line."""
        if not request.predictions:
            return ((b"null", (b',"weight":1.0}\n',)),)
        body = request.body
        if body and self.as_received and _LINE_FEED not in body and _CARRIAGE_RETURN not in body:
            lengths = self.lengths_of(request.rows[0]) if self.texts else b""
            return ((b"0", (self.inputs_follow, body, lengths, b',"prediction":', request.answer, b"}\n")),)
        return ((b"%d" % index, self._row(request, index)) for index in self._sampled(len(request.rows)))

    def _sampled(self, rows: int) -> Sequence[int]:
        if self._policy.sample == 1:
            return range(rows)
        return [index for index in range(rows) if self._chance() < self._policy.sample]

    def _constant(self, route: str, status: int, error: str | None) -> bytes:
        """The part of the line that is equal for all requests with that route, status and error."""
        if (known := self._constants.get((route, status, error))) is not None:
            return known
        constant = {
            "model": self._contract.name,
            "version": self._contract.version,
            "front": self._front,
            "route": route,
            "status": status,
            "outcome": outcome(status),
            "error": error,
        }
        text = self._constants[route, status, error] = b"," + written(constant)[1:-1] + _LATENCY
        return text

    def _row(self, request: AnsweredRequest, index: int) -> tuple[bytes, ...]:
        """The inputs of a row, the lengths of its texts, the statistics of its images, and its prediction."""
        row = request.rows[index]
        inputs = self._inputs.stored(row)
        stored = (self.inputs_follow, orjson.dumps(inputs)) if inputs else (self._weighted,)
        lengths = self.lengths_of(row) if self.texts else b""
        images = self._pictures(row, request, index) if self._images else {}
        pictures = (b',"images":', orjson.dumps(images)) if images else ()
        prediction = orjson.dumps(request.predictions[index])
        return *stored, lengths, *pictures, b',"prediction":', prediction, b"}\n"

    def lengths_of(self, row: Row) -> bytes:
        """The part of the line with the lengths of the texts of a row."""
        lengths = self._lengths(row)
        return b',"lengths":' + orjson.dumps(lengths) if lengths else b""

    def _lengths(self, row: Row) -> dict[str, dict[str, int]]:
        texts = [(name, row[name]) for name in self.texts]
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
        self._key = project_key(policy.project)
        self._storage: dict[str, Storage] = {name: policy.columns.get(name, "full") for name in contract.inputs}
        images = {name for name, kind in contract.inputs.items() if kind == "image"}
        self._values = {name: s for name, s in self._storage.items() if s != "redacted" and name not in images}
        self.unchanged = len(self._values) == len(contract.inputs) and "hashed" not in self._values.values()

    def stored(self, row: Row) -> Row:
        """The values of a row, hashed or left out; images are left out."""
        if self.unchanged:
            return row
        return {
            name: row[name] if storage == "full" or row[name] is None else self._hash(row[name], VALUE_BYTES)
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
        return input_hash(content, size, self._key if keyed else b"")


def outcome(status: int) -> str:
    """The outcome of a request with that status: success, refused, failed or cancelled."""
    if status < 400:
        return "success"
    if status == CANCELLED:
        return "cancelled"
    return "refused" if status < 500 else "failed"
