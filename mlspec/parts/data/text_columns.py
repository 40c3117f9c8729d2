"""Text and category columns: one spelling for each value, and failures for values that the spec has to clarify."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

import pyarrow as pa

from mlspec.errors import StageError
from mlspec.parts.data.cell_values import BOOLEANS, brief, listed, missing, textual
from mlspec.parts.data.cell_values import text as as_text
from mlspec.parts.data.missing_values import words as nulls_of
from mlspec.parts.data.raw_rows import Failure, Raw
from mlspec.parts.data.typed_column import Typed
from mlspec.parts.data.unusable_types import conversion
from mlspec.records.decisions import Decision
from mlspec.runtime.preprocess.moments import is_date, moment, spelled
from mlspec.sections.data import MAYBE, DataSpec


def text(_: DataSpec, raw: Raw, name: str) -> Typed:
    """Each value as written. Raises StageError for values of other types."""
    words = _words(raw, name, "text")
    decisions: list[Decision] = []
    if pa.types.is_timestamp(raw.table[name].type):
        times = {word: time for word in words if word and (time := moment(word))}
        words, decisions = _one_spelling(words, name, times)
        example = next((word for word in words if word), "")
        reading = f"timestamps converted to text: `{example}`"
        decisions = decisions or [Decision(f"column {name}", reading, "data.inputs")]
    return Typed(pa.array(words, pa.string()), decisions=decisions)


def category(data: DataSpec, raw: Raw, name: str) -> Typed:
    """Each value in one spelling, null if it is missing, and failures for ambiguous values.

    Raises StageError for values of other types.
    """
    nulls = nulls_of(data, name)
    every = _words(raw, name, "category")
    words, decisions = _usual([None if word in nulls else word for word in every], name)
    unclear = [*_unclear_nulls(data, raw, name, words), *_padded(data, raw, name, words), *_zones(raw, name, words)]
    absent = sum(word in nulls for word in every if word)
    if absent:
        reading = f"{listed(sorted(nulls - {''}))} read as missing ({absent} row{'s' if absent != 1 else ''})"
        decisions.append(Decision(f"column {name}", reading, "data.format.nulls"))
    return Typed(pa.array(words, pa.string()), unclear, decisions)


def _words(raw: Raw, name: str, kind: str) -> list[str | None]:
    """Each value as text, None if it is missing. Raises StageError for a value without a usual text form."""
    column = raw.table[name]
    values = [None if missing(value) else _decoded(value) for value in column.to_pylist()]
    odd = next((row for row, value in enumerate(values) if value is not None and not textual(value, kind)), None)
    if odd is not None:
        place = raw.place(odd)
        where = f"{place.file} row {place.row}" if place.row else place.file
        floating = isinstance(values[odd], float)
        number = "declare the column as `number`, or write its values as strings"
        other = "use another column, or convert this one in a callable"
        message = f"`{name}` has the type {column.type}, not {kind}: {where}: {brief(values[odd])}"
        help = number if floating else conversion(name, column.type, kind) or other
        raise StageError(message, help=help, code="number-or-category" if floating else "")
    return [None if value is None else as_text(value) for value in values]


def _decoded(value: object) -> object:
    """Bytes decoded as UTF-8; invalid UTF-8 and other values unchanged."""
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


def _usual(words: list[str | None], name: str) -> tuple[list[str | None], list[Decision]]:
    """Booleans and integers in one spelling: pandas writes `True` and `1.0` where other formats have `true` and `1`."""
    present = {word for word in words if word is not None}
    if present and present <= BOOLEANS.keys() and present - {"true", "false"}:
        reading = f"{listed(sorted(present))} read as booleans, `true` and `false`"
        return [w if w is None else as_text(BOOLEANS[w]) for w in words], [
            Decision(f"column {name}", reading, "data.inputs")
        ]
    times = {word: time for word in present if (time := moment(word))}
    if present and len(times) == len(present):
        return _one_spelling(words, name, times)
    whole = present and all(word.endswith(".0") and word[:-2].lstrip("-").isdecimal() for word in present)
    if whole and all(word in ("0.0", "-0.0") or not word.lstrip("-").startswith("0") for word in present):
        reading = f"integers written with `.0` read without it: {listed(sorted(present)[:3])}"
        return [w if w is None else w[:-2] for w in words], [Decision(f"column {name}", reading, "data.inputs")]
    return words, []


def _one_spelling(
    words: list[str | None], name: str, times: Mapping[str, datetime.datetime]
) -> tuple[list[str | None], list[Decision]]:
    """Texts that are all dates or timestamps: dates if all are at midnight, else `2020-01-01 12:00:00`."""
    dates = all(map(is_date, times.values()))  # pandas too writes such a column as dates
    spellings = {word: spelled(time, dates) for word, time in times.items()}
    other = next((word for word in times if spellings[word] != word), None)
    if other is None:
        return words, []
    reading = f"timestamps normalised: `{other}` to `{spellings[other]}`"
    reading = "timestamps at midnight read as dates" if dates else reading
    return [w if w is None else spellings.get(w, w) for w in words], [
        Decision(f"column {name}", reading, "data.inputs")
    ]


def _zones(raw: Raw, name: str, words: Sequence[str | None]) -> list[Failure]:
    """Failures for timestamps without a time zone if others have one: their time zone is unknown."""
    every = dict.fromkeys(word for word in words if word)
    times = {word: time for word in every if (time := moment(word))}
    if len(times) < len(every) or len({time.tzinfo for time in times.values()}) < 2:
        return []
    local = [row for row, word in enumerate(words) if word and times[word].tzinfo is None]
    what = "has no time zone, while other timestamps of the column have one"
    help = "write all timestamps with a time zone, as in `2020-01-01 12:00:00+00:00`, or all without"
    return raw.failure(name, what, local, help=help, code="mixed-time-zones")


def _unclear_nulls(data: DataSpec, raw: Raw, name: str, words: Sequence[str | None]) -> list[Failure]:
    """Failures for values such as `NA`, which many programs write for a missing value: the spec has to decide."""
    if data.format.nulls is not None or data.written_as not in ("csv", "tsv"):
        return []
    rows = [row for row, word in enumerate(words) if word and word in MAYBE]
    kinds = sorted({str(words[row]) for row in rows})
    what = f"contains {listed(kinds)}, which may be a value or mean missing"
    return raw.failure(name, what, rows, code="ambiguous-nulls", nulls=kinds)


def _padded(data: DataSpec, raw: Raw, name: str, words: Sequence[str | None]) -> list[Failure]:
    if data.format.trim is not None:
        return []
    rows = [row for row, word in enumerate(words) if word is not None and word != word.strip()]
    help = (
        "to remove the spaces: `data: {format: {trim: true}}`; to keep them as part of the value: "
        "`data: {format: {trim: false}}`"
    )
    return raw.failure(name, "has spaces around it", rows, help=help, code="padded-values")
