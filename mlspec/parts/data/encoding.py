"""Whether a text file is written in the encoding that the spec says; the first byte that is not is shown."""

from __future__ import annotations

import codecs
from pathlib import Path

from mlspec.errors import StageError

CHUNK = 1024 * 1024


def decodable(file: Path, name: str, encoding: str) -> None:
    """Read the file once through. Raises StageError at the first byte that is not of that encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    with file.open("rb") as opened:
        while True:
            chunk = opened.read(CHUNK)
            try:
                line += decoder.decode(chunk, final=not chunk).count("\n")
            except UnicodeDecodeError as error:
                line += error.object[: error.start].decode(encoding, "replace").count("\n")
                byte = error.object[error.start]
                help = "set data.format.encoding, for example to latin-1; or write the file as utf-8"
                raise StageError(f"{name} line {line}: the byte 0x{byte:02x} is not {encoding}", help=help) from None
            if not chunk:
                return
