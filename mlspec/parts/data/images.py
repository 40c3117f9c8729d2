"""A column of images, as bytes or as paths, to the bytes of each; every image is decoded once to check it."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from mlspec.errors import StageError
from mlspec.parts.data.input_paths import watched
from mlspec.parts.data.pixels import sample
from mlspec.parts.data.raw_rows import Failure, Raw
from mlspec.parts.data.sniff import placeholder
from mlspec.parts.data.source_files import Links, plural
from mlspec.records.decisions import Decision
from mlspec.runtime.preprocess.picture import BACKGROUND, NOT_APPLIED, ON_BACKGROUND, AmbiguousImageError, picture
from mlspec.sections.data import PICTURES, DataSpec

ENDINGS = {
    "apng": "PNG", "png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "jpe": "JPEG", "jfif": "JPEG", "mpo": "JPEG",
    "tif": "TIFF", "tiff": "TIFF", "dib": "BMP", "bmp": "BMP", "ppm": "PPM", "pgm": "PPM", "pbm": "PPM", "pnm": "PPM",
    "jp2": "JP2", "j2k": "JP2", "jpeg2000": "JP2", "gif": "GIF", "webp": "WEBP", "avif": "AVIF",
}  # fmt: skip
"""File extensions, and lower-case format names, to the format of a file."""
FEW_BITS = 4095
"""The largest value of 12 bits."""


class Images(NamedTuple):
    """The column as binary, the rows whose image is missing or damaged, the conversions, and warnings."""

    column: pa.Array
    failures: Sequence[Failure]
    decisions: Sequence[Decision]
    warnings: Sequence[str]
    pixels: Sequence[bytes]
    """A digest of a sample of each image's pixels, independent of the file format; empty if it cannot be read."""


def images(data: DataSpec, raw: Raw, name: str, root: Path) -> Images:
    """The images of a column. Raises StageError if the column holds values other than paths and bytes."""
    seen = _Seen(data.columns[name].background or BACKGROUND)
    paths = _Paths(data, raw, root)
    faults: dict[str, list[int]] = {}
    contents: list[bytes | None] = []
    pixels: list[bytes] = []
    for row, value in enumerate(_values(paths, raw.table[name], name)):
        fault = value if isinstance(value, str) else seen.fault(row, value, paths.ending)
        if fault:
            faults.setdefault(fault, []).append(row)
        contents.append(None if isinstance(value, str) else value)
        pixels.append(b"" if fault else seen.pixels)
    faults |= seen.dark()
    failures = [
        failure
        for what, rows in faults.items()
        for failure in raw.failure(name, what, rows, code="ambiguous-image" if what in seen.ambiguous else "")
    ]
    count = sum(value is not None for value in contents)
    decisions = [*paths.decisions(name), *seen.decisions(raw, name, count)]
    return Images(pa.array(contents, pa.binary()), failures, decisions, list(seen.warnings(name, count)), pixels)


class _Seen:
    """Collects faults and conversions of the images of a column."""

    def __init__(self, background: str) -> None:
        self._background = background
        self._notes: Counter[str] = Counter()
        self._first: dict[str, int] = {}
        self._deep: dict[int, int] = {}
        self.pixels = b""
        """The sample of the image that was read last."""
        self.ambiguous: set[str] = set()
        """Faults of images that can be interpreted in several ways."""

    def fault(self, row: int, value: bytes | None, ending: str) -> str:
        """What is wrong with an image; `""` if it can be read."""
        if value is None:
            return "is missing"
        if not value:
            return "is empty (0 bytes)"
        try:
            opened = picture(value, self._background)
        except AmbiguousImageError as error:
            self.ambiguous.add(str(error))
            return str(error)
        except ValueError as error:
            what, help = placeholder(value[:1024])
            return f"{what}: {help}" if what else str(error)
        self.pixels = sample(opened.image)
        wrong = ending in PICTURES and ENDINGS[ending] != ENDINGS.get(opened.format.lower())
        notes = [*opened.notes, *([f"named .{ending}, read as {opened.format}"] if wrong else [])]
        self._notes.update(notes)
        for note in notes:
            self._first.setdefault(note, row)
        if opened.deepest is not None:
            self._deep[row] = opened.deepest
        return ""

    def dark(self) -> dict[str, list[int]]:
        """The 16-bit images, if none uses more than 12 bits: scaled to 8 bits they would be nearly black."""
        largest = max(self._deep.values(), default=FEW_BITS + 1)
        if largest > FEW_BITS:
            return {}
        what = f"has 16 bits per pixel, but no value above {largest}; scale the pixels to 0..65535, or save 8 bits"
        self.ambiguous.add(what)
        return {what: list(self._deep)}

    def decisions(self, raw: Raw, name: str, count: int) -> Iterator[Decision]:
        """Each conversion with the number of images and an example."""
        for note, times in self._notes.most_common():
            key = f"data.inputs.{name}.background" if note.startswith(ON_BACKGROUND) else ""
            place = raw.place(self._first[note])
            example = f"e.g. {place.file}{f' row {place.row}' if place.row else ''}"
            yield Decision(f"images {name}", f"{times:,} of {plural(count, 'image')}: {note}, {example}", key)

    def warnings(self, name: str, count: int) -> Iterator[str]:
        """A warning about colour profiles that are not applied."""
        profiles = {note: times for note, times in self._notes.items() if note.startswith(NOT_APPLIED)}
        if profiles:
            named = ", ".join(f"{note.removeprefix(f'{NOT_APPLIED}: ')} ({times})" for note, times in profiles.items())
            what = f"{sum(profiles.values()):,} of {plural(count, 'image')} of `{name}` have a colour profile"
            yield f"{what} other than sRGB, which is not applied: {named}. Convert them to sRGB"


