"""The prediction log on standard output, for Lambda and for containers without a writable folder.

Each line starts with the key `mlspec`, which other lines lack: `{ $.mlspec = "prediction" }` is its
filter pattern in CloudWatch Logs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final, TextIO

import orjson

MARK: Final = b'{"mlspec":"prediction",'
MAX_LINE: Final = 240_000
"""Size in bytes above which a line is printed without its inputs: CloudWatch splits events at 256 KB."""


class LogOutput:
    """Prints the lines of the log."""

    name: Final = "stdout"

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def write(self, day: str, lines: Sequence[bytes]) -> None:  # noqa: ARG002 - the interface of a sink
        """Print the lines. Raises OSError."""
        stream = self._stream or sys.stdout
        stream.write("".join([marked(line).decode() for text in lines for line in text.splitlines(True)]))
        stream.flush()

    def tick(self) -> None:
        """Do nothing: lines are printed at once."""

    def close(self) -> None:
        """Do nothing: the stream stays open."""


def marked(line: bytes) -> bytes:
    """The line with the key `mlspec`; without its inputs if it is too long."""
    if len(line) > MAX_LINE:
        record = orjson.loads(line)
        record.pop("inputs", None)
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    return MARK + line[1:]
