"""The state of a served model as one HTML page without external resources. All markup is in `templates/monitor/`."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import jinja2
from markupsafe import Markup

from mlspec.monitoring.monitor_state import Level, MonitorState, PanelUnit, PanelView
from mlspec.render.environment import templates_folder
from mlspec.report import formatting
from mlspec.report.time_chart import TimeRange, line_chart, shown, stacked_chart

_KINDS: dict[Level, str] = {"good": "good", "warn": "warn", "bad": "bad", "unknown": "info"}


@dataclass(frozen=True, slots=True)
class StateVerdict:
    """The first lines of the page."""

    kind: str
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class DrawnPanel:
    """A chart with its title; without a chart the reason why there is none."""

    id: str
    title: str
    question: str
    chart: Markup | None
    empty: str


@dataclass(frozen=True, slots=True)
class DrawnTable:
    """A table of formatted cells."""

    id: str
    title: str
    question: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str


def monitor_page(state: MonitorState, *, refresh: int = 0) -> str:
    """The page; with `refresh` it fetches itself again after that many seconds."""
    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_folder()),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("number", "share", "count", "plural"):
        jinja.filters[name] = getattr(formatting, name)
    jinja.filters["moment"] = _moment
    names = ("report/script.js.j2", "monitor/live.js.j2") if refresh else ("report/script.js.j2",)
    script = "\n".join(jinja.get_template(name).render() for name in names)
    time = TimeRange(state.since, state.until, state.deployments)
    return jinja.get_template("monitor/page.html.j2").render(
        state=state,
        verdict=state_verdict(state),
        charts=[_drawn(panel, time) for panel in state.panels if panel.chart in ("lines", "stacked", "shares")],
        tables=[_table(panel) for panel in state.panels if panel.chart == "table"],
        refresh=refresh,
        script=Markup(script),  # noqa: S704 - from our templates, without data
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def state_verdict(state: MonitorState) -> StateVerdict:
    """The state in one line, with the alarms or what is not known below."""
    count = len(state.alarms)
    if count:
        names = ", ".join(alarm.title for alarm in state.alarms[:4])
        rest = f" and {count - 4} more" if count > 4 else ""
        return StateVerdict("bad", f"{count} alarm{'s' * (count != 1)}", f"{names}{rest}")
    poor = [signal for signal in state.signals if signal.level in ("bad", "warn", "unknown")]
    detail = "; ".join(f"{signal.question} {signal.answer}" for signal in poor)
    titles: dict[Level, str] = {
        "good": "No alarm", "warn": "No alarm, with warnings", "bad": "No alarm, but not well", "unknown": "No alarm"
    }  # fmt: skip
    return StateVerdict(_KINDS[state.level], titles[state.level], detail)


def _drawn(panel: PanelView, time: TimeRange) -> DrawnPanel:
    chart = _chart(panel, time) if any(line.points for line in panel.lines) else None
    return DrawnPanel(panel.id, panel.title, panel.question, chart, panel.empty or "Nothing was measured.")


def _chart(panel: PanelView, time: TimeRange) -> Markup:
    unit: PanelUnit = panel.units[0] if panel.units else "number"
    kind: Literal["number", "lines", "stacked", "shares", "table"] = panel.chart
    if kind == "lines":
        return line_chart(panel.title, panel.lines, unit, time, panel.limits)
    return stacked_chart(panel.title, panel.lines, unit, time, shares=kind == "shares")


def _table(panel: PanelView) -> DrawnTable:
    rows = tuple(
        (str(row[0]), *(_cell(cell, unit) for cell, unit in zip(row[1:], panel.units, strict=True)))
        for row in panel.cells
    )
    return DrawnTable(panel.id, panel.title, panel.question, panel.heads, rows, panel.empty or "Nothing was measured.")


def _cell(value: str | float | None, unit: PanelUnit) -> str:
    return value if isinstance(value, str) else "" if value is None else shown(value, unit)


def _moment(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M")
