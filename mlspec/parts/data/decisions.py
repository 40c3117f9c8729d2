"""What the stage `data` decided about the source where the spec left it open: shown, logged and kept as a record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "data/decisions.json"


@dataclass(frozen=True, slots=True)
class Decision:
    """One value, file or column that had to be interpreted."""

    subject: str
    """What was interpreted: `label yes`, `column price`, `files`, `images`."""
    reading: str
    """How it was taken, with counts: `thousands separated by ","`, `36 of 252 files not read: .tif`."""
    key: str = ""
    """The key of the spec that changes it: `data.format.thousands`; empty where none does."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """`artifacts/data/decisions.json`: all decisions of one run of the stage, in the order in which they were made."""

    rows: tuple[Decision, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[Decision]) -> Decisions:
        """Each decision once."""
        return cls(tuple(dict.fromkeys(rows)))

    @classmethod
    def read(cls, path: Path) -> Decisions:
        """The record at `path`; none where the file is missing. Raises ValueError where it is damaged."""
        if not path.exists():
            return cls()
        try:
            return cls(tuple(Decision(**row) for row in json.loads(path.read_text(encoding="utf-8"))["decisions"]))
        except (TypeError, KeyError) as error:
            raise ValueError(f"{path.name} is damaged: {error}") from None

    def plain(self) -> dict[str, object]:
        """The record as JSON has it."""
        return {"decisions": [asdict(row) for row in self.rows]}

    def lines(self) -> Iterator[str]:
        """A table for the terminal and the log: subject, reading, and the key that changes it."""
        width = max((len(row.subject) for row in self.rows), default=0)
        for row in self.rows:
            yield f"{row.subject:{width}}  {row.reading}" + (f"  [{row.key}]" if row.key else "")
