"""The first bytes of a file to what it is: a placeholder that stands where data should be, or an image."""

from __future__ import annotations

from pathlib import Path

from mlspec.errors import StageError

_HEAD = 1024
_POINTER = b"version https://git-lfs.github.com/spec/"
_PAGES = (b"<!doctype html", b"<html")
_ENDS = (b"</html>", b"</error>")
_AGAIN = "open it to see what the server replied, and download the data again"

_MAGIC = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*",
    b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51",
)  # fmt: skip
"""How the files of the formats that are read begin."""


def placeholder(head: bytes) -> tuple[str, str]:
    """What stands in place of data, and what to do about it; two empty texts where it looks like data.

    `head` are the first bytes of a file, or all of them.
    """
    if head.startswith(_POINTER):
        return "is a git-lfs pointer, not the data itself", "run `git lfs pull`, then run the command again"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(_PAGES):
        return "is a web page (HTML), not data", _AGAIN
    if text.startswith((b"<?xml", b"<error")) and b"<error" in text:
        return "is an XML error message of a server, not data", _AGAIN
    return "", ""


def refuse_placeholders(path: Path, name: str) -> None:
    """Raise StageError where a file is empty, or a placeholder stands in place of data."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        size = path.stat().st_size
        file.seek(max(0, size - _HEAD))
        tail = file.read(_HEAD).rstrip().lower()
    if not head:
        raise StageError(f"{name} is empty (0 bytes)", help="write or fetch it again, or remove it")
    what, help = placeholder(head)
    # A table may begin with markup in its first value, but it does not end with the end of the document.
    if what and (head.startswith(_POINTER) or tail.endswith(_ENDS)):
        raise StageError(f"{name} {what}", help=help)


def is_image(head: bytes) -> bool:
    """Whether the bytes begin as those of an image of a format that is read."""
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    avif = head[4:12] in (b"ftypavif", b"ftypavis")
    netpbm = head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace()
    return webp or avif or netpbm or _is_bitmap(head) or head.startswith(_MAGIC)


def _is_bitmap(head: bytes) -> bool:
    """`BM` may also begin a text: four reserved bytes of a bitmap are zero."""
    return head[:2] == b"BM" and head[6:10] == b"\0\0\0\0"


def head(path: Path) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as file:
        return file.read(_HEAD)
