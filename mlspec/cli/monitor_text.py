"""The state of a served model for the terminal, and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from mlspec.cli.console import Console
from mlspec.monitoring.monitor_state import ActiveAlarm, Level, MonitorState, PanelView
from mlspec.report.formatting import share
from mlspec.report.time_chart import shown

_WIDTH = 100
_COLOURS: dict[Level, str] = {"good": "green", "warn": "yellow", "bad": "red", "unknown": "dim"}


def show_state(console: Console, state: MonitorState) -> None:
    """Print the four answers, the alarms, the versions, and the inputs that are not as in training."""
    name = f"{state.project} ({state.environment})" if state.environment else state.project
    console.out(f"{name}, {state.since:%Y-%m-%d %H:%M} to {state.until:%Y-%m-%d %H:%M} UTC")
    console.out()
    widest = max((len(signal.question) for signal in state.signals), default=0)
    answers = max((len(signal.answer) for signal in state.signals), default=0)
    for signal in state.signals:
        answer = console.paint(f"{signal.answer:{answers}}", _COLOURS[signal.level], stream="out")
        console.out(f"  {signal.question:{widest}}  {answer}  {signal.detail}".rstrip())
    for alarm in state.alarms:
        console.out()
        for line in _alarm(console, alarm):
            console.out(line)
    for panel in state.panels:
        if panel.chart == "table" and panel.cells:
            console.out()
            for line in _table(panel):
                console.out(line)
    if poor := [feature for feature in state.features if feature.state in ("bad", "warn")]:
        console.out()
        console.out("Inputs that are not as in training")
        for feature in poor:
            missing = f"missing {share(feature.missing)} ({share(feature.missing_reference)} in training)"
            console.out(f"  {feature.name}: {feature.note or missing}")
    for note in state.notes:
        console.say(f"{console.paint('note', 'yellow')}: {note}")


def state_json(state: MonitorState) -> dict[str, object]:
    """The stable JSON shape of a state."""
    return {
        "ok": not state.alarms,
        "project": state.project,
        "environment": state.environment,
        "since": state.since.isoformat(),
        "until": state.until.isoformat(),
        "level": state.level,
        "signals": [
            {"question": s.question, "level": s.level, "answer": s.answer, "detail": s.detail} for s in state.signals
        ],
        "alarms": [
            {
                "id": a.id,
                "group": a.group,
                "title": a.title,
                "text": a.text,
                "since": a.since.isoformat(),
                "help": a.help,
                "examples": [dict(row) for row in a.examples],
            }
            for a in state.alarms
        ],
        "features": [
            {
                "name": f.name,
                "kind": f.kind,
                "rows": f.rows,
                "missing": f.missing,
                "missing_reference": f.missing_reference,
                "unseen": f.unseen,
                "psi": f.psi,
                "ks": f.ks,
                "state": f.state,
                "note": f.note,
            }
            for f in state.features
        ],
        "tables": {p.id: [dict(zip(p.heads, row, strict=True)) for row in p.cells] for p in state.panels if p.cells},
        "deployments": [{"time": time.isoformat(), "version": version} for time, version in state.deployments],
        "budget": state.budget,
        "notes": list(state.notes),
    }


def _alarm(console: Console, alarm: ActiveAlarm) -> Iterator[str]:
    mark = console.paint("alarm", "red", "bold", stream="out")
    yield f"{mark}[{alarm.group}]: {alarm.title}, since {alarm.since:%Y-%m-%d %H:%M}"
    for line in textwrap.wrap(alarm.text, _WIDTH):
        yield f"  {line}"
    if alarm.help:
        yield f"  = help: {alarm.help}"


def _table(panel: PanelView) -> Iterator[str]:
    rows = [
        (str(row[0]), *(c if isinstance(c, str) else shown(c, u) for c, u in zip(row[1:], panel.units, strict=True)))
        for row in panel.cells
    ]
    widths = [max(len(cell) for cell in column) for column in zip(panel.heads, *rows, strict=True)]
    for cells in (panel.heads, *rows):
        first, *rest = (
            f"{c:<{w}}" if i == 0 else f"{c:>{w}}" for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        )
        yield f"  {'  '.join((first, *rest))}".rstrip()
