"""Where the spec of a folder gives a key its value, for messages of stages, which know only values."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mlspec.errors import MlspecError
from mlspec.source.document import walk
from mlspec.source.reader import read

_SPEC: Final = "mlproject.yaml"


def key_place(folder: Path, key: str, value: str) -> str:
    """`mlproject.yaml:4: data.remote`, of the key whose text contains `value`, in an environment too; the key alone
    where that is not in the folder's spec, as with another file."""
    if not (folder / _SPEC).is_file():
        return key
    try:
        document = read(folder / _SPEC)
    except MlspecError:
        return key
    steps = tuple(key.split("."))
    for location, node in walk(document.root):
        if location[-len(steps) :] == steps and value in str(node.value):
            return f"{_SPEC}:{document.span(location).line}: {key}"
    return key
