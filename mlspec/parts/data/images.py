"""A column of images, as bytes or as paths, to the bytes of each; every image is opened once to see that it can be."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from mlspec.errors import StageError
from mlspec.parts.data.raw import Failure, Raw
from mlspec.parts.data.spec import DataSpec
from mlspec.runtime.preprocess.image import opened


def images(data: DataSpec, raw: Raw, name: str, root: Path) -> tuple[pa.Array, list[Failure]]:
    """The column as binary, and the rows whose image is missing or damaged."""
    column = raw.table[name]
    faults: dict[str, list[int]] = {}
    found: list[bytes | None] = []
    for row, value in enumerate(_values(data, raw, name, root, column)):
        fault = value if isinstance(value, str) else _fault(value)
        if fault:
            faults.setdefault(fault, []).append(row)
        found.append(None if isinstance(value, str) else value)
    failures = [failure for what, rows in faults.items() for failure in raw.failure(name, what, rows)]
    return pa.array(found, pa.binary()), failures


def _values(data: DataSpec, raw: Raw, name: str, root: Path, column: pa.ChunkedArray) -> Iterator[bytes | str | None]:
    """Each image's bytes, or what is wrong with its path."""
    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        yield from column.to_pylist()
    elif pa.types.is_struct(kind) and "bytes" in [field.name for field in kind]:
        # The form in which Hugging Face's datasets keep images in parquet.
        yield from (value["bytes"] if value else None for value in column.to_pylist())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        for row, path in enumerate(column.to_pylist()):
            yield None if path is None else _file(root, _whole(data, raw, row, path))
    else:
        help = "an image column holds paths, or the bytes of PNG or JPEG files"
        raise StageError(f"`{name}` holds no images but {kind}", help=help)


def _whole(data: DataSpec, raw: Raw, row: int, path: str) -> str:
    """The path from the project's folder; one that begins with `/` is that already."""
    if path.startswith("/"):
        return path[1:]
    file = raw.place(row).file
    base = data.format.images or (posixpath.dirname(file) if "/" in file else "")
    return posixpath.join(base, path)


def _file(root: Path, path: str) -> bytes | str:
    file = root / path
    try:
        if not file.resolve().is_relative_to(root.resolve()):
            return "lies outside of the project"
        return file.read_bytes()
    except (OSError, ValueError):
        return "is a path at which no file can be read"


def _fault(value: bytes | None) -> str:
    if value is None:
        return "is missing"
    try:
        opened(value)
    except ValueError as error:
        return str(error)
    return ""
