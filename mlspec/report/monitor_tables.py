"""The tables of the page of a served model: quality by version and slice, the mix of labels, and inputs against
training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlspec.monitoring.drift.drift_alarm import threshold_words
from mlspec.monitoring.monitor_state import FeatureView, Level, MonitorState, PanelUnit, PanelView
from mlspec.render.formatting import DASH, number, rounded, share
from mlspec.report.monitor_words import (
    QUALITY_HEADS,
    corrected_words,
    label_words,
    lacking_words,
    metric_title,
    not_estimated,
    quality_cells,
    quality_title,
    shift_words,
    worse_slices,
)
from mlspec.report.time_chart import shown


@dataclass(frozen=True, slots=True)
class TableHead:
    """The name of a column; of numbers it is aligned to the right."""

    name: str
    number: bool = False
    tip: str = ""


@dataclass(frozen=True, slots=True)
class TableCell:
    """A formatted value; `kind` colours it."""

    text: str
    kind: Level | None = None


@dataclass(frozen=True, slots=True)
class DrawnTable:
    """A table of formatted cells."""

    id: str
    title: str
    question: str
    heads: tuple[TableHead, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    empty: str = ""
    lead: str = ""
    notes: tuple[str, ...] = ()


def monitor_tables(state: MonitorState) -> Iterator[DrawnTable]:
    """All tables in their order."""
    yield from (_panel(panel) for panel in state.panels if panel.chart == "table")
    if state.quality:
        yield _quality(state)
    if state.label_mixes:
        yield _labels(state)
    if state.features:
        yield _features(state)


def _panel(panel: PanelView) -> DrawnTable:
    names = panel.names
    heads = tuple(TableHead(name, index >= names) for index, name in enumerate(panel.heads))
    rows = tuple(
        (
            *(
                TableCell(metric_title(str(name)) if head == "metric" else str(name))
                for head, name in zip(panel.heads, row[:names], strict=False)
            ),
            *(TableCell(_cell(cell, unit)) for cell, unit in zip(row[names:], panel.units, strict=True)),
        )
        for row in panel.cells
    )
    return DrawnTable(panel.id, panel.title, panel.question, heads, rows, panel.empty or "Nothing was measured.")


def _cell(value: str | float | None, unit: PanelUnit) -> str:
    return value if isinstance(value, str) else "" if value is None else shown(value, unit)


def _quality(state: MonitorState) -> DrawnTable:
    heads = tuple(TableHead(name, 1 < index < 5) for index, name in enumerate(QUALITY_HEADS))
    worse = worse_slices(state.quality)
    rows = []
    for view, cells in zip(state.quality, quality_cells(state), strict=True):
        version, name, measured, *rest = cells
        kind: Level | None = "bad" if view in worse else None
        rows.append((TableCell(version), TableCell(name), TableCell(measured, kind), *map(TableCell, rest)))
    notes = []
    if state.estimate_assumption:
        notes.append(f"What is expected without labels {state.estimate_assumption}.")
    if state.label_bias:
        notes.append(f"{state.label_bias[:1].upper()}{state.label_bias[1:]}.")
    notes += lacking_words(state)
    if worse:
        notes.append("Red: the interval of the slice lies wholly below the quality of its version, compared by itself.")
    title = f"{quality_title(state)} by version and slice"
    return DrawnTable("by-slice", title, "with 95 % intervals", heads, tuple(rows), notes=tuple(notes))


_LABEL_HEADS = (
    TableHead("version"),
    TableHead("label"),
    TableHead("in training", True),
    TableHead("predicted", True),
    TableHead("estimated true share", True),
)


def _labels(state: MonitorState) -> DrawnTable:
    rows = tuple(
        tuple(map(TableCell, (mix.version, s.label, share(s.training), *label_words(s))))
        for mix in state.label_mixes
        for s in mix.shares
    )
    assumption = state.label_mixes[0].assumption
    notes = [f"With 95 % intervals. The estimate (label shift by expectation maximisation) {assumption}."]
    notes += [not_estimated(mix) or corrected_words(mix) for mix in state.label_mixes]
    title = "Mix of the true labels"
    return DrawnTable("label-mix", title, "without labels", _LABEL_HEADS, rows, notes=tuple(filter(None, notes)))


_FEATURE_HEADS = (
    TableHead("column"),
    TableHead("version"),
    TableHead("state"),
    TableHead("rows", True),
    TableHead("missing", True),
    TableHead("in training", True, "share of missing values in training"),
    TableHead("unseen", True, "share of categories that the training data does not have"),
    TableHead("mean", True),
    TableHead("in training", True, "mean in training"),
    TableHead("PSI", True, "population stability index"),
    TableHead("KS", True, "Kolmogorov-Smirnov statistic and its p-value"),
    TableHead("chi-square", True, "Cramer's V and the p-value of the chi-square test"),
    TableHead("evidence", True, "of the detectors, which decide on an alarm"),
)


def _features(state: MonitorState) -> DrawnTable:
    lead = f"{state.budget[:1].upper()}{state.budget[1:]}." if state.budget else ""
    needed = "" if state.evidence_threshold is None else f" {threshold_words(state.evidence_threshold)}"
    note = (
        "PSI, KS and chi-square (as Cramer's V) are what exceeds their noise, over the whole hours of the range; their "
        f"p-values hold for a single look. The evidence decides, however often you look.{needed}"
    )
    rows = tuple(_feature(feature) for feature in state.features)
    title = "Inputs and predictions by version"
    return DrawnTable("features", title, "live against training", _FEATURE_HEADS, rows, lead=lead, notes=(note,))


def _feature(feature: FeatureView) -> tuple[TableCell, ...]:
    texts = (
        feature.title, feature.version, f"{feature.rows:,}", share(feature.missing), share(feature.missing_reference),
        share(feature.unseen), number(feature.mean), number(feature.mean_reference), shift_words(feature.psi),
        shift_words(feature.ks), shift_words(feature.chi_square),
        DASH if feature.evidence is None else rounded(feature.evidence),
    )  # fmt: skip
    title, version, *rest = map(TableCell, texts)
    return (title, version, TableCell(feature.note, feature.state), *rest)
