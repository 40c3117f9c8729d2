"""Raw rows to typed columns (docs/architecture/03-plan-to-results.md), and the values that do not fit the type."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlspec.parts.data.cell_values import BOOLEANS, missing, shown
from mlspec.parts.data.images import images
from mlspec.parts.data.labels import indexed
from mlspec.parts.data.missing_values import WITHOUT_TARGET
from mlspec.parts.data.missing_values import words as nulls_of
from mlspec.parts.data.number_text import Separators, advice, number, thousands_or_decimals
from mlspec.parts.data.raw_rows import Failure, Raw
from mlspec.parts.data.text_columns import category, text
from mlspec.parts.data.typed_column import Typed
from mlspec.parts.data.unusable_types import conversion
from mlspec.records.decisions import Decision
from mlspec.sections.data import DataSpec

LARGEST = 1e150
"""Maximum absolute value of a number: the square of a larger one, which the variance needs, overflows."""

_WORDS = 3
"""Maximum number of distinct words in a number column that may mean missing values."""
_AS_NUMBERS = "true read as 1, false as 0"


@dataclass(frozen=True, slots=True)
class TypedRows:
    """The rows with all inputs and the target converted."""

    raw: Raw
    failures: list[Failure]
    decisions: list[Decision]
    warnings: list[str]
    """Probable mistakes, one sentence each."""
    pixels: dict[str, Sequence[bytes]]
    """For each image column a digest of a sample of each image's pixels."""


def typed(data: DataSpec, raw: Raw, labels: list[str], root: Path) -> TypedRows:
    """The rows with inputs and target converted. Every value that cannot be converted is in the failures."""
    failures: list[Failure] = []
    decisions: list[Decision] = []
    warnings: list[str] = []
    pixels: dict[str, Sequence[bytes]] = {}
    converted = raw
    for name, convert in _converters(data, labels, root).items():
        column = convert(data, raw, name)
        converted = converted.with_column(name, column.column)
        failures += column.failures
        decisions += column.decisions
        warnings += column.warnings
        pixels |= {name: column.pixels} if column.pixels else {}
    return TypedRows(converted, failures, decisions, warnings, pixels)


Converter = Callable[[DataSpec, Raw, str], Typed]


def _converters(data: DataSpec, labels: list[str], root: Path) -> dict[str, Converter]:
    """The converter of each input and of the target, by column."""

    def image(data: DataSpec, raw: Raw, name: str) -> Typed:
        return Typed(*images(data, raw, name, root))

    def target(data: DataSpec, raw: Raw, name: str) -> Typed:
        if data.target.type == "number":
            return _target_number(data, raw, name)
        result = indexed(data, raw, labels)
        return Typed(result.column, result.failures, result.decisions)

    kinds: dict[str, Converter] = {"text": text, "category": category, "number": _number, "image": image}
    return {name: kinds[spec.type] for name, spec in data.columns.items()} | {data.target.column: target}


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
    large = raw.failure(name, f"is larger than {LARGEST:g}", _rows(pc.greater(pc.abs(numbers), LARGEST)))
    return Typed(numbers, [*result.failures, *large], result.decisions)


def _written_number(data: DataSpec, raw: Raw, name: str) -> Typed:
    """A number column whose values are texts or of other types, such as decimals."""
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
    bad = [row for row, value_read in enumerate(numbers) if value_read is not None and math.isnan(value_read)]
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
            yield Decision(subject, f"{shown(word)} read as missing ({rows})", "data.format.nulls")
    if booleans:
        yield Decision(subject, _AS_NUMBERS, "data.inputs")
    for key in ("thousands", "decimal"):
        sign = getattr(data.format, key)
        count = sum(sign in text for text in known) if sign else 0
        if count:
            example = next(text for text in known if sign in text)
            value = number(example, Separators.of(data.format))
            yield Decision(
                subject, f"`{sign}` is the {key} separator: `{example}` is {value:.15g}", f"data.format.{key}"
            )


def _unreadable(data: DataSpec, raw: Raw, name: str, bad: Sequence[int], values: Sequence[object]) -> list[Failure]:
    """Failures for the rows `bad`, with the edit of the spec that makes them numbers, if there is one."""
    if help := conversion(name, raw.table[name].type, "number"):
        return raw.failure(name, "is not a number", bad, help=help)
    rows = set(bad)
    good = [value for row, value in enumerate(values) if row not in rows]
    words = () if name == data.target.column else _words(values, rows)
    wrong = [values[row] for row in bad if values[row] not in words]
    help = advice(wrong, good, Separators.of(data.format)) if wrong else ""
    if wrong and not help:
        words = ()
    code = "ambiguous-number" if help else "ambiguous-nulls" if words else ""
    default = nulls_of(data, name) if words and data.format.nulls is None else frozenset[str]()
    known = sorted({value for value in good if isinstance(value, str) and value in default} - {""})
    return raw.failure(name, "is not a number", bad, help=help, code=code, nulls=[*known, *words] if words else ())


def _words(values: Sequence[object], bad: Collection[int]) -> tuple[str, ...]:
    """The few words among numbers that may mean missing; empty if there are more, or none."""
    words = {value.strip() for row in bad if isinstance(value := values[row], str) and not _has_digits(value)}
    return tuple(sorted(words)) if len(words) <= _WORDS and not any('"' in word for word in words) else ()


def _has_digits(text: str) -> bool:
    return any(char.isdigit() for char in text)


def _pointed(data: DataSpec, raw: Raw, name: str, values: Sequence[object]) -> list[Failure]:
    """Failures for numbers like 12.500 in a file separated by semicolons, where a comma often separates decimals."""
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
    return Typed(
        result.column, [*result.failures, *raw.failure(name, "is missing", gone, help=WITHOUT_TARGET)], result.decisions
    )


def _rows(mask: pa.ChunkedArray | pa.Array) -> list[int]:
    """The positions at which a mask is true."""
    flags = mask.combine_chunks() if isinstance(mask, pa.ChunkedArray) else mask
    rows: list[int] = np.flatnonzero(np.asarray(flags.fill_null(False))).tolist()
    return rows
