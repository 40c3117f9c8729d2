"""Columns of texts and categories: one spelling for each value, and what the spec has to say of them."""

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
    """Each value as text, as it is written; values of other types are refused."""
    words = _words(raw, name, "text")
    decisions: list[Decision] = []
    if pa.types.is_timestamp(raw.table[name].type):
        times = {word: time for word in words if word and (time := moment(word))}
        words, decisions = _one_spelling(words, name, times)
        example = next((word for word in words if word), "")
        said = f"timestamps written as texts: `{example}`"
        decisions = decisions or [Decision(f"column {name}", said, "data.inputs")]
    return Typed(pa.array(words, pa.string()), decisions=decisions)


def category(data: DataSpec, raw: Raw, name: str) -> Typed:
    """Each value in one spelling, null where it is missing, and the values of which the spec has to say more."""
    nulls = nulls_of(data, name)
    every = _words(raw, name, "category")
    words, decisions = _usual([None if word in nulls else word for word in every], name)
    unclear = [*_unclear_nulls(data, raw, name, words), *_padded(data, raw, name, words), *_zones(raw, name, words)]
    absent = sum(word in nulls for word in every if word)
    if absent:
        said = f"{listed(sorted(nulls - {''}))} read as missing ({absent} row{'s' if absent != 1 else ''})"
        decisions.append(Decision(f"column {name}", said, "data.format.nulls"))
    return Typed(pa.array(words, pa.string()), unclear, decisions)


def _words(raw: Raw, name: str, kind: str) -> list[str | None]:
    """Each value as text, None where it is missing. Raises StageError for a value without a usual spelling."""
    column = raw.table[name]
    values = [None if missing(value) else _decoded(value) for value in column.to_pylist()]
    odd = next((row for row, value in enumerate(values) if value is not None and not textual(value, kind)), None)
    if odd is not None:
        place = raw.place(odd)
        where = f"{place.file} row {place.row}" if place.row else place.file
        floating = isinstance(values[odd], float)
        number = "declare the column as `number`, or write its values as texts"
        other = "name another column, or convert this one in a callable"
        message = f"`{name}` holds {column.type}, which is not {kind}: {where}: {brief(values[odd])}"
        help = number if floating else conversion(name, column.type, kind) or other
        raise StageError(message, help=help, code="number-or-category" if floating else "")
    return [None if value is None else as_text(value) for value in values]


def _decoded(value: object) -> object:
    """The text that bytes hold; bytes that are no text, and other values, as they are."""
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value


def _usual(words: list[str | None], name: str) -> tuple[list[str | None], list[Decision]]:
    """Texts that write booleans or whole numbers in pandas' way, as every other format has them."""
    present = {word for word in words if word is not None}
    if present and present <= BOOLEANS.keys() and present - {"true", "false"}:
        said = f"{listed(sorted(present))} read as booleans, `true` and `false`"
        return [w if w is None else as_text(BOOLEANS[w]) for w in words], [
            Decision(f"column {name}", said, "data.inputs")
        ]
    times = {word: time for word in present if (time := moment(word))}
    if present and len(times) == len(present):
        return _one_spelling(words, name, times)
    whole = present and all(word.endswith(".0") and word[:-2].lstrip("-").isdecimal() for word in present)
    if whole and all(word in ("0.0", "-0.0") or not word.lstrip("-").startswith("0") for word in present):
        said = f"whole numbers written with `.0` read without it: {listed(sorted(present)[:3])}"
        return [w if w is None else w[:-2] for w in words], [Decision(f"column {name}", said, "data.inputs")]
    return words, []


def _one_spelling(
    words: list[str | None], name: str, times: Mapping[str, datetime.datetime]
) -> tuple[list[str | None], list[Decision]]:
    """Texts that are all dates or timestamps: dates where all are at midnight, else `2020-01-01 12:00:00`."""
    dates = all(map(is_date, times.values()))  # pandas too writes such a column as dates
    made = {word: spelled(time, dates) for word, time in times.items()}
    other = next((word for word in times if made[word] != word), None)
    if other is None:
        return words, []
    said = f"timestamps in one spelling: `{other}` is `{made[other]}`"
    said = "timestamps at midnight read as dates" if dates else said
    return [w if w is None else made.get(w, w) for w in words], [Decision(f"column {name}", said, "data.inputs")]


def _zones(raw: Raw, name: str, words: Sequence[str | None]) -> list[Failure]:
    """The timestamps without a time zone, where others have one: they may be of UTC, or of any place."""
    every = dict.fromkeys(word for word in words if word)
    times = {word: time for word in every if (time := moment(word))}
    if len(times) < len(every) or len({time.tzinfo for time in times.values()}) < 2:
        return []
    local = [row for row, word in enumerate(words) if word and times[word].tzinfo is None]
    what = "has no time zone, unlike other timestamps of the column"
    help = "write the time zone of each in the file, as in `2020-01-01 12:00:00+00:00`, or of none"
    return raw.failure(name, what, local, help=help, code="mixed-time-zones")


def _unclear_nulls(data: DataSpec, raw: Raw, name: str, words: Sequence[str | None]) -> list[Failure]:
    """Values that many programs write for a missing one, and that may as well be values: the spec has to say."""
    if data.format.nulls is not None or data.written_as not in ("csv", "tsv"):
        return []
    rows = [row for row, word in enumerate(words) if word and word in MAYBE]
    kinds = sorted({str(words[row]) for row in rows})
    quoted = ", ".join(f'"{word}"' for word in ["", *kinds])
    help = f'missing: `data: {{format: {{nulls: [{quoted}]}}}}`; a value: `data: {{format: {{nulls: [""]}}}}`'
    what = f"has {listed(kinds)}, which may be a value or a missing one"
    return raw.failure(name, what, rows, help=help, code="ambiguous-nulls")


def _padded(data: DataSpec, raw: Raw, name: str, words: Sequence[str | None]) -> list[Failure]:
    if data.format.trim is not None:
        return []
    rows = [row for row, word in enumerate(words) if word is not None and word != word.strip()]
    help = (
        "`data: {format: {trim: true}}` removes them, `data: {format: {trim: false}}` keeps them as part of the value"
    )
    return raw.failure(name, "has spaces around it", rows, help=help, code="padded-values")
