"""A data file to its bytes or its text: compression is detected from the content; the encoding is the one in the spec,
and an error suggests another one."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from mlspec.errors import StageError
from mlspec.records.decisions import Decision


class Packed(NamedTuple):
    """A compression format: its name, its first bytes and the function that decompresses it."""

    name: str
    magic: bytes
    unpack: Callable[[bytes], bytes]


def _zstd(packed: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
        unpacked: bytes = stream.read()
        return unpacked


def _streams(packed: bytes, decompressor: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]) -> bytes:
    """All streams of a file. `bz2.decompress` and `lzma.decompress` drop a damaged stream after the first."""
    unpacked = []
    while packed.strip(b"\0"):
        stream = decompressor()
        unpacked.append(stream.decompress(packed))
        if not stream.eof:
            raise EOFError("the compressed data is truncated")
        packed = stream.unused_data
    return b"".join(unpacked)


PACKINGS = (
    Packed("gzip", b"\x1f\x8b", gzip.decompress),
    Packed("bzip2", b"BZh", lambda packed: _streams(packed, bz2.BZ2Decompressor)),
    Packed("xz", b"\xfd7zXZ\x00", lambda packed: _streams(packed, lzma.LZMADecompressor)),
    Packed("zstd", b"\x28\xb5\x2f\xfd", _zstd),
)
_ARCHIVES = ((b"PK\x03\x04", "a zip archive", "unzip"), (b"7z\xbc\xaf'\x1c", "a 7z archive", "7z x"))
_OFFICE, _HEAD = b"[Content_Types].xml", 4096
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_DISTINCTIVE = frozenset(
    [
        "big5",
        "big5hkscs",
        "cp932",
        "cp949",
        "euc_jis_2004",
        "euc_jp",
        "euc_kr",
        "gb18030",
        "gb2312",
        "gbk",
        "iso2022_jp",
        "johab",
        "shift_jis",
        "shift_jis_2004",
        "cp1251",
        "iso8859_5",
        "koi8_r",
        "koi8_t",
        "koi8_u",
        "cp1253",
        "iso8859_7",
        "cp1255",
        "cp1256",
        "cp1250",
        "iso8859_2",
        "cp874",
    ]
)
"""Encodings that charset-normalizer detects reliably, because their letters differ from those of western Europe."""
_PIECE = 1 << 20
_SAMPLE = 200_000
"""Bytes around the first invalid byte from which the encoding is guessed."""


class Contents(NamedTuple):
    """The decompressed bytes of a file, and the decisions about it."""

    raw: bytes
    decisions: tuple[Decision, ...] = ()


def contents(file: Path, name: str) -> Contents:
    """The decompressed bytes of a file. Raises StageError for an archive and for a damaged compressed file."""
    raw = file.read_bytes()
    if raw.startswith(_ARCHIVES[0][0]) and _OFFICE in raw[:_HEAD]:
        raise StageError(f"{name} is an Excel or Word document", help="save the table as csv")
    for magic, what, command in _ARCHIVES:
        if raw.startswith(magic) and not name.endswith((".parquet", ".xlsx")):
            help = f"extract it (`{command} {name}`) and set data.source to the extracted file"
            raise StageError(f"{name} is {what}", help=help)
    packing = next((packing for packing in PACKINGS if raw.startswith(packing.magic)), None)
    if packing is None:
        return Contents(raw)
    try:
        unpacked = packing.unpack(raw)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
        raise StageError(
            f"{name} is a damaged {packing.name} file: {error}", help="download or copy it again"
        ) from None
    return Contents(unpacked, (Decision(f"file {name}", f"decompressed with {packing.name}"),))


def decoded(raw: bytes, name: str, encoding: str) -> str:
    """The text of a file, without byte order marks. Raises StageError with the first byte that is not in `encoding`."""
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = 1 + raw[: error.start].count(b"\n")
        what = f"{name} line {line}: the byte 0x{raw[error.start]:02x} is not valid {encoding}"
        raise StageError(what, help=_encoding_help(raw, error.start, encoding), code="text-encoding") from None
    except UnicodeError:
        raise StageError(
            f"{name} is not valid {encoding}", help=_encoding_help(raw, 0, encoding), code="text-encoding"
        ) from None
    if "\0" in text:
        line = 1 + text[: text.index("\0")].count("\n")
        wide = _wide(raw)
        help = (
            f"set `data: {{format: {{encoding: {wide}}}}}`"
            if wide
            else "remove the NUL characters; is this a text file?"
        )
        raise StageError(f"{name} line {line}: contains a NUL character", help=help, code="text-encoding")
    return text.lstrip("\ufeff")


def in_utf8(raw: bytes, name: str, encoding: str) -> bytes:
    """The text of a file in UTF-8, without byte order marks. Raises StageError as `decoded` does."""
    if codecs.lookup(encoding).name != "utf-8" or not _is_utf8(raw):
        return decoded(raw, name, encoding).encode("utf-8", "surrogatepass")
    while raw.startswith(codecs.BOM_UTF8):
        raw = raw[len(codecs.BOM_UTF8) :]
    return raw


def _is_utf8(raw: bytes) -> bool:
    """Whether the bytes are UTF-8 without NUL characters; decoded in blocks to save memory."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(raw), _PIECE):
            decoder.decode(raw[start : start + _PIECE], final=start + _PIECE >= len(raw))
    except UnicodeDecodeError:
        return False
    return b"\0" not in raw


def _wide(raw: bytes) -> str:
    """The UTF-16 variant of a text in which every second byte is zero; empty for other texts."""
    sample = raw[:_SAMPLE]
    for encoding, zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
        if zeros and zeros.count(0) > len(zeros) // 2 and sample.count(0) < 0.7 * len(sample):
            return encoding
    return ""


def _encoding_help(raw: bytes, start: int, encoding: str) -> str:
    """The help with the probable encoding, and the text around the first invalid byte in that encoding."""
    marked = next((name for mark, name in _BOMS if raw.startswith(mark)), "")
    guess = marked or _wide(raw) or _guessed(raw[max(0, start - _SAMPLE // 2) : start + _SAMPLE // 2])
    if not guess or guess == encoding:
        return "set data.format.encoding to the encoding of the file, or save the file as utf-8"
    around = raw[max(0, start - 12) : start + 12].decode(guess, "replace").strip().replace("\n", " ")
    sample = "" if marked or _wide(raw) else f", which decodes the text there as `{around}`"
    return f"set `data: {{format: {{encoding: {guess}}}}}`{sample}"


def _guessed(sample: bytes) -> str:
    """The encoding that charset-normalizer detects if it is reliable for it, else a western encoding."""
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    if best is not None and best.encoding in _DISTINCTIVE:
        return str(best.encoding)
    return "cp1252" if _is(sample, "cp1252") else "latin-1"


def _is(sample: bytes, encoding: str) -> bool:
    try:
        sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def text_lines(file: Path, name: str, encoding: str) -> io.StringIO:
    """The text of a file, to be read line by line; invalid bytes are replaced."""
    return io.StringIO(contents(file, name).raw.decode(encoding, "replace").lstrip("\ufeff"), newline="")
