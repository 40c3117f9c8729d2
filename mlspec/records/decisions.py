"""How the stages `data` and `train` interpreted what the spec does not specify."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from pydantic import Field

from mlspec.records.record_file import Record


@dataclass(frozen=True, slots=True)
class Decision:
    """One value, file or column that had to be interpreted."""

    subject: Annotated[
        str, Field(min_length=1, description="What was interpreted: `label yes`, `column price`, `files`, `images`")
    ]
    reading: Annotated[str, Field(min_length=1, description="How, with counts: `36 of 252 files not read`")]
    key: Annotated[str, Field(description="The key of the spec that changes it; empty where none does")] = ""


class Decisions(Record):
    """All decisions of one run of a stage, in the order in which they were made."""

    decisions: tuple[Decision, ...] = Field((), description="Each once, in the order in which they were made")

    @classmethod
    def of(cls, rows: Iterable[Decision]) -> Self:
        """Each decision once."""
        return cls(decisions=tuple(dict.fromkeys(rows)))

    def lines(self) -> Iterator[str]:
        """A table for the terminal and the log: subject, reading, and the key that changes it."""
        width = max((len(row.subject) for row in self.decisions), default=0)
        for row in self.decisions:
            yield f"{row.subject:{width}}  {row.reading}" + (f"  [{row.key}]" if row.key else "")


class DataDecisions(Decisions):
    """How the source was read: labels, skipped files, dates, numbers, images."""

    FILE: ClassVar[str] = "data/decisions.json"
    STAGE: ClassVar[str] = "data"


class TrainDecisions(Decisions):
    """What training monitors, and which direction is better."""

    FILE: ClassVar[str] = "train/decisions.json"
    STAGE: ClassVar[str] = "train"
