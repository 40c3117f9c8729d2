"""Names of a spec that become file names: valid and distinct on every file system."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

MAX_STEM: Final = 200
"""Limit of such a name in bytes: 255 for a file name, minus a suffix and the ending of a temporary file."""
_STEM = r"[^\W_][\w-]*(?:\.[\w-]+)*"
_DEVICES: Final = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


def file_stem(name: str) -> str:
    """`name`, if it is a valid file name on every system. Raises PydanticCustomError."""
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > MAX_STEM:
        raise _fault(f"the name has {size} bytes, the limit for a file name is {MAX_STEM}", "shorten the name")
    if not re.fullmatch(_STEM, name):
        what = "a file is named after this key: it must start with a letter or digit and contain only letters, digits, "
        raise _fault(f"{what}`-`, `_` and single dots", "for example `wide-2`")
    if name.split(".")[0].lower() in _DEVICES:
        raise _fault(f"`{name}` is a reserved file name on Windows", f"rename it, for example to `{name}-1`")
    if (composed := unicodedata.normalize("NFC", name)) != name:
        what = "the name contains decomposed Unicode characters, which some file systems store differently"
        raise _fault(what, f"type it in composed form (NFC): `{composed}`")
    return name


def same_file(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Each name with an earlier one that is the same file where names ignore case, as on macOS and Windows."""
    seen: dict[str, str] = {}
    for name in names:
        folded = unicodedata.normalize("NFC", name).casefold()
        if folded in seen:
            yield name, seen[folded]
        seen.setdefault(folded, name)


def _fault(what: str, help: str) -> PydanticCustomError:
    return PydanticCustomError("bad-format", "{what}", {"what": what, "help": help})


FileStem = Annotated[str, AfterValidator(file_stem)]
"""A file name without its suffix."""
