"""Requests of one row to lines of the prediction log, made of the texts that were received and sent. Does no I/O.

Lines are copied into a buffer whose memory is used again: each object that outlives its request slows down the
following ones, and to make the lines of thousands of such objects later takes longer.
"""

from __future__ import annotations

import io
import os
import time
from array import array
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from mlspec.runtime.prediction_record import RecordEncoder, Row
from mlspec.runtime.predictor import Prediction

ReceivedRequest: TypeAlias = tuple[float, str, str, float, bytes, Row, bytes, Prediction]
"""When it was answered, request id, route, seconds, body, row, answer, prediction."""
_FIRST: Final = 1 << 23
"""The first number of a line: the variant of a UUID in two bits, before 22 bits that count."""
_LAST: Final = _FIRST + (1 << 22) - 1
_KEPT: Final = 8 * 2**20
"""Maximum size in bytes of a text whose memory is used again."""
_LINE_FEED, _CARRIAGE_RETURN = b"\n\r"


class LineBuffer:
    """Lines of one day, and what is counted of them."""

    __slots__ = ("day", "rows", "scores", "text", "unusual")

    def __init__(self) -> None:
        self.day, self.rows, self.text = "", 0, io.BytesIO()
        self.scores = array("d")
        self.unusual: list[tuple[str, object]] = []
        """Missing and perhaps unseen values, by input."""

    def lines(self) -> bytes:
        """The lines."""
        with self.text.getbuffer() as memory:
            return bytes(memory[: self.text.tell()])

    def clear(self) -> None:
        """Remove the lines."""
        if self.text.tell() > _KEPT:
            self.text = io.BytesIO()
        self.text.seek(0)
        self.rows = 0
        del self.scores[:], self.unusual[:]


class ReceivedLines:
    """The lines of one process that wait to be written. Not thread-safe."""

    def __init__(self, encoder: RecordEncoder, categories: Mapping[str, frozenset[str]]) -> None:
        self.rows = 0
        """The number of lines."""
        self._encoder, self._categories = encoder, tuple(categories.items())
        self._current, self._complete, self._spare = LineBuffer(), list[LineBuffer](), [LineBuffer()]
        self._betweens: dict[str, bytes] = {}
        self._process, self._number, self._overflows = os.urandom(5).hex(), _FIRST, 0
        self._millisecond = self._second = -1
        self._time = self._start = self._after_number = b""

    def add(self, requests: Sequence[ReceivedRequest]) -> None:
        """Add the lines of successful requests of one row."""
        lengths_of = self._encoder.lengths_of if self._encoder.texts else None
        parts: list[bytes] = []
        for now, request_id, route, seconds, body, row, answer, prediction in requests:
            if (millisecond := int(now * 1000)) != self._millisecond or self._number == _LAST:
                self._write(parts)
                self._set_time(millisecond)
            self._number = number = self._number + 1
            if (between := self._betweens.get(route)) is None:
                between = self._betweens[route] = self._encoder.between(route)
            if _LINE_FEED in body or _CARRIAGE_RETURN in body:  # white space between tokens
                body = body.replace(b"\n", b" ").replace(b"\r", b" ")
            parts += (self._start, b"%06x" % number, self._after_number, b"%.3f" % (seconds * 1000))
            parts += (b',"request_id":"', request_id.encode(), between, body)
            parts += (lengths_of(row) if lengths_of else b"", b',"prediction":', answer, b"}\n")
            self._count(body, row, prediction)
        self._write(parts)
        self.rows += len(requests)

    def _count(self, body: bytes, row: Row, prediction: Prediction) -> None:
        buffer = self._current
        buffer.rows += 1
        if "score" in prediction:
            buffer.scores.append(prediction["score"])
        for name, known in self._categories:
            if (value := row[name]) not in known and value is not None:
                buffer.unusual.append((name, value))
        if b"null" in body:
            buffer.unusual += [(name, None) for name, value in row.items() if value is None]

    def _write(self, parts: list[bytes]) -> None:
        self._current.text.write(b"".join(parts))
        parts.clear()

    def take(self) -> list[LineBuffer]:
        """Remove and return all lines, by day; `give_back` returns their memory."""
        if not self.rows:
            return []
        taken, self._complete = [*self._complete, self._current], []
        self._current, self.rows = self._new(), 0
        self._current.day = taken[-1].day
        return taken

    def give_back(self, buffer: LineBuffer) -> None:
        """Use the memory of the buffer again."""
        buffer.clear()
        if not self._spare:
            self._spare.append(buffer)

    def _new(self) -> LineBuffer:
        return self._spare.pop() if self._spare else LineBuffer()

    def _set_time(self, millisecond: int) -> None:
        """Prepare the parts of a line that are equal for all requests of a millisecond.

        An id is a UUID of version 7 (RFC 9562): the time, the counter of the process in 12 and 22 bits, and its random
        number. The counter never restarts, so that a clock that is set back cannot repeat an id.
        """
        self._millisecond = millisecond
        if self._number == _LAST:
            self._number, self._overflows = _FIRST - 1, self._overflows + 1
        second, part = divmod(millisecond, 1000)
        if second != self._second:
            self._second, at = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._time = f'{self._process}","time":"{at}'.encode()
            self._set_day(at[:10])
        self._start = b'{"id":"%012x7%03x' % (millisecond & 0xFFFF_FFFF_FFFF, self._overflows & 0xFFF)
        self._after_number = b'%b.%03dZ","latency_ms":' % (self._time, part)

    def _set_day(self, day: str) -> None:
        """Continue in a buffer of that day."""
        if self._current.rows and day != self._current.day:
            self._complete.append(self._current)
            self._current = self._new()
        self._current.day = day
