"""Which rows of the store the detectors have taken, so that those which arrive with an earlier time are taken too.

The id of a prediction has the random number of its process and a counter that never restarts, and a process writes in
the order of its counter: of each process, everything up to the last counter that was in the store has been taken. The
time of a row does not matter, so a server whose clock is behind is compared like others.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Final, NamedTuple, TypeAlias

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, StringConstraints

MAX_PROCESSES: Final = 10_000
"""Processes that are remembered; of others nothing is known then."""
_TEXT: Final = "CAST(p.id AS VARCHAR)"
PROCESS: Final = f"right({_TEXT}, 10)"
"""The random number of the process, of 40 bits in hexadecimal digits."""
COUNTER: Final = f"substr({_TEXT}, 16, 3) || substr({_TEXT}, 20, 4) || substr({_TEXT}, 25, 2)"
"""The counter, in hexadecimal digits, which sort as numbers."""
NUMBERED: Final = f"substr({_TEXT}, 15, 1) = '7'"
"""Whether the id is a UUID of version 7, as the prediction log makes them."""


Digits: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]*$")]


class LastRow(NamedTuple):
    """The highest counter of a process, and the latest time of one of its rows."""

    counter: Digits
    time: datetime


class TakenRows(BaseModel):
    """The last row of each process that was taken. `complete`: all others are of processes without a taken row."""

    model_config = ConfigDict(frozen=True)

    last: Mapping[Digits, LastRow] = {}
    complete: bool = True

    def others(self) -> str:
        """The condition, in SQL over predictions `p`, of rows that have not been taken."""
        if not self.last:
            return NUMBERED if self.complete else "false"
        rows = ", ".join(f"('{process}', '{row.counter}')" for process, row in self.last.items())
        known = f"(VALUES {rows}) taken(process, counter)"
        taken = f"SELECT 1 FROM {known} WHERE taken.process = {PROCESS} AND {COUNTER} <= taken.counter"
        others = f"{NUMBERED} AND NOT EXISTS ({taken})"
        return others if self.complete else f"{others} AND {PROCESS} IN (SELECT process FROM {known})"

    def and_then(self, table: pa.Table, forget: datetime, most: int = MAX_PROCESSES) -> TakenRows:
        """With the rows of `table`: process, counter and time of each last row. Processes without a row since
        `forget` are forgotten, and of more than `most` the others."""
        last = {process: row for process, row in self.last.items() if row.time >= forget}
        for process, counter, time in zip(*(column.to_pylist() for column in table.columns), strict=True):
            known = last.get(process, LastRow("", time))
            last[process] = LastRow(max(known.counter, counter), max(known.time, time))
        if len(last) <= most:
            return TakenRows(last=last, complete=self.complete)
        newest = sorted(last, key=lambda process: last[process].time)[-most:]
        return TakenRows(last={process: last[process] for process in newest}, complete=False)


LAST_ROWS: Final = (
    f"SELECT {PROCESS}, MAX({COUNTER}), MAX(time) FROM predictions p "
    f"WHERE {NUMBERED} AND time >= ? AND time < ? GROUP BY 1"
)
"""The last row of each process between two times."""
WINDOW: Final = timedelta(days=30)
"""Age up to which rows that arrive late are counted and taken."""
