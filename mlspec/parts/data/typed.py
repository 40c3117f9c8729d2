"""Raw rows to columns of the types that docs/architecture.md gives, and the values that have no such type."""

from __future__ import annotations

import datetime
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlspec.errors import StageError
from mlspec.parts.data.decisions import Decision
from mlspec.parts.data.images import images
from mlspec.parts.data.labels import indexed
from mlspec.parts.data.nulls import words as nulls_of
from mlspec.parts.data.numerals import Separators, advice, number, thousands_or_decimals
from mlspec.parts.data.raw import Failure, Raw
from mlspec.parts.data.spec import NULLS, DataSpec
from mlspec.parts.data.values import BOOLEANS, listed, missing, text, textual
from mlspec.runtime.preprocess.moments import is_date, moment, spelled

LARGEST = 1e150
"""The square of a larger number is no longer a number, and a spread could not be computed."""

_AS_NUMBERS = "true read as 1, false as 0"


@dataclass(frozen=True, slots=True)
class Typed:
    """A column of the type that the spec says, the values that have no such type, and what was decided."""

    column: pa.Array
    failures: Sequence[Failure] = ()
    decisions: Sequence[Decision] = ()
    doubts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TypedRows:
    """The rows with all inputs and the target converted."""

    raw: Raw
    failures: list[Failure]
    decisions: list[Decision]
    doubts: list[str]
    """What is probably a mistake, a sentence each."""


def typed(data: DataSpec, raw: Raw, labels: list[str], root: Path) -> TypedRows:
    """The rows with inputs and target converted. Every value that cannot be is in the failures."""
    failures: list[Failure] = []
    decisions: list[Decision] = []
    doubts: list[str] = []
    converted = raw
    for name, convert in _converters(data, labels, root).items():
        column = convert(data, raw, name)
        converted = converted.with_column(name, column.column)
        failures += column.failures
        decisions += column.decisions
        doubts += column.doubts
    return TypedRows(converted, failures, decisions, doubts)


Converter = Callable[[DataSpec, Raw, str], Typed]


def _converters(data: DataSpec, labels: list[str], root: Path) -> dict[str, Converter]:
    """How each input and the target is converted, by column."""

    def image(data: DataSpec, raw: Raw, name: str) -> Typed:
        return Typed(*images(data, raw, name, root))

    def target(data: DataSpec, raw: Raw, name: str) -> Typed:
        if data.target.type == "number":
            return _target_number(data, raw, name)
        result = indexed(data, raw, labels)
        return Typed(result.column, result.failures, result.decisions)

    kinds: dict[str, Converter] = {"text": _text, "category": _category, "number": _number, "image": image}
    return {name: kinds[spec.type] for name, spec in data.columns.items()} | {data.target.column: target}


def _text(_: DataSpec, raw: Raw, name: str) -> Typed:
    words = _words(raw, name, "text")
    decisions = []
    if pa.types.is_timestamp(raw.table[name].type):
        times = {word: time for word in words if word and (time := moment(word))}
        words, decisions = _one_spelling(words, name, times)
        example = next((word for word in words if word), "")
        said = f"timestamps written as texts: `{example}`"
        decisions = decisions or [Decision(f"column {name}", said, "data.inputs")]
    return Typed(pa.array(words, pa.string()), decisions=decisions)


def _category(data: DataSpec, raw: Raw, name: str) -> Typed:
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
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        try:
            column = pc.cast(column, pa.string())
        except pa.ArrowException:
            raise StageError(f"`{name}` holds bytes that are not {kind}", help="see data.inputs") from None
    values = [None if missing(value) else value for value in column.to_pylist()]
    odd = next((row for row, value in enumerate(values) if value is not None and not textual(value, kind)), None)
    if odd is not None:
        place = raw.place(odd, values[odd])
        where = f"{place.file} row {place.row}" if place.row else place.file
        number = "declare the column as `number`, or write its values as texts"
        help = number if isinstance(values[odd], float) else "name another column, or convert this one in a callable"
        message = f"`{name}` holds {column.type}, which is not {kind}: {where}: {text(values[odd])}"
        raise StageError(message, help=help, code="number-or-category" if isinstance(values[odd], float) else "")
    return [None if value is None else text(value) for value in values]


def _usual(words: list[str | None], name: str) -> tuple[list[str | None], list[Decision]]:
    """Texts that write booleans or whole numbers in pandas' way, as every other format has them."""
    present = {word for word in words if word is not None}
    if present and present <= BOOLEANS.keys() and present - {"true", "false"}:
        said = f"{listed(sorted(present))} read as booleans, `true` and `false`"
        return [w if w is None else text(BOOLEANS[w]) for w in words], [Decision(f"column {name}", said, "data.inputs")]
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
    rows = [row for row, word in enumerate(words) if word and word in NULLS]
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


