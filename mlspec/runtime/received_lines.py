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
from operator import itemgetter
from typing import Final, TypeAlias

from mlspec.runtime.prediction_record import MILLISECONDS, RecordEncoder, Row
from mlspec.runtime.predictor import Prediction

ReceivedRequest: TypeAlias = tuple[float, str, str, float, bytes, Row, bytes, Prediction]
"""When it was answered, request id, route, seconds, body, row, answer, prediction."""
_FIRST: Final = 1 << 23
"""The first number of a line: the variant of a UUID in two bits, before 22 bits that count."""
_LAST: Final = _FIRST + (1 << 22) - 1
_BITS: Final = 12
_LOW: Final = (1 << _BITS) - 1
_DIGITS: Final = [b"%03x" % number for number in range(1 << _BITS)]
"""Numbers of that many bits as hexadecimal digits."""
_SCORE: Final = itemgetter("score")
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
        self._common = (-1, -1, -1)
        self._start = self._after_time = self._after_number = b""

    def add(self, requests: Sequence[ReceivedRequest]) -> None:
        """Add the lines of successful requests of one row.

        The parts of the lines are computed column by column, which takes fewer steps than line by line.
        """
        times, ids, routes, seconds, bodies, rows, answers, predictions = zip(*requests, strict=True)
        count, number = len(requests), self._number & _LOW
        milliseconds = [int(now * 1000) for now in times]
        if number + count > _LOW + 1 or not self._set_common(min(milliseconds), max(milliseconds)):
            half = count // 2  # what the lines of a call have in common changes between them
            self.add(requests[:half])
            self.add(requests[half:])
            return
        texts = b"".join(bodies)
        if _LINE_FEED in texts or _CARRIAGE_RETURN in texts:  # white space between tokens
            bodies = tuple([body.replace(b"\n", b" ").replace(b"\r", b" ") for body in bodies])
        columns = (
            [self._start] * count,
            [_DIGITS[each & _LOW] for each in milliseconds],
            [self._after_time] * count,
            _DIGITS[number : number + count],
            [self._after_number] * count,
            [MILLISECONDS[each % 1000] for each in milliseconds],
            ('"' + '\n"'.join(ids)).encode().split(b"\n"),
            list(map(self._between, routes)),
            [b"%.3f" % (each * 1000) for each in seconds],
            [self._encoder.inputs_follow] * count,
            bodies,
            list(map(self._encoder.lengths_of, rows)) if self._encoder.texts else [b""] * count,
            [b',"prediction":'] * count,
            answers,
            [b"}\n"] * count,
        )
        parts = [b""] * (len(columns) * count)
        for place, column in enumerate(columns):
            parts[place :: len(columns)] = column
        self._current.text.write(b"".join(parts))
        self._count(texts, rows, predictions)
        self._advance(count)

    def _between(self, route: str) -> bytes:
        """The part of a line between its request id and its latency."""
        if (known := self._betweens.get(route)) is None:
            known = self._betweens[route] = self._encoder.between(route)
        return known

    def _count(self, texts: bytes, rows: Sequence[Row], predictions: Sequence[Prediction]) -> None:
        buffer = self._current
        buffer.rows += len(rows)
        self.rows += len(rows)
        if "score" in predictions[0]:
            buffer.scores.extend(map(_SCORE, predictions))
        for name, known in self._categories:
            values = [row[name] for row in rows]
            if not known.issuperset(values):
                buffer.unusual += [(name, value) for value in values if value not in known and value is not None]
        if b"null" in texts:
            buffer.unusual += [(name, None) for row in rows for name, value in row.items() if value is None]

    def _advance(self, count: int) -> None:
        """Count lines. The counter never restarts, so that a clock that is set back cannot repeat an id."""
        self._number += count
        if self._number > _LAST:
            self._number, self._overflows = _FIRST, self._overflows + 1

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

    def _set_common(self, first: int, last: int) -> bool:
        """Prepare the parts of a line that do not change from `first` to `last`, in milliseconds since 1970.

        An id is a UUID of version 7 (RFC 9562): the time, the counter of the process in 12 and 22 bits, and its random
        number. Only the last three digits of the time and of the counter change often. Returns False if more changes.
        """
        common = first >> _BITS, first // 1000, self._number >> _BITS
        if common[:2] != (last >> _BITS, last // 1000):
            return False
        if common != self._common:
            self._common = common
            time_digits, second, number_digits = common
            at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._start = b'{"id":"%09x' % (time_digits & 0xF_FFFF_FFFF)
            self._after_time = b"7%03x%03x" % (self._overflows & 0xFFF, number_digits)
            self._after_number = f'{self._process}","time":"{at}'.encode()
            self._set_day(at[:10])
        return True

    def _set_day(self, day: str) -> None:
        """Continue in a buffer of that day."""
        if self._current.rows and day != self._current.day:
            self._complete.append(self._current)
            self._current = self._new()
        self._current.day = day
