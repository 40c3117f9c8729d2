"""A text file to the texts of its cells: its encoding, delimiter and header. Standard library only."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from mlspec.errors import UsageError

ROWS = 100_000
"""Maximum number of rows that are read."""
_DELIMITERS = (",", ";", "\t", "|")
_ALIKE = 0.95
"""Share of the rows that have as many values as the header, with the right delimiter."""
_ENCODINGS = ("utf-8", "cp1252")
_NUMERIC = frozenset("0123456789.,-+")


@dataclass(frozen=True, slots=True)
class TableFile:
    """The first rows of a table, as texts by column without spaces around them, and the settings that read it."""

    cells: Mapping[str, Sequence[str]]
    rows: int
    complete: bool
    """Whether all rows of the file were read."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """The keys of `data.format` that differ from their defaults."""


def read_table(file: Path) -> TableFile:
    """The table in a csv or tsv file. Raises UsageError if the file is none."""
    encoding = _encoding(file)
    with file.open(encoding=encoding, newline="") as lines:
        text = list(islice(lines, ROWS + 1))
    sample = text[:1000]
    default = "\t" if file.suffix.lower() in (".tsv", ".tab") else ","
    delimiter = max(_DELIMITERS, key=lambda sign: (_fit(sample, sign), sign == default))
    csv.field_size_limit(2**31 - 1)
    rows = [row for row in csv.reader(text, delimiter=delimiter) if any(cell.strip() for cell in row)]
    if len(rows) < 2 or not _fit(sample, delimiter):
        help = "a table has a line of column names, and rows with as many values, separated by `,`, `;`, tabs or `|`"
        raise UsageError(f"{file} is not a table: no rows with the same number of values", help=help)
    settings: dict[str, object] = {} if encoding in ("utf-8-sig", "utf-8") else {"encoding": encoding}
    if delimiter != default:
        settings["delimiter"] = delimiter
    header, body = rows[0], rows[1:]
    if _is_data(header):
        header, body = [f"column{number}" for number in range(1, len(header) + 1)], rows
        settings["columns"] = header
    names = [name.strip() for name in header]
    cells = {
        name: [row[index] if index < len(row) else "" for row in body]
        for index, name in enumerate(names)
        if name and names.count(name) == 1
    }
    padded = any(value != value.strip() for values in (header, *cells.values()) for value in values)
    if padded:
        settings["trim"] = True
        cells = {name: [value.strip() for value in values] for name, values in cells.items()}
    return TableFile(cells, len(body), len(text) <= ROWS, settings)


def _encoding(file: Path) -> str:
    head = file.open("rb").read(4)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for encoding in _ENCODINGS:
        try:
            with file.open(encoding=encoding) as lines:
                for _ in islice(lines, ROWS):
                    pass
        except UnicodeDecodeError:
            continue
        return "utf-8-sig" if encoding == "utf-8" else encoding
    help = "convert it to UTF-8 (`iconv -t UTF-8`), or set `data: {format: {encoding: NAME}}`"
    raise UsageError(f"{file} is not text in UTF-8, UTF-16 or Windows-1252", help=help)


def _fit(sample: Sequence[str], delimiter: str) -> int:
    """How many columns the sample has with this delimiter; 0 if its rows differ in length."""
    try:
        widths = [len(row) for row in csv.reader(sample, delimiter=delimiter) if row]
    except csv.Error:
        return 0
    width = widths[0] if widths else 0
    return width if width > 1 and sum(one == width for one in widths) >= _ALIKE * len(widths) else 0


def _is_data(header: Sequence[str]) -> bool:
    """Whether the first row has a number: then it contains no column names."""
    return any(cell.strip() and set(cell.strip()) <= _NUMERIC and any(map(str.isdigit, cell)) for cell in header)
