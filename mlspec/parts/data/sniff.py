"""Detects from the first bytes of a file that it is an image, or a placeholder in place of data."""

from __future__ import annotations

from pathlib import Path

from mlspec.errors import StageError

_HEAD = 1024
_POINTERS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
_ANNEX = b"/annex/objects/"
_OTHER = (
    (b"%PDF-", "a PDF document"), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word document"),
    (b"SQLite format 3\0", "a SQLite database"), (b"ARROW1", "an Arrow (Feather) file"), (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"), (b"\x89HDF", "an HDF5 file"), (b"{\\rtf", "an RTF document"),
    (b"\x00\x05\x16\x07", "a macOS resource file (`._NAME`)"),
)  # fmt: skip
"""Signatures of file types that are not tables."""
_PAGES = (b"<!doctype html", b"<html")
_ENDS = (b"</html>", b"</error>")
_AGAIN = "open it to see what the server replied, and download the data again"

_MAGIC = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*",
    b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51",
)  # fmt: skip
"""Signatures of the supported image formats."""


def placeholder(head: bytes) -> tuple[str, str]:
    """What a placeholder file is, and the help; two empty strings for a file that may be data.

    `head` are the first bytes of the file.
    """
    head = head.removeprefix(b"\xef\xbb\xbf")
    if head.startswith(_POINTERS):
        return "is a git-lfs pointer, not the data itself", "run `git lfs pull`, then run the command again"
    if _ANNEX in head[:200] and b"\n" not in head.strip():
        return "is a git-annex pointer, not the data itself", "run `git annex get`, then run the command again"
    text = head.lstrip().lower()
    if text.startswith(_PAGES):
        return "is a web page (HTML), not data", _AGAIN
    if text.startswith((b"<?xml", b"<error")) and b"<error" in text:
        return "is an XML error message of a server, not data", _AGAIN
    return "", ""


def refuse_placeholders(path: Path, name: str, kind: str) -> None:
    """Raise StageError if a file is empty, a placeholder, or of a type that is not a table."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        size = path.stat().st_size
        file.seek(max(0, size - _HEAD))
        tail = file.read(_HEAD).rstrip().lower()
    if not head:
        raise StageError(f"{name} is empty (0 bytes)", help="write or download it again, or remove it")
    what, help = placeholder(head)
    # A table may begin with markup in its first value, but does not end with a closing tag.
    if what and ("pointer" in what or tail.endswith(_ENDS)):
        raise StageError(f"{name} {what}", help=help)
    other = next((kind for magic, kind in _OTHER if head.startswith(magic)), None)
    if other and not is_image(head) and (b"\0" in head or other.endswith("document")):
        raise StageError(f"{name} is {other}, not a table", help="save the table as csv or parquet")
    if head.startswith(b"PAR1") and tail.endswith(b"par1") and kind != "parquet":
        raise StageError(f"{name} is a parquet file", help="set `data: {format: {type: parquet}}`, or rename it")


def is_image(head: bytes) -> bool:
    """Whether the bytes begin with the signature of a supported image format."""
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    avif = head[4:12] in (b"ftypavif", b"ftypavis")
    netpbm = head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace()
    return webp or avif or netpbm or _is_bitmap(head) or head.startswith(_MAGIC)


def _is_bitmap(head: bytes) -> bool:
    """Whether it is a bitmap: a text may begin with `BM` too, but the four reserved bytes of a bitmap are zero."""
    return head[:2] == b"BM" and head[6:10] == b"\0\0\0\0"


def head(path: Path) -> bytes:
    """The first 1024 bytes of a file."""
    with path.open("rb") as file:
        return file.read(_HEAD)
