"""Names of a spec that become names of files: what every file system can hold, and keeps apart from the others."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

MAX_STEM: Final = 200
"""Bytes of such a name: the 255 of a file's name, less what a suffix and a temporary name add."""
_STEM = r"[^\W_][\w-]*(?:\.[\w-]+)*"
_DEVICES: Final = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


def file_stem(name: str) -> str:
    """`name`, where it can be the name of a file on every system. Raises the error of a validator."""
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > MAX_STEM:
        raise _fault(
            f"this name is {size} bytes long, and a file is named after it: at most {MAX_STEM} bytes", "shorten it"
        )
    if not re.fullmatch(_STEM, name):
        what = "a name begins with a letter or a digit and has letters, digits, `-`, `_` and single dots inside"
        raise _fault(what, "for example `wide-2`: a file is named after it")
    if name.split(".")[0].lower() in _DEVICES:
        raise _fault(f"`{name}` names a device on Windows, so no file can have this name", f"`{name}-1`, for example")
    if (composed := unicodedata.normalize("NFC", name)) != name:
        what = "this name has decomposed letters, which some systems store as other bytes"
        raise _fault(what, f"type it again, in composed form (Unicode NFC): `{composed}`")
    return name


def same_file(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Each name with an earlier one that is the same file where case does not count, as on macOS and Windows."""
    seen: dict[str, str] = {}
    for name in names:
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            yield name, seen[folded]
        seen.setdefault(folded, name)


def _fault(what: str, help: str) -> PydanticCustomError:
    return PydanticCustomError("bad-format", "{what}", {"what": what, "help": help})


FileStem = Annotated[str, AfterValidator(file_stem)]
"""A name that files are called by, without their suffix."""
