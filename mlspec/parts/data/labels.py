"""A target column to class indices: each value is matched with the labels by value and type, by position only with
`labels_are: positions`. A value that matches several labels is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from mlspec.errors import StageError
from mlspec.parts.data.cell_values import Reading, alike, escaped, listed, missing, readings, shown, text
from mlspec.parts.data.missing_values import WITHOUT_TARGET, nulls_edit
from mlspec.parts.data.missing_values import words as nulls_of
from mlspec.parts.data.raw_rows import Failure, Raw
from mlspec.parts.data.unusable_types import conversion, refuse_unlabelled, refuse_unnamed
from mlspec.records.decisions import Decision
from mlspec.runtime.preprocess.moments import is_date, moment, spelled
from mlspec.sections.column_names import LONGEST
from mlspec.sections.data import DataSpec
from mlspec.sections.target import Target

MANY = 20
"""Distinct numbers above which a target column is probably a quantity, not classes."""
_LISTED = 10
_DIGITS = 100
"""Maximum number of digits of a class label that is a number."""

Finder = Callable[[object], tuple[int, ...]]
"""The positions of all labels that a value matches: one if it is clear, none if it is unknown."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """A target column as class indices."""

    column: pa.Array
    failures: list[Failure]
    decisions: list[Decision]


def label_names(data: DataSpec, raw: Raw) -> list[str]:
    """The labels in order: those of the spec, or all values of the column, sorted; empty for a number target.

    Raises StageError if the column leaves open which labels it has.
    """
    if data.target.type == "number":
        return []
    if data.target.labels:
        return data.target.names
    if data.target.values:
        return list(dict.fromkeys(data.target.meanings.values()))
    return _collected(data, raw)


def indexed(data: DataSpec, raw: Raw, names: Sequence[str]) -> Indexed:
    """The target column as int64 indices into `names`; null for a value that is not a label."""
    column = data.target.column
    values = raw.table[column].to_pylist()
    find = _memoised(_finder(data.target, names))
    nulls = nulls_of(data, column)
    claims = [find(value) for value in values]
    absent = [
        row
        for row, value in enumerate(values)
        if not claims[row] and (missing(value) or (isinstance(value, str) and value in nulls))
    ]
    gone = set(absent)
    unknown = [row for row, claim in enumerate(claims) if not claim and row not in gone]
    several = [row for row, claim in enumerate(claims) if len(claim) > 1]
    failures = [
        *_missing(data, raw, absent, values),
        *_unknown(data, raw, unknown, values, names),
        *_ambiguous(raw, column, several, claims, names),
    ]
    indices = [claim[0] if len(claim) == 1 else None for claim in claims]
    return Indexed(pa.array(indices, pa.int64()), failures, _decisions(data.target, names, values, indices))


def _memoised(find: Finder) -> Finder:
    """`find`, called once for each distinct value."""
    seen: dict[tuple[type, object], tuple[int, ...]] = {}

    def look_up(value: object) -> tuple[int, ...]:
        if isinstance(value, list | dict):
            return ()
        key = (type(value), value)
        if key not in seen:
            seen[key] = find(value)
        return seen[key]

    return look_up


def _finder(target: Target, names: Sequence[str]) -> Finder:
    if target.labels_are == "positions":
        return lambda value: _position(value, len(names))
    index = {name: position for position, name in enumerate(names)}
    spelled = {word: index[name] for word, name in target.meanings.items() if name in index} or index
    by_reading: dict[Reading, list[int]] = {}
    for word, position in spelled.items():
        for reading in readings(word):
            positions = by_reading.setdefault(reading, [])
            if position not in positions:
                positions.append(position)

    def find(value: object) -> tuple[int, ...]:
        if isinstance(value, str) and value in spelled:
            return (spelled[value],)
        ways = () if missing(value) else readings(value)
        return tuple(dict.fromkeys(position for way in ways for position in by_reading.get(way, ())))

    return find


def _position(value: object, count: int) -> tuple[int, ...]:
    """The position that a value is: an integer below `count`, or false and true for two labels; else empty."""
    for reading in readings(value):
        number = reading.value
        if reading.kind == "boolean" and count == 2:
            return (int(bool(number)),)
        if reading.kind == "number" and isinstance(number, Decimal) and number in range(count):
            return (int(number),)
    return ()


def _missing(data: DataSpec, raw: Raw, rows: Sequence[int], values: Sequence[object]) -> list[Failure]:
    column = data.target.column
    words = {value for row in rows if isinstance(value := values[row], str) and value}
    kept = [word for word in data.format.nulls or ("",) if word not in words]
    help = WITHOUT_TARGET
    if words:
        drops = data.target.missing == "drop"
        drop = f"; to leave out these rows: {nulls_edit([*kept, *sorted(words)])}" if drops else ""
        help = f"{listed(sorted(words))} is read as missing; if it is a label: {nulls_edit(kept)}, "
        help += f"or list all labels in data.target.labels{drop}"
    return raw.failure(column, "is missing", rows, help=help, code="ambiguous-nulls" if words else "")


def _unknown(
    data: DataSpec, raw: Raw, rows: Sequence[int], values: Sequence[object], names: Sequence[str]
) -> list[Failure]:
    if not rows:
        return []
    column = data.target.column
    if help := conversion(column, raw.table[column].type, "label"):
        return raw.failure(column, f"has the type {raw.table[column].type}, which cannot be a label", rows, help=help)
    if data.target.labels_are == "positions":
        what = f"is not a position from 0 to {len(names) - 1}"
        help = "with `labels_are: positions` a value is the position of its label in data.target.labels, from 0"
        return raw.failure(column, what, rows, help=help)
    allowed = list(data.target.meanings) or list(names)
    some = ", ".join(allowed[:_LISTED]) + (", ..." if len(allowed) > _LISTED else "")
    help = _unknown_help(data, [values[row] for row in rows], names)
    return raw.failure(column, f"is not one of: {some}", rows, help=help, code="label-mismatch" if help else "")


def _unknown_help(data: DataSpec, unknown: Sequence[object], names: Sequence[str]) -> str:
    """The edit of the spec that makes labels of all unknown values; empty if there is none."""
    different = list(dict.fromkeys(value for value in unknown if not isinstance(value, list | dict)))
    known = {alike(name): name for name in names}
    if all(isinstance(value, str) and value.strip() in names for value in different):
        return "the values have spaces around the labels; to remove them: `data: {format: {trim: true}}`"
    if all(isinstance(value, str) and len(value) <= LONGEST and alike(value) in known for value in different):
        meanings = {name: name for name in names}
        meanings |= {str(value): known[alike(str(value))] for value in different}
        pairs = ", ".join(f"{_quoted(word)}: {_quoted(name)}" for word, name in meanings.items())
        return f"map each spelling to its label: `data: {{target: {{values: {{{pairs}}}}}}}`"
    if data.target.values or not all(_position(value, len(names)) for value in different):
        return ""
    positions = [f"{index} is {name}" for index, name in enumerate(names[:3])] + (["..."] if len(names) > 3 else [])
    return (
        f"if the values are positions in the list of labels ({', '.join(positions)}): "
        "`data: {target: {labels_are: positions}}`; otherwise map each value to a label in data.target.values"
    )


def _quoted(word: str) -> str:
    return '"' + escaped(word.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _ambiguous(
    raw: Raw,
    column: str,
    rows: Sequence[int],
    claims: Sequence[tuple[int, ...]],
    names: Sequence[str],
) -> list[Failure]:
    by_claim: dict[tuple[int, ...], list[int]] = {}
    for row in rows:
        by_claim.setdefault(claims[row], []).append(row)
    help = "write the values as they are in the labels, or map each value to a label in data.target.values"
    return [
        failure
        for claim, some in by_claim.items()
        for failure in raw.failure(
            column,
            f"can be read as {' or as '.join(shown(names[index]) for index in claim)}",
            some,
            help=help,
            code="ambiguous-labels",
        )
    ]


def _decisions(
    target: Target, names: Sequence[str], values: Sequence[object], indices: Sequence[int | None]
) -> list[Decision]:
    """Each label with the values that were mapped to it and their counts.

    Left out are labels that the column contains as they are, also as a whole number: nothing was interpreted.
    """
    counts: dict[int, Counter[str]] = {}
    mapped: set[int] = set()
    for value, index in zip(values, indices, strict=True):
        if index is not None:
            counts.setdefault(index, Counter())[_typed(value)] += 1
            if str(value) != names[index]:
                mapped.add(index)
    key = "data.target." + ("values" if target.values else "labels_are" if target.labels_are != "values" else "labels")
    return [
        Decision(
            f"label {name}",
            ", ".join(f"{value} ({n} row{'s' if n != 1 else ''})" for value, n in counts[index].most_common(_LISTED))
            if index in counts
            else "no row",
            key,
        )
        for index, name in enumerate(names)
        if index in mapped or index not in counts
    ]


def _typed(value: object) -> str:
    """A value with its type if it is not text: the boolean True and the text `True` differ."""
    kind = "boolean" if isinstance(value, bool) else "number" if isinstance(value, int | float | Decimal) else ""
    text = str(value) if len(str(value)) <= LONGEST else f"{str(value)[:LONGEST]}..."
    return f"{kind} {text}" if kind else shown(text)


def _collected(data: DataSpec, raw: Raw) -> list[str]:
    """All labels in the column. Raises StageError if the column leaves open which labels it has."""
    column = raw.table[data.target.column]
    nulls = nulls_of(data, data.target.column)
    every = column.to_pylist()
    refuse_unlabelled(data, raw, every)
    refuse_unnamed(data, raw, every)
    values = {(type(v), v): v for v in every if not missing(v) and not (isinstance(v, str) and v in nulls)}.values()
    ways = [{reading.kind: reading.value for reading in readings(value)} for value in values]
    if ways and all("number" in way for way in ways):
        return _numbers(data, list(values))
    if ways and all("boolean" in way for way in ways):
        return [name for name, value in (("false", False), ("true", True)) if any(w["boolean"] == value for w in ways)]
    if ways and all("moment" in way for way in ways):
        return _moments(data, list(values))
    names = sorted({text(value) for value in values})
    padded = [name for name in names if name != name.strip()]
    if padded and data.format.trim is None:
        raise StageError(
            f"labels of `{data.target.column}` have spaces around them: {listed(padded)}",
            help="to remove the spaces: `data: {format: {trim: true}}`; to keep them: `data: {format: {trim: false}}`",
            code="padded-values",
        )
    _distinct(data, names, alike, "differ only in case, spaces or invisible characters")
    return names


def _numbers(data: DataSpec, values: Sequence[object]) -> list[str]:
    """Labels that are all numbers, in their order."""
    spelled = [value for value in values if isinstance(value, str)]
    _distinct(data, spelled, Decimal, "are the same number")
    numbers = sorted({Decimal(text(value)) for value in values})
    if len(numbers) > MANY or any(n != n.to_integral_value() or n.adjusted() >= _DIGITS for n in numbers):
        column = data.target.column
        raise StageError(
            f"`{column}` has {len(numbers)} distinct numbers: they may be classes or a quantity to predict",
            help="to predict the number: `data: {target: {type: number}}`; for classes: set data.target.labels",
            code="classes-or-number",
        )
    return [str(int(number)) for number in numbers]


def _moments(data: DataSpec, values: Sequence[object]) -> list[str]:
    """Labels that are all dates or timestamps, in chronological order."""
    _distinct(data, [value for value in values if isinstance(value, str)], moment, "are the same time")
    times = [time for value in values if (time := moment(text(value)))]
    if len({time.tzinfo for time in times}) > 1:
        raise StageError(
            f"`{data.target.column}` mixes timestamps with and without a time zone: {listed(values)}",
            help="write all timestamps with a time zone, as in `2020-01-01 12:00:00+00:00`, or all without",
            code="mixed-time-zones",
        )
    dates = all(map(is_date, times))
    return [spelled(time, dates) for time in sorted(set(times))]


def _distinct(data: DataSpec, words: Sequence[str], same: Callable[[str], object], how: str) -> None:
    """Raise StageError if two spellings are probably the same label."""
    groups: dict[object, list[str]] = {}
    for word in words:
        groups.setdefault(same(word), []).append(word)
    twins = next((group for group in groups.values() if len(group) > 1), None)
    if twins is None:
        return
    joined = {word: group[0].strip() for group in groups.values() for word in group}
    pairs = ", ".join(f"{_quoted(word)}: {_quoted(name)}" for word, name in joined.items())
    raise StageError(
        f"the labels {listed(twins)} of `{data.target.column}` {how}: they may be one label or {len(twins)}",
        help=f"one label: `data: {{target: {{values: {{{pairs}}}}}}}`; "
        f"several: `data: {{target: {{labels: [{', '.join(map(_quoted, words))}]}}}}`",
        code="ambiguous-labels",
    )
