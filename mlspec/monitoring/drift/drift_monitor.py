"""Rows of a deployed model to alarms: one detector for each version and slice, within one budget of false alarms."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Final, Literal

from pydantic import JsonValue, TypeAdapter

from mlspec.monitoring.drift.budget import Budget
from mlspec.monitoring.drift.detector import Detector
from mlspec.monitoring.drift.detector_state import Crossing, DetectorState
from mlspec.monitoring.drift.domain_classifier import DomainClassifier
from mlspec.monitoring.drift.drift_alarm import Alarm, Direction, RowGroup, alarm_kind, effect
from mlspec.monitoring.drift.live_rows import LiveRows
from mlspec.monitoring.drift.streams import Streams

_QUIET: Final = 4
"""An alarm ends after this many times the rows that its last evidence took, and QUIET_ROWS at least, without more."""
QUIET_ROWS: Final = 200


@dataclass(frozen=True)
class OpenAlarm:
    """A column that has changed: the first crossing, and the last one, since the detector starts again after each."""

    first: Crossing
    last: Crossing

    @property
    def over_at(self) -> int:
        """The row at which the alarm is over, if the column does not cross again."""
        taken = self.last.row - self.last.origin.row + 1
        return self.last.row + max(_QUIET * taken, QUIET_ROWS)


@dataclass(frozen=True)
class ColumnScore:
    """The evidence that a column of a group has changed, since its last alarm; at `threshold` an alarm begins."""

    group: RowGroup
    column: str
    evidence: float
    threshold: float


@dataclass(frozen=True)
class SavedDomain:
    """The state of a domain classifier as JSON."""

    used: int
    turn: list[list[int]]


@dataclass
class Watched:
    """One group of rows: its detector, and its open alarms by column."""

    detector: Detector
    open: dict[int, OpenAlarm] = field(default_factory=dict)
    domains: dict[str, DomainClassifier] = field(default_factory=dict)
    """The classifier of each text input."""

    def update(self, rows: LiveRows) -> None:
        """Take in the next rows of the group."""
        compared = {name: texts for name, texts in rows.texts.items() if self._domain(name).usable}
        by_domain = {f"domain.{name}": self._domain(name).values(texts) for name, texts in compared.items()}
        complete = replace(rows, numbers={**rows.numbers, **by_domain})
        values = self.detector.streams.values(complete, self.detector.state.row)
        for crossing in self.detector.update(rows.ids, rows.times, values):
            known = self.open.get(crossing.column)
            if known is not None and crossing.row <= known.over_at:
                self.open[crossing.column] = OpenAlarm(known.first, crossing)
            else:
                self.open[crossing.column] = OpenAlarm(crossing, crossing)
        self.open = {c: a for c, a in self.open.items() if a.over_at >= self.detector.state.row}

    def restore_domain(self, name: str, saved: SavedDomain) -> None:
        """Resume a classifier."""
        self._domain(name).restore(saved.used, saved.turn)

    def _domain(self, name: str) -> DomainClassifier:
        if name not in self.domains:
            self.domains[name] = DomainClassifier(self.detector.streams.samples.get(name, ()))
        return self.domains[name]

    def alarms(self, group: RowGroup) -> list[Alarm]:
        """The open alarms, the strongest evidence first."""
        return sorted((self._alarm(group, a) for a in self.open.values()), key=lambda a: -a.evidence)

    def _alarm(self, group: RowGroup, alarm: OpenAlarm) -> Alarm:
        first, streams = alarm.first, self.detector.streams
        stream, column = streams.streams[first.stream], streams.columns[first.column]
        counted = self.detector.moments(first.stream)
        since = counted.minus(first.origin.before)
        after = counted.minus(first.counted) if first.counted is not None else None
        direction: Direction = "down" if first.direction else "up"
        return Alarm(
            kind=alarm_kind(stream),
            column=column.name,
            group=group,
            evidence=max(first.evidence, alarm.last.evidence),
            effect=effect(stream, column, since, after),
            expected=stream.mean,
            direction=direction,
            since_row=first.origin.row,
            since_time=first.origin.time,
            row=first.row,
            time=first.time,
            rows=int(since.rows),
            sample=first.ids,
            category=stream.category,
            threshold=self.detector.threshold,
            ends_after=max(alarm.over_at - self.detector.state.row + 1, 0),
        )


FORMAT: Final = 1


@dataclass(frozen=True)
class SavedGroup:
    """The state of one group as JSON."""

    version: str
    slice: str
    streams: list[str]
    state: dict[str, JsonValue]
    open: list[OpenAlarm]
    domains: dict[str, SavedDomain]


@dataclass(frozen=True)
class SavedGroups:
    """The state of a monitor as JSON."""

    version: Literal[1]
    groups: list[SavedGroup]


_SAVED: Final = TypeAdapter(SavedGroups)


@dataclass
class DriftMonitor:
    """All groups. Groups that divide the rows among them, like versions, share the budget without a correction.

    `divisions` is the number of ways in which rows are divided: 1 for all rows alone, one more for a column of slices.
    """

    streams: Mapping[str, Streams]
    """By version; `""` is for versions without streams of their own."""
    budget: Budget
    divisions: int = 1
    slices: Mapping[str, Mapping[str, Streams]] = field(default_factory=dict)
    """By version and slice: the streams of its rows, which are not distributed as all rows are. Other slices are not
    judged. `""` is for versions without slices of their own."""
    groups: dict[RowGroup, Watched] = field(default_factory=dict)

    def threshold(self, streams: Streams) -> float:
        """The evidence at which a single column raises an alarm."""
        return self.budget.rows * max(len(streams.columns), 1) * self.divisions

    def update(self, group: RowGroup, rows: LiveRows) -> None:
        """Take in the next rows of one group, in the order of time."""
        if not group.slice or self._slice(group) is not None:
            self._watched(group).update(rows)

    def _slice(self, group: RowGroup) -> Streams | None:
        return self.slices.get(group.version, self.slices.get("", {})).get(group.slice)

    def _watched(self, group: RowGroup) -> Watched:
        if group not in self.groups:
            of_rows = self.streams.get(group.version) or self.streams[""]
            streams = self._slice(group) or of_rows
            state = DetectorState.empty(len(streams.streams))
            self.groups[group] = Watched(Detector(streams, self.threshold(streams), state))
        return self.groups[group]

    def alarms(self) -> list[Alarm]:
        """The open alarms of all groups."""
        return [alarm for group, watched in self.groups.items() for alarm in watched.alarms(group)]

    def scores(self) -> list[ColumnScore]:
        """The evidence of each column of all groups."""
        return [
            ColumnScore(group, column.name, float(evidence), watched.detector.threshold)
            for group, watched in self.groups.items()
            for column, evidence in zip(
                watched.detector.streams.columns, watched.detector.evidence().tolist(), strict=True
            )
        ]

    def to_json(self) -> str:
        """The state of all groups."""
        groups = [
            {
                "version": group.version,
                "slice": group.slice,
                "streams": stream_names(watched.detector.streams),
                "state": watched.detector.state.to_json(),
                "open": [asdict(alarm) for alarm in watched.open.values()],
                "domains": {name: domain.to_json() for name, domain in watched.domains.items()},
            }
            for group, watched in self.groups.items()
        ]
        return json.dumps({"version": FORMAT, "groups": groups})

    def restore(self, text: str, keeps: Callable[[RowGroup], bool] = lambda _: True) -> None:
        """Resume from `to_json` the groups for which `keeps` is true and whose streams are the same.

        The others start again. Raises ValueError if damaged.
        """
        for saved in _SAVED.validate_json(text).groups:
            group = RowGroup(saved.version, saved.slice)
            if not keeps(group) or (group.slice and self._slice(group) is None):
                continue
            watched = self._watched(group)
            if stream_names(watched.detector.streams) == saved.streams:
                watched.detector.state = DetectorState.from_json(saved.state)
                watched.open = {alarm.first.column: alarm for alarm in saved.open}
                for name, domain in saved.domains.items():
                    watched.restore_domain(name, domain)


def stream_names(streams: Streams) -> list[str]:
    """What identifies the streams: their columns, kinds and categories."""
    return [" ".join(filter(None, (s.column, s.kind, s.category))) for s in streams.streams]
