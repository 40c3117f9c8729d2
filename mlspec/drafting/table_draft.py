"""A table and its target to the sections of a first spec, with the reason for each column."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlspec.drafting.column_reading import ColumnReading, leak, read_column, separators_of
from mlspec.drafting.table_file import TableFile
from mlspec.errors import UsageError
from mlspec.parts.data.number_text import Separators
from mlspec.sections.data import MAYBE, NULLS
from mlspec.spec.names import suggest

_CLASSES = 20
"""Different numbers up to which a target of whole numbers is a class."""
_RARE = 0.2
"""Share of a class below which the loss weighs the classes, and accuracy alone says little."""


@dataclass(frozen=True, slots=True)
class SpecDraft:
    """The sections of a first spec, and what a person should check."""

    inputs: Mapping[str, str]
    """The type of each input."""
    left_out: Mapping[str, str]
    """The reason for each column that is not an input."""
    target: Mapping[str, object]
    format: Mapping[str, object] = field(default_factory=dict)
    model: Mapping[str, object] = field(default_factory=dict)
    train: Mapping[str, object] = field(default_factory=dict)
    metrics: Sequence[str] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    """What was seen in each input."""
    notes: Sequence[str] = ()
    """What has to be decided before the first run."""


def draft_table(table: TableFile, target: str) -> SpecDraft:
    """The first spec of a table. Raises UsageError if the table has no such column, or no input."""
    if target not in table.cells:
        raise UsageError(f"the file has no column `{target}`", help=suggest(target, table.cells, "its columns are"))
    way = separators_of(table.cells.values())
    readings = {name: read_column(name, cells, way) for name, cells in table.cells.items()}
    labels = table.cells[target]
    own = readings.pop(target)
    labels = ["" if label in own.nulls or label in NULLS else label for label in labels]
    number = own.kind == "number" and (len(set(labels) - {""}) > _CLASSES or not _whole(labels, way))
    if not number:
        readings = {name: _unless_leak(reading, table.cells[name], labels) for name, reading in readings.items()}
    readings = _without_copies(readings, table.cells)
    kept = {name: reading for name, reading in readings.items() if reading.kind != "none"}
    left_out = {name: reading.reason for name, reading in readings.items() if reading.kind == "none"}
    tabular = [name for name, reading in kept.items() if reading.kind != "text"]
    texts = [name for name in kept if name not in tabular]
    if tabular:
        left_out |= dict.fromkeys(texts, "sentences: a `tabular` model does not read text; write a class for both")
    elif number:
        left_out |= dict.fromkeys(texts, "sentences: a model of mlspec that predicts a number does not read text")
    elif len(texts) > 2:
        left_out |= dict.fromkeys(texts[2:], "a third text: a `text-classifier` reads two")
    kept = {name: reading for name, reading in kept.items() if name not in left_out}
    if not kept:
        raise UsageError("no column is left as an input", help="the reasons: " + _listed(left_out))
    return SpecDraft(
        inputs={name: reading.kind for name, reading in kept.items()},
        left_out=left_out,
        target=_target(target, labels, number=number),
        format=_format(table, way, kept),
        model={"type": "tabular" if tabular else "text-classifier"},
        train={} if number or not _unbalanced(labels) else {"class_weights": "balanced"},
        metrics=("mae", "r2") if number else ("balanced_accuracy", "f1", "mcc"),
        reasons={name: reading.reason for name, reading in kept.items()},
        notes=[*_notes(table, target, labels)],
    )


def _listed(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())


def _whole(labels: Sequence[str], way: Separators) -> bool:
    return not any(way.decimal in label for label in labels)


def _unless_leak(reading: ColumnReading, cells: Sequence[str], labels: Sequence[str]) -> ColumnReading:
    why = leak(cells, labels)
    return ColumnReading("none", why) if why else reading


def _without_copies(
    readings: Mapping[str, ColumnReading], cells: Mapping[str, Sequence[str]]
) -> dict[str, ColumnReading]:
    """The readings; a column with the same values as one before is left out."""
    seen: dict[ColumnReading, list[str]] = {}
    result = {}
    for name, reading in readings.items():
        first = seen.setdefault(reading, [])
        copied = next((other for other in first if cells[other] == cells[name]), None)
        first.append(name)
        repeats = reading.kind != "none" and copied is not None
        result[name] = ColumnReading("none", f"the same values as {copied}") if repeats else reading
    return result


def _format(table: TableFile, way: Separators, kept: Mapping[str, ColumnReading]) -> dict[str, object]:
    """The keys of `data.format`: nulls only where the defaults would refuse or misread a column."""
    result = dict(table.settings)
    result |= {"decimal": way.decimal} if way.decimal != "." else {}
    result |= {"thousands": way.thousands} if way.thousands else {}
    numbers = {word for reading in kept.values() if reading.kind == "number" for word in reading.nulls}
    categories = {word for reading in kept.values() if reading.kind == "category" for word in reading.nulls}
    if categories or not numbers <= set(NULLS):
        result["nulls"] = ["", *sorted(numbers | categories)]
    return result


def _target(target: str, labels: Sequence[str], *, number: bool) -> dict[str, object]:
    what: dict[str, object] = {"column": target, "type": "number"} if number else _classes(target, labels)
    return what if all(labels) else {**what, "missing": "drop"}


def _classes(target: str, labels: Sequence[str]) -> dict[str, object]:
    """The target as a class: with two labels the rarer one last, because metrics such as f1 are about it."""
    counts = Counter(label for label in labels if label)
    spellings: dict[str, list[str]] = {}
    for label, _ in counts.most_common():
        spellings.setdefault(unicodedata.normalize("NFKC", label).casefold(), []).append(label)
    names = {label: group[0] for group in spellings.values() for label in group}
    if len(names) > len(spellings):
        return {"column": target, "values": names}
    if len(counts) == 2 and not any(label in MAYBE for label in counts):
        return {"column": target, "labels": [label for label, _ in counts.most_common()]}
    return {"column": target}


def _unbalanced(labels: Sequence[str]) -> bool:
    counts = Counter(label.casefold() for label in labels if label)
    return bool(counts) and min(counts.values()) < _RARE * sum(counts.values()) and len(counts) <= _CLASSES


def _notes(table: TableFile, target: str, labels: Sequence[str]) -> list[str]:
    notes = []
    absent = sum(not label for label in labels)
    if absent:
        rows = f"{absent} rows have" if absent > 1 else "1 row has"
        notes.append(f"{rows} no `{target}` and will be left out (data.target.missing: drop)")
    if not table.complete:
        notes.append(f"only the first {table.rows} rows were read")
    return notes
