"""The state of a served model for the terminal, and as JSON."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import accumulate

from mlspec.cli.console import Console
from mlspec.monitoring.drift.drift_alarm import threshold_words
from mlspec.monitoring.monitor_state import (
    ActiveAlarm,
    FeatureView,
    LabelMix,
    LabelShareView,
    Level,
    MonitorState,
    PanelView,
    VersionDiagnosis,
)
from mlspec.render.formatting import rounded, share
from mlspec.report.monitor_words import (
    QUALITY_HEADS,
    corrected_words,
    label_words,
    lacking_words,
    measure_words,
    not_estimated,
    quality_cells,
    quality_title,
    shift_words,
    worse_slices,
)
from mlspec.report.time_chart import shown

ROWS = 20
"""Rows that show the alarms, shared among them."""
_WIDTH = 100
_COLOURS: dict[Level, str] = {"good": "green", "warn": "yellow", "bad": "red", "unknown": "dim"}
_NOTABLE = 0.05
"""A smaller difference of the estimated share of a label from training is left out."""
_LABELS = 8
"""Labels whose estimated shares are all named."""
_IN_TABLE = ("accuracy", "mean absolute error")
"""What the table of the quality has."""
_OWN_LINES = ("measures", "slices")
"""Tables of the page of which the text has lines of its own."""
_SPACE = "\x1f"
_CELL = 20
"""Characters of a value in a table of rows."""


def show_state(console: Console, state: MonitorState, rows: int = ROWS) -> None:
    """Print the four answers, what they say about each version, the alarms, and the numbers behind them."""
    for line in _state(console, state, rows):
        console.out(line)
    for note in state.notes:
        console.say(f"{console.paint('note', 'yellow')}: {note}")


def _state(console: Console, state: MonitorState, rows: int) -> Iterator[str]:
    name = f"{state.project} ({state.environment})" if state.environment else state.project
    yield f"{name}, {state.since:%Y-%m-%d %H:%M} to {state.until:%Y-%m-%d %H:%M} UTC"
    yield ""
    yield from _signals(console, state)
    for diagnosis in state.diagnoses:
        yield from _diagnosis(console, diagnosis)
    showing = sum(bool(alarm.examples) for alarm in state.alarms)
    each = max(rows // showing, 1) if rows and showing else 0
    for alarm in state.alarms:
        yield ""
        yield from _alarm(console, alarm, each)
    for panel in state.panels:
        if panel.chart == "table" and panel.cells and panel.id not in _OWN_LINES:
            yield ""
            yield from _panel(panel)
    yield from _quality(state)
    yield from _measures(state)
    yield from _features(state)


def _signals(console: Console, state: MonitorState) -> Iterator[str]:
    widest = max((len(signal.question) for signal in state.signals), default=0)
    answers = max((len(signal.answer) for signal in state.signals), default=0)
    indent = widest + answers + 6
    for signal in state.signals:
        answer = console.paint(f"{signal.answer:{answers}}", _COLOURS[signal.level], stream="out")
        first, *more = textwrap.wrap(signal.detail, max(_WIDTH - indent, 40)) or [""]
        yield f"  {signal.question:{widest}}  {answer}  {first}".rstrip()
        yield from (f"{'':{indent}}{line}" for line in more)


def _diagnosis(console: Console, diagnosis: VersionDiagnosis) -> Iterator[str]:
    """What is to be decided about a version; one that has not changed is left out."""
    if diagnosis.cause == "unchanged":
        return
    yield ""
    colour = "yellow" if diagnosis.cause == "benign drift" else "red"
    yield f"version {diagnosis.version}: {console.paint(diagnosis.title, colour, stream='out')}"
    for sentence in diagnosis.sentences:
        yield from _wrapped(sentence)
    if diagnosis.help:
        yield from _wrapped(f"= help: {diagnosis.help}")


def _alarm(console: Console, alarm: ActiveAlarm, rows: int) -> Iterator[str]:
    mark = console.paint("alarm", "red", "bold", stream="out")
    yield f"{mark}[{alarm.group}]: {alarm.title}, since {alarm.since:%Y-%m-%d %H:%M}"
    yield from _wrapped(alarm.text)
    if rows and alarm.examples:
        newest = alarm.examples[-rows:]
        of = f" of {len(alarm.examples)}" if len(newest) < len(alarm.examples) else ""
        yield f"  {len(newest)}{of} rows that show it:"
        yield from _table([name for name, _ in newest[0]], [[value for _, value in row] for row in newest])
    if alarm.help:
        yield from _wrapped(f"= help: {alarm.help}")


def _wrapped(text: str) -> list[str]:
    """The lines of a text, which keep a command in backticks whole."""
    whole = re.sub("`[^`]*`", lambda command: command[0].replace(" ", _SPACE), text)
    lines = textwrap.wrap(whole, _WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    return [line.replace(_SPACE, " ") for line in lines]


def _panel(panel: PanelView) -> Iterator[str]:
    rows = [
        (
            *map(str, row[: panel.names]),
            *(c if isinstance(c, str) else shown(c, u) for c, u in zip(row[panel.names :], panel.units, strict=True)),
        )
        for row in panel.cells
    ]
    widths = [max(len(cell) for cell in column) for column in zip(panel.heads, *rows, strict=True)]
    for cells in (panel.heads, *rows):
        first, *rest = (
            f"{c:<{w}}" if i < panel.names else f"{c:>{w}}" for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        )
        yield f"  {'  '.join((first, *rest))}".rstrip()


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table of text; long cells are cut, and columns beyond the width are left out."""
    cells = [[_cut(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    used = sum(4 + end - 2 <= _WIDTH for end in accumulate(width + 2 for width in widths))
    for row in cells:
        yield f"    {'  '.join(f'{c:{w}}' for c, w in zip(row[:used], widths, strict=False))}".rstrip()


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _CELL else f"{line[: _CELL - 3]}..."


def _quality(state: MonitorState) -> Iterator[str]:
    """Measured with labels by version and the slices that are worse than it; expected without them."""
    worse = worse_slices(state.quality)
    pairs = zip(state.quality, quality_cells(state), strict=True)
    kept = [cells[:-1] for view, cells in pairs if not view.slice or view in worse]
    if not kept:
        return
    yield ""
    yield f"{quality_title(state)}, with 95 % intervals" + (" (slices: those that are worse)" if worse else "")
    yield from _aligned([QUALITY_HEADS[:-1], *kept])
    if state.estimate_assumption:
        yield from _wrapped(f"What is expected without labels {state.estimate_assumption}.")
    if state.label_bias:
        yield from _wrapped(f"{state.label_bias[:1].upper()}{state.label_bias[1:]}.")
    for sentence in lacking_words(state):
        yield from _wrapped(sentence)
    for mix in state.label_mixes:
        yield from _label_mix(mix)
    if assumptions := {mix.assumption for mix in state.label_mixes if any(map(_differs, mix.shares))}:
        yield from _wrapped(f"The estimate of shares {assumptions.pop()}.")


def _label_mix(mix: LabelMix) -> Iterator[str]:
    """The estimated shares of the labels if one differs from training; of many labels those that differ most."""
    if mix.problem:
        yield from _wrapped(not_estimated(mix))
    differing = sorted(filter(_differs, mix.shares), key=lambda view: -_distance(view))
    if not differing:
        return
    few = len(mix.shares) <= _LABELS
    named = mix.shares if few else differing[:_LABELS]
    parts = [f"{view.label} {label_words(view)[1]}, {share(view.training)} in training" for view in named]
    if left := 0 if few else len(differing) - len(named):
        parts.append(f"and {left} more (in --json)")
    of = "" if few else f" that differ from training ({len(differing)} of {len(mix.shares)})"
    yield from _wrapped(f"Estimated shares of the true labels of version {mix.version}{of}: {'; '.join(parts)}.")
    if corrected := corrected_words(mix):
        yield from _wrapped(corrected)


def _differs(view: LabelShareView) -> bool:
    """Whether the share is another than in training, and not by chance."""
    low, high = view.estimated_interval or (view.estimated, view.estimated)
    inside = low is not None and high is not None and low <= view.training <= high
    return _distance(view) > _NOTABLE and not inside


def _distance(view: LabelShareView) -> float:
    """Of the estimate from the share in training; 0 without one."""
    return 0.0 if view.estimated is None else abs(view.estimated - view.training)


def _measures(state: MonitorState) -> Iterator[str]:
    """The measures that are not in the table of the quality: measured, and as they are expected without labels."""
    others = [view for view in state.measures if not view.label and view.metric not in _IN_TABLE]
    if others:
        yield ""
    for view in others:
        yield from _wrapped(f"version {view.version}: {measure_words(view)}")
    labels = dict.fromkeys((view.version, view.label) for view in state.measures if view.label)
    if labels:
        yield ""
        count = len({label for _, label in labels})
        few = all(len(mix.shares) <= count for mix in state.label_mixes)
        which = "each label" if few else f"the {count} labels that are predicted most"
        yield f"Quality of {which}, with 95 % intervals"
    for version, label in labels:
        parts = [measure_words(view) for view in state.measures if (view.version, view.label) == (version, label)]
        yield from _wrapped(f"version {version}, {label}: {'; '.join(parts)}")


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield f"  {'  '.join(f'{cell:{width}}' for cell, width in zip(row, widths, strict=True))}".rstrip()


def _features(state: MonitorState) -> Iterator[str]:
    """The columns that differ from training, with the numbers net of their noise."""
    poor = [feature for feature in state.features if feature.state in ("bad", "warn")]
    if not poor:
        return
    yield ""
    yield "Columns that differ from training (PSI, KS and Cramer's V are net of their noise)"
    heads = ("column", "version", "rows", "missing", "unseen", "PSI", "KS", "Cramer's V", "evidence")
    rows = [_cells(feature) for feature in poor]
    yield from _aligned([heads, *rows])
    if state.evidence_threshold is not None:
        yield from _wrapped(threshold_words(state.evidence_threshold))


def _cells(feature: FeatureView) -> tuple[str, ...]:
    shifts = (shift_words(shift) for shift in (feature.psi, feature.ks, feature.chi_square))
    shares = (share(feature.missing), share(feature.unseen))
    evidence = "" if feature.evidence is None else rounded(feature.evidence)
    return (feature.title, feature.version, f"{feature.rows:,}", *shares, *shifts, evidence)


def _feature(feature: FeatureView) -> dict[str, object]:
    shifts = {"psi": feature.psi, "ks": feature.ks, "chi_square": feature.chi_square}
    known = {name: asdict(shift) | {"net": shift.net} for name, shift in shifts.items() if shift}
    return asdict(feature) | known


def _over_time(state: MonitorState) -> Iterator[dict[str, object]]:
    """Each measured point of the chart of the quality, with its 95 % interval."""
    for line in (line for panel in state.panels if panel.id == "quality" for line in panel.lines if line.intervals):
        for (time, value), ends in zip(line.points, line.intervals, strict=True):
            if value is not None:
                low, high = ends or (None, None)
                yield {"line": line.name, "time": time.isoformat(), "value": value, "low": low, "high": high}


def state_json(state: MonitorState) -> dict[str, object]:
    """The stable JSON shape of a state."""
    return {
        "ok": not state.alarms,
        "project": state.project,
        "environment": state.environment,
        "since": state.since.isoformat(),
        "until": state.until.isoformat(),
        "level": state.level,
        "signals": [asdict(signal) for signal in state.signals],
        "diagnoses": [asdict(diagnosis) for diagnosis in state.diagnoses],
        "alarms": [
            asdict(alarm) | {"since": alarm.since.isoformat(), "examples": [dict(row) for row in alarm.examples]}
            for alarm in state.alarms
        ],
        "features": [_feature(feature) for feature in state.features],
        "evidence_threshold": state.evidence_threshold,
        "quality": [asdict(view) | {"labelled_share": view.labelled_share} for view in state.quality],
        "slice_notes": list(state.slice_notes),
        "quality_over_time": [*_over_time(state)],
        "estimates": [asdict(view) | {"assumption": state.estimate_assumption} for view in state.estimates],
        "measures": [asdict(view) for view in state.measures],
        "label_bias": state.label_bias,
        "label_mixes": [asdict(mix) for mix in state.label_mixes],
        "tables": {p.id: [dict(zip(p.heads, row, strict=True)) for row in p.cells] for p in state.panels if p.cells},
        "deployments": [{"time": time.isoformat(), "version": version} for time, version in state.deployments],
        "budget": state.budget,
        "notes": list(state.notes),
        "dropped": {place: dict(counts) for place, counts in state.dropped.items()},
    }