def _values(paths: _Paths, column: pa.ChunkedArray, name: str) -> Iterator[bytes | str | None]:
    """The bytes of each image, None if it is missing, or what is wrong with its path."""
    kind = column.type
    fields = [field.name for field in kind] if pa.types.is_struct(kind) else []
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_null(kind):
        yield from column.to_pylist()
    elif "bytes" in fields:
        # Hugging Face datasets store images in parquet as a struct of bytes, or the path of a file.
        for row, value in enumerate(column.to_pylist()):
            own, path = (value["bytes"], value.get("path")) if value else (None, None)
            yield paths.read(row, path) if own is None and path else own
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        for row, path in enumerate(column.to_pylist()):
            yield None if path is None else paths.read(row, path)
    else:
        help = "store paths in the column, or the bytes of PNG or JPEG files"
        raise StageError(f"the image column `{name}` contains {kind}, not paths or bytes", help=help)


class _Paths:
    """The image files that a column refers to."""

    def __init__(self, data: DataSpec, raw: Raw, root: Path) -> None:
        self._data, self._raw, self._root = data, raw, root
        self._of_folder = bool(raw.pieces[0].names)
        self._links = Links(root, tuple(watched(data)))
        self._backslashes = 0
        self.ending = ""
        """The extension of the file that was read last."""
        self._times: Counter[str] = Counter()

    def read(self, row: int, path: str) -> bytes | str:
        """The bytes of the image that a row names, or what is wrong with its path."""
        if self._of_folder:
            return self._file(path.removeprefix("/"))
        if path.startswith("/") or path[1:3] in (":\\", ":/"):
            return "is an absolute path; make it relative to the folder of the table, or to data.format.images"
        whole = self._whole(row, path)
        if "\\" in path and not (self._root / whole).exists():
            whole = self._whole(row, path.replace("\\", "/"))
            self._backslashes += 1
        if whole == ".." or whole.startswith("../"):
            return "is outside the project"
        self._times[whole] += 1
        return self._file(whole)

    def _whole(self, row: int, path: str) -> str:
        """The path relative to the project root."""
        file = self._raw.place(row).file
        base = self._data.format.images or (posixpath.dirname(file) if "/" in file else "")
        return posixpath.normpath(posixpath.join(base, path))

    def _file(self, path: str) -> bytes | str:
        self.ending = posixpath.splitext(path)[1][1:].lower()
        try:
            self._links.follow(self._root / path)
            return (self._root / path).read_bytes()
        except StageError as error:
            return f"cannot be read: {error.message}" + (f" ({error.help})" if error.help else "")
        except (OSError, ValueError):
            return "is a path without a readable file"

    def decisions(self, name: str) -> Iterator[Decision]:
        """How paths were interpreted."""
        subject = f"images {name}"
        if self._backslashes:
            yield Decision(subject, f"{plural(self._backslashes, 'path')} with `\\` read with `/`")
        again = sum(times - 1 for times in self._times.values())
        if again:
            yield Decision(subject, f"{plural(again, 'row')} use the same image file as another row")
        if not self._of_folder:
            yield from self._links.decisions()
