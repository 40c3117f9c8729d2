"""Which alarms are open in Kibana: the memory between two runs, and the reports that close the others.

The rules of Kibana read the newest report of a column or of a version. A version that has stopped answering has no
newer report, so its alarm would stay the newest until it is a day old.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from mlspec.job import write_text
from mlspec.monitoring.reports import MonitorReport, send

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

FILE: Final = "reported.json"


class ReportedOn(NamedTuple):
    """What the rules judge by itself: a column of a version, the quality of a slice of it, or, without either, its
    quality."""

    version: str
    column: str = ""
    slice: str = ""

    def closed(self) -> MonitorReport:
        """The report that it has no alarm."""
        if self.slice:
            return MonitorReport(self.version, {"slice": self.slice, "slice_alarm": 0})
        return MonitorReport(self.version, {"column": self.column, "alarm": 0} if self.column else {"quality_alarm": 0})


class ObservedModel(NamedTuple):
    """The model that the reports are about, and when it was observed."""

    name: str
    time: datetime


class SavedReports(BaseModel):
    """The state file: what has an open alarm in Elasticsearch."""

    model_config = ConfigDict(frozen=True)

    open: tuple[ReportedOn, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenReports:
    """The memory of one project, in one file."""

    path: Path

    def report(
        self, client: Elasticsearch, stream: str, observed: Sequence[MonitorReport], about: ObservedModel
    ) -> None:
        """Store the reports, and those that close the rest. Raises StageError if Elasticsearch does not take all."""
        every = [*observed, *self.closing(observed)]
        self._write(_places(every, alarm_only=True) | set(self._read().open))
        send(client, stream, [each.document(about.name, about.time) for each in every])
        self._write(_places(every, alarm_only=True))

    def closing(self, reports: Sequence[MonitorReport]) -> list[MonitorReport]:
        """A report without an alarm for each open alarm that these reports say nothing about."""
        silent = set(self._read().open) - _places(reports, alarm_only=False)
        return [place.closed() for place in sorted(silent)]

    def _read(self) -> SavedReports:
        try:
            return SavedReports.model_validate_json(self.path.read_bytes())
        except (OSError, ValidationError):
            return SavedReports()

    def _write(self, places: set[ReportedOn]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, SavedReports(open=tuple(sorted(places))).model_dump_json() + "\n")


def _places(reports: Sequence[MonitorReport], *, alarm_only: bool) -> set[ReportedOn]:
    """What the reports are about; `alarm_only`: those with an alarm."""
    least = 1 if alarm_only else 0
    return {
        _place(report, name)
        for report in reports
        for name in ("alarm", "quality_alarm", "slice_alarm")
        if isinstance(state := report.values.get(name), int) and state >= least
    }


def _place(report: MonitorReport, alarm: str) -> ReportedOn:
    if alarm == "slice_alarm":
        return ReportedOn(report.version, slice=str(report.values["slice"]))
    return ReportedOn(report.version, str(report.values.get("column", "")))