def _number(data: DataSpec, raw: Raw, name: str) -> Typed:
    column = raw.table[name]
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        result = Typed(pc.cast(column, pa.float64(), safe=False))
    elif pa.types.is_boolean(column.type):
        decision = Decision(f"column {name}", _AS_NUMBERS, "data.inputs")
        result = Typed(pc.cast(column, pa.float64()), decisions=[decision])
    else:
        result = _written_number(data, raw, name)
    numbers = pc.if_else(pc.is_nan(result.column), pa.scalar(None, pa.float64()), result.column)
    numbers = numbers.combine_chunks() if isinstance(numbers, pa.ChunkedArray) else numbers
    large = raw.failure(name, "is too large", _rows(pc.greater(pc.abs(numbers), LARGEST)))
    return Typed(numbers, [*result.failures, *large], result.decisions)


def _written_number(data: DataSpec, raw: Raw, name: str) -> Typed:
    """Numbers that stand as texts, or as values of another type: decimals, or values that are not numbers."""
    values = raw.table[name].to_pylist()
    nulls, separators = nulls_of(data, name), Separators.of(data.format)
    absent = [missing(value) or (isinstance(value, str) and value.strip() in nulls) for value in values]
    present = [value for value, gone in zip(values, absent, strict=True) if not gone]
    booleans = bool(present) and all(isinstance(value, str) and value in BOOLEANS for value in present)
    known = {
        value: float(BOOLEANS[value]) if booleans else number(value, separators)
        for value in dict.fromkeys(value for value in present if isinstance(value, str))
    }
    numbers = [
        None if gone else known[value] if isinstance(value, str) else number(value)
        for value, gone in zip(values, absent, strict=True)
    ]
    bad = [row for row, found in enumerate(numbers) if found is not None and math.isnan(found)]
    failures = [*_unreadable(data, raw, name, bad, values), *([] if bad else _pointed(data, raw, name, values))]
    words = Counter(
        value.strip() for value, gone in zip(values, absent, strict=True) if gone and isinstance(value, str)
    )
    return Typed(pa.array(numbers, pa.float64()), failures, list(_number_decisions(data, name, words, booleans, known)))


def _number_decisions(
    data: DataSpec, name: str, absent: Mapping[str, int], booleans: bool, known: Iterable[str]
) -> Iterator[Decision]:
    subject = f"column {name}"
    for word, count in absent.items():
        if word:
            rows = f"{count} row{'s' if count != 1 else ''}"
            yield Decision(subject, f"`{word}` read as missing ({rows})", "data.format.nulls")
    if booleans:
        yield Decision(subject, _AS_NUMBERS, "data.inputs")
    for key in ("thousands", "decimal"):
        sign = getattr(data.format, key)
        count = sum(sign in text for text in known) if sign else 0
        if count:
            example = next(text for text in known if sign in text)
            value = number(example, Separators.of(data.format))
            yield Decision(subject, f"`{sign}` separates {key}: `{example}` is {value:.15g}", f"data.format.{key}")


def _unreadable(data: DataSpec, raw: Raw, name: str, bad: Sequence[int], values: Sequence[object]) -> list[Failure]:
    """The rows `bad`, with the edit of the spec that makes numbers of them, where there is one."""
    rows = set(bad)
    good = (value for row, value in enumerate(values) if row not in rows)
    help = advice([values[row] for row in bad], good, Separators.of(data.format)) if bad else ""
    return raw.failure(name, "is not a number", bad, help=help, code="ambiguous-number" if help else "")


def _pointed(data: DataSpec, raw: Raw, name: str, values: Sequence[object]) -> list[Failure]:
    """Numbers like 12.500 in a file that is separated by semicolons, as where a comma separates decimals."""
    texts = [value for value in values if isinstance(value, str)]
    undecided = data.format.decimal is None and data.format.thousands is None and data.format.delimiter == ";"
    if not undecided or not thousands_or_decimals(texts):
        return []
    rows = [row for row, value in enumerate(values) if isinstance(value, str) and "." in value]
    word = str(values[rows[0]]).strip()
    help = (
        f'`{word}` is {word.replace(".", "")} with `data: {{format: {{thousands: ".", decimal: ","}}}}`, '
        f'and {float(word):.15g} with `data: {{format: {{decimal: "."}}}}`'
    )
    what = "has a point before three digits, which may separate decimals or thousands"
    return raw.failure(name, what, rows, help=help, code="ambiguous-number")


def _target_number(data: DataSpec, raw: Raw, name: str) -> Typed:
    result = _number(data, raw, name)
    bad = {place[:2] for failure in result.failures for place in failure.places}
    gone = [row for row in _rows(pc.is_null(result.column)) if raw.place(row)[:2] not in bad]
    return Typed(result.column, [*result.failures, *raw.failure(name, "is missing", gone)], result.decisions)


def _rows(mask: pa.ChunkedArray | pa.Array) -> list[int]:
    """Positions at which a mask is true."""
    flags = mask.combine_chunks() if isinstance(mask, pa.ChunkedArray) else mask
    rows: list[int] = np.flatnonzero(np.asarray(flags.fill_null(False))).tolist()
    return rows
