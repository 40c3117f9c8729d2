"""The state of a served model as one HTML page without external resources. All markup is in `templates/monitor/`."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from markupsafe import Markup

from mlspec.monitoring.monitor_state import ActiveAlarm, Level, MonitorState, PanelUnit, PanelView, VersionDiagnosis
from mlspec.report.monitor_tables import monitor_tables
from mlspec.report.monitor_words import fact_words
from mlspec.report.page_environment import moment, page_environment
from mlspec.report.time_chart import TimeRange, line_chart, stacked_chart

_QUIET: Final = ("unchanged", "not compared")
"""Causes about which nothing has to be decided."""
_LISTED = 6
"""Alarms and columns that the first lines name."""
_KINDS: dict[Level, str] = {"good": "good", "warn": "warn", "bad": "bad", "unknown": "info"}


@dataclass(frozen=True, slots=True)
class AlarmLink:
    """An alarm in the first lines of the page."""

    anchor: str
    title: str
    since: str


@dataclass(frozen=True, slots=True)
class StateVerdict:
    """The first lines of the page: since when, which version and which columns, and the alarms."""

    kind: str
    title: str
    detail: str
    facts: tuple[str, ...] = ()
    alarms: tuple[AlarmLink, ...] = ()
    more: int = 0
    """Alarms that are not listed."""


@dataclass(frozen=True, slots=True)
class DrawnAlarm:
    """An alarm with its facts in words."""

    anchor: str
    title: str
    group: str
    since: str
    text: str
    help: str
    facts: tuple[tuple[str, str], ...]
    examples: tuple[tuple[tuple[str, str], ...], ...]


@dataclass(frozen=True, slots=True)
class VersionDecision:
    """What is to be decided about a version."""

    version: str
    kind: str
    title: str
    sentences: tuple[str, ...]
    help: str


@dataclass(frozen=True, slots=True)
class DrawnPanel:
    """A chart with its title; without a chart the reason why there is none."""

    id: str
    title: str
    question: str
    chart: Markup | None
    empty: str


def monitor_page(state: MonitorState, *, refresh: int = 0) -> str:
    """The page; with `refresh` it fetches itself again after that many seconds."""
    jinja = page_environment()
    names = ("report/script.js.j2", "monitor/live.js.j2") if refresh else ("report/script.js.j2",)
    script = "\n".join(jinja.get_template(name).render() for name in names)
    time = TimeRange(state.since, state.until, state.deployments)
    return jinja.get_template("monitor/page.html.j2").render(
        state=state,
        verdict=state_verdict(state),
        charts=[_drawn(panel, time) for panel in state.panels if panel.chart in ("lines", "stacked", "shares")],
        tables=list(monitor_tables(state)),
        alarms=[_alarm(index, alarm) for index, alarm in enumerate(state.alarms)],
        decisions=sorted((_decision(each) for each in state.diagnoses if each.cause not in _QUIET), key=_urgency),
        refresh=refresh,
        script=Markup(script),  # noqa: S704 - from our templates, without data
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def state_verdict(state: MonitorState) -> StateVerdict:
    """The state in one line: since when, which version and which column, or what is not known."""
    if count := len(state.alarms):
        links = [AlarmLink(_anchor(i), alarm.title, moment(alarm.since)) for i, alarm in enumerate(state.alarms)]
        kept = tuple(links[:_LISTED])
        title = f"{count} alarm{'s' * (count != 1)}"
        return StateVerdict("bad", title, "", tuple(_facts(state)), kept, count - len(kept))
    poor = [signal for signal in state.signals if signal.level in ("bad", "warn", "unknown")]
    detail = "; ".join(f"{signal.question} {signal.answer}" for signal in poor)
    titles: dict[Level, str] = {
        "good": "No alarm", "warn": "No alarm, with warnings", "bad": "No alarm, but not well", "unknown": "No alarm"
    }  # fmt: skip
    return StateVerdict(_KINDS[state.level], titles[state.level], detail)


def _facts(state: MonitorState) -> Iterator[str]:
    """Since when, which version, which column."""
    yield f"since {moment(min(alarm.since for alarm in state.alarms))}"
    versions = sorted({alarm.facts.version for alarm in state.alarms if alarm.facts.version})
    if versions:
        yield f"version{'s' * (len(versions) > 1)} {', '.join(versions)}"
    columns = list(dict.fromkeys(alarm.facts.column for alarm in state.alarms if alarm.facts.column))
    if columns:
        more = f" and {len(columns) - _LISTED} more" if len(columns) > _LISTED else ""
        yield f"column{'s' * (len(columns) > 1)} {', '.join(columns[:_LISTED])}{more}"


def _anchor(index: int) -> str:
    return f"alarm-{index + 1}"


def _alarm(index: int, alarm: ActiveAlarm) -> DrawnAlarm:
    facts = tuple(fact_words(alarm.facts))
    since = moment(alarm.since)
    return DrawnAlarm(_anchor(index), alarm.title, alarm.group, since, alarm.text, alarm.help, facts, alarm.examples)


def _decision(each: VersionDiagnosis) -> VersionDecision:
    kind = "warn" if each.cause == "benign drift" else "bad"
    sentences = tuple(f"{sentence[:1].upper()}{sentence[1:]}" for sentence in each.sentences)
    return VersionDecision(each.version, kind, each.title, sentences, each.help)


def _urgency(decision: VersionDecision) -> tuple[bool, str]:
    return decision.kind != "bad", decision.version


def _drawn(panel: PanelView, time: TimeRange) -> DrawnPanel:
    chart = _chart(panel, time) if any(line.points for line in panel.lines) else None
    return DrawnPanel(panel.id, panel.title, panel.question, chart, panel.empty or "Nothing was measured.")


def _chart(panel: PanelView, time: TimeRange) -> Markup:
    unit: PanelUnit = panel.units[0] if panel.units else "number"
    kind: Literal["number", "lines", "stacked", "shares", "table"] = panel.chart
    if kind == "lines":
        return line_chart(panel.title, panel.lines, unit, time, panel.limits)
    return stacked_chart(panel.title, panel.lines, unit, time, shares=kind == "shares")
