"""The alarms that fire, with their facts and rows that show them: of traffic, of drift, and of quality."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import pyarrow as pa

from mlspec.monitoring.alert_intervals import expected_count, percentile_ranks
from mlspec.monitoring.drift.drift_alarm import Alarm, EffectUnit, column_title
from mlspec.monitoring.monitor_state import ActiveAlarm, AlarmFacts, FactUnit
from mlspec.monitoring.panel_data import RunQuery, ViewedRange
from mlspec.monitoring.quality.diagnosis import PREDICTIONS, diagnose
from mlspec.monitoring.quality.live_quality import wilson
from mlspec.monitoring.quality_losses import InSlice
from mlspec.monitoring.quality_state import QualityLook, VersionQuality, change_of_loss
from mlspec.monitoring.queries import sql
from mlspec.monitoring.queries.alerts import HELP, Alert
from mlspec.monitoring.queries.measure import Counted, Measure, Percentile, Rate
from mlspec.monitoring.queries.query import Grouping
from mlspec.monitoring.slice_quality import SliceQuality
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.render.formatting import metric_value, number, share

EXAMPLES: Final = 20
"""Rows that show an alarm."""
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
Examples = tuple[tuple[tuple[str, str], ...], ...]
_UNITS: Final[Mapping[EffectUnit, FactUnit]] = {"sd": "sd", "ratio": "ratio", "share": "fraction"}
_REQUEST: Final = ("time", "request_id", "version", "route", "status", "outcome", "error", "latency_ms")
"""What is shown of a request."""


@dataclass(frozen=True)
class ActiveAlarms:
    """Makes the alarms of one model at one moment. `run` queries its store."""

    model: WatchedModel
    run: RunQuery
    now: datetime
    viewed: ViewedRange
    known: Mapping[str, datetime] = field(default_factory=dict)
    """Since when the alarms of the last run fire, by id."""

    def service(self) -> Iterator[ActiveAlarm]:
        """Alerts of the spec whose condition holds."""
        for alert in self.model.alerts:
            window = self.now - timedelta(seconds=alert.window)
            for row in self.run(sql.rule(alert, self.model.shape), [window, self.now]).to_pylist():
                groups = {g.value: str(row[g.value]) for g in (Grouping.VERSION, Grouping.COLUMN) if row.get(g.value)}
                value, *_ = measured = _measured(alert, row)
                ends = self._percentile(alert.measure, groups, window)
                yield self._service(alert, groups, (value, *ends) if ends else measured, window)

    def _began(self, alert: Alert, groups: dict[str, str], window: datetime) -> datetime:
        """The first record that the alert is about after the last time it was healthy; of silence the last request.

        Before the present `window`, stretches of its length are judged: those with too few requests are skipped.
        """
        if alert.silence:
            (last,) = self.run(sql.LAST_REQUEST, [_FIRST, self.now])["last"].to_pylist()
            return last or window
        column = groups.get(Grouping.COLUMN.value, "")
        version = groups.get(Grouping.VERSION.value, "")
        began = self._violated_since(sql.stretches(alert, self.model.shape, column), version, window)
        (first,) = self.run(sql.beginning(alert, self.model.shape, column), [began, self.now, version])[
            "first"
        ].to_pylist()
        return first or began

    def _violated_since(self, stretches: str, version: str, window: datetime) -> datetime:
        """The beginning of the first stretch after the last healthy one."""
        (oldest,) = self.run("SELECT MIN(time) AS oldest FROM predictions")["oldest"].to_pylist()
        days = 1
        while True:  # most alarms are short, and the whole log is long
            since, began = window - timedelta(days=days), window
            for row in reversed(self.run(stretches, [since, window, version]).to_pylist()):
                if not row["violates"]:
                    return began
                began = row["time"]
            if oldest is None or since <= oldest:
                return began
            days *= 8

    def _percentile(self, measure: Measure, groups: dict[str, str], since: datetime) -> tuple[float, float] | None:
        """The ends of the interval of a percentile; None of other measures, and where there are too few requests."""
        if not isinstance(measure, Percentile):
            return None
        of = [since, self.now, groups.get(Grouping.VERSION.value, "")]
        (count,) = self.run(sql.ordered(measure, ()), of)["value"].to_pylist()
        ranks = percentile_ranks(count, measure.percent / 100)
        if ranks is None:
            return None
        low, *_, high = self.run(sql.ordered(measure, ranks), of)["value"].to_pylist()
        return low, high

    def _service(
        self, alert: Alert, groups: dict[str, str], measured: tuple[float, float | None, float | None], window: datetime
    ) -> ActiveAlarm:
        where = ", ".join(f"{name} {value}" for name, value in groups.items())
        value, low, high = measured
        fraction = alert.measure.unit == "fraction"
        form = share if fraction else number
        interval = "" if low is None else f" ({form(low)} to {form(high)})"
        minutes = alert.window // 60 or 1
        text = f"{alert.title}: {form(value)}{interval} in the last {minutes} min; the limit is {alert.sign} "
        unit: FactUnit = "fraction" if fraction else "milliseconds" if alert.name == "latency" else "count"
        id = "/".join((alert.name, *groups.values()))
        return ActiveAlarm(
            id=id,
            group="service",
            title=f"{alert.title} ({where})" if where else alert.title,
            text=f"{text}{form(alert.limit)}.",
            since=self.known.get(id) or self._began(alert, groups, window),
            help=HELP[alert.name],
            examples=self._requests(alert, groups, window),
            facts=AlarmFacts(
                column=groups.get(Grouping.COLUMN.value, ""),
                version=groups.get(Grouping.VERSION.value, ""),
                direction="up" if alert.sign.startswith(">") else "down",
                size=value,
                low=low,
                high=high,
                unit=unit,
                basis=f"the last {minutes} min",
                expected=alert.limit,
                end="ends when the condition no longer holds",
            ),
        )

    def _requests(self, alert: Alert, groups: dict[str, str], since: datetime) -> Examples:
        column = groups.get(Grouping.COLUMN.value, "")
        text = sql.showing(alert, self.model.shape, column, EXAMPLES)
        if text is None:
            return ()
        rows = self.run(text, [since, self.now, groups.get(Grouping.VERSION.value, "")]).to_pylist()
        if isinstance(alert.measure, Rate) and alert.measure.part in (Counted.UNSURE, Counted.MISSING, Counted.UNSEEN):
            return self._shown(rows, f"input.{column}")
        return tuple(tuple((name, _shown(row[name])) for name in _REQUEST if name in row) for row in rows)

    def drift(self, alarms: Sequence[Alarm], quality: QualityLook) -> Iterator[ActiveAlarm]:
        """One for each column, version and slice that moved."""
        known = {each.version: each for each in quality.versions}
        for alarm in alarms:
            labelled = known.get(alarm.group.version)
            cost = labelled.words() if labelled else "unknown whether it is harmful: no labels"
            where = "/".join(filter(None, (alarm.group.version, alarm.group.slice)))
            title = f"{column_title(alarm.column)} {alarm.kind if alarm.kind != 'category' else 'moved'}"
            yield ActiveAlarm(
                id="/".join(filter(None, ("drift", alarm.kind, alarm.column, alarm.category, where))),
                group="moved",
                title=f"{title} ({alarm.group.words()})" if alarm.group.words() else title,
                text=_sentences(alarm.words(), cost, f"the size is {alarm.effect.basis()}", f"the alarm {alarm.end()}"),
                since=moment(alarm.since_time, self.now),
                help=_drift_help(labelled),
                examples=self._drifted(alarm),
                facts=_drift_facts(alarm),
            )

    def _drifted(self, alarm: Alarm) -> Examples:
        """The rows that show a drift, the column that moved first."""
        ids = list(alarm.sample[-EXAMPLES:])
        if not ids:
            return ()
        marks = ", ".join("?" * len(ids))
        rows = self.run(f"SELECT * FROM predictions WHERE CAST(id AS VARCHAR) IN ({marks}) ORDER BY time", ids)
        kind, _, name = alarm.column.partition(".")
        return self._shown(rows.to_pylist(), f"input.{name}" if kind in ("unseen", "domain") else alarm.column)

    def harmful(
        self, quality: QualityLook, moved: Sequence[Alarm], uncompared: Mapping[str, str]
    ) -> Iterator[ActiveAlarm]:
        """One for each version whose quality fell, with the cause as far as it is known.

        `uncompared`: why the inputs of a version are compared with nothing.
        """
        for each in quality.harmful:
            own = [a for a in moved if a.group.version == each.version]
            yield self._harmful(each, own, uncompared.get(each.version, ""))

    def _harmful(self, each: VersionQuality, moved: Sequence[Alarm], uncompared: str) -> ActiveAlarm:
        diagnosis = diagnose(moved, each.risk, uncompared=uncompared)
        inputs = _inputs_words(moved, uncompared, "the inputs have not moved: they have other labels now")
        metric = each.measured.metric if each.measured else "quality"
        measured = each.measured.words() if each.measured else "no labels in this range of time"
        since = change_of_loss(self.model, self.run, each.version) or self.now
        return ActiveAlarm(
            id=f"quality/{each.version}",
            group="harmful",
            title=f"{metric[:1].upper()}{metric[1:]} is worse than on the test split (version {each.version})",
            text=f"{diagnosis.cause}: {measured}, {metric_value(each.expected)} on the test split; {inputs}.",
            since=since,
            help=diagnosis.help,
            examples=self._wrong(each.version, since),
            facts=_harm_facts(each, each.expected),
        )

    def slices(
        self, slices: Sequence[SliceQuality], moved: Sequence[Alarm], uncompared: Mapping[str, str]
    ) -> Iterator[ActiveAlarm]:
        """One for each slice whose quality fell."""
        for each in slices:
            metric = each.measured.metric if each.measured else "quality"
            measured = each.measured.words() if each.measured else "no labels in this range of time"
            own = [a for a in moved if a.group.version == each.version and a.group.slice in ("", each.slice)]
            inputs = _inputs_words(own, uncompared.get(each.version, ""), "the inputs have not moved")
            yield ActiveAlarm(
                id=f"quality/{each.version}/{each.slice}",
                group="harmful",
                title=f"{metric[:1].upper()}{metric[1:]} of {each.slice} is worse than {each.before} "
                f"(version {each.version})",
                text=_sentences(
                    f"{measured[:1].upper()}{measured[1:]} with {each.slice}, "
                    f"{metric_value(each.expected)} {each.before}",
                    "the quality of all rows of the version has not fallen beyond the tolerance",
                    inputs,
                ),
                since=each.since,
                help="examine the rows, then train with more labelled rows of this slice: `mlspec monitor retrain`",
                examples=self._wrong(each.version, each.since, each.rows),
                facts=_harm_facts(each, each.expected),
            )

    def _wrong(self, version: str, since: datetime, slice: InSlice | None = None) -> Examples:
        """The newest labelled rows on which the model is wrong, or the largest errors."""
        labels = bool(self.model.signature.labels)
        condition, order = ("label <> actual", "time DESC") if labels else ("true", "ABS(value - actual) DESC")
        inside = f" AND {slice.expression} = ?" if slice else ""
        rows = self.run(
            f"SELECT p.* FROM labelled p WHERE version = ? AND time >= ? AND {condition}{inside} ORDER BY {order}, id "
            f"LIMIT {EXAMPLES}",
            [version, min(since, self.viewed.until), *([slice.value] if slice else [])],
        )
        return self._shown(rows.to_pylist(), "actual")

    def _shown(self, rows: Sequence[Mapping[str, object]], first: str) -> Examples:
        inputs = [f"input.{name}" for name, _ in self.model.shape.inputs]
        ordered = dict.fromkeys((first, *inputs, "label", "score", "value"))
        names = [name for name in ordered if rows and name in rows[0]]
        return tuple(
            (("time", _shown(row["time"])), *((column_title(name), _shown(row[name])) for name in names))
            for row in rows
        )


def _measured(alert: Alert, row: Mapping[str, object]) -> tuple[float, float | None, float | None]:
    """The value; the 95 % interval of a rate, and of the requests that are expected where none came."""
    value, enough = row["measured"], row.get("enough")
    measured = float(value) if isinstance(value, int | float) else 0.0
    if alert.silence:
        return measured, *expected_count(round(measured))
    if not isinstance(alert.measure, Rate) or not isinstance(enough, int | float) or enough < 1:
        return measured, None, None
    return measured, *wilson(round(measured * enough), round(enough))


def _drift_help(labelled: VersionQuality | None) -> str:
    if labelled is not None and labelled.risk.state == "harmful":
        return "examine the rows, then train on the new labels: `mlspec monitor retrain`; or go back: `mlspec rollback`"
    more = "more labels of predictions since the change" if labelled is not None else "labels"
    return f"examine the rows; to measure what the change costs, add {more}: `mlspec labels add FILE`"


def _drift_facts(alarm: Alarm) -> AlarmFacts:
    return AlarmFacts(
        column=column_title(alarm.column),
        version=alarm.group.version,
        slice=alarm.group.slice,
        direction=alarm.direction,
        size=alarm.effect.size,
        low=alarm.effect.low,
        high=alarm.effect.high,
        unit=_UNITS[alarm.effect.unit],
        basis=alarm.effect.basis(),
        expected=alarm.expected if alarm.effect.unit == "share" else None,
        evidence=alarm.evidence,
        threshold=alarm.threshold,
        rows=alarm.rows,
        end=alarm.end(),
    )


def _harm_facts(each: VersionQuality | SliceQuality, expected: float) -> AlarmFacts:
    measured = each.measured
    fraction = measured is not None and measured.metric == "accuracy"
    return AlarmFacts(
        version=each.version,
        slice=each.slice if isinstance(each, SliceQuality) else "",
        direction="down" if fraction else "up",
        size=measured.value if measured else None,
        low=measured.low if measured else None,
        high=measured.high if measured else None,
        unit="fraction" if fraction else "number",
        basis=f"measured on {measured.rows:,} labelled rows" if measured else "",
        expected=expected,
        evidence=each.evidence,
        threshold=each.threshold,
        rows=each.risk.rows,
        end="ends when another model is deployed, since the loss of this version is measured from its first label on",
    )


def _inputs_words(moved: Sequence[Alarm], uncompared: str, unmoved: str) -> str:
    """What is known of the inputs: those that moved, else why it is unknown, else `unmoved`."""
    names = ", ".join(dict.fromkeys(column_title(a.column) for a in moved if a.column not in PREDICTIONS))
    if names:
        return f"inputs that moved: {names}"
    return f"unknown whether the inputs have moved: {uncompared}" if uncompared else unmoved


def _sentences(*parts: str) -> str:
    """Each part as a sentence."""
    first, *rest = parts
    return " ".join([f"{first}.", *(f"{part[:1].upper()}{part[1:]}." for part in rest)])


def moment(seconds: float, now: datetime) -> datetime:
    """Seconds since 1970 as a time; `now` for what is not a time."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return now


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return number(value) if isinstance(value, float) else str(value)[:200]


def labelled_since(run: RunQuery, alarm: Alarm, now: datetime) -> int:
    """The labelled rows of a version since a change."""
    table: pa.Table = run(
        "SELECT COUNT(*) FROM labelled WHERE version = ? AND time >= ?",
        [alarm.group.version, moment(alarm.since_time, now)],
    )
    return int(table.column(0)[0].as_py())
