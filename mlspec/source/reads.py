"""`reads.lock`: undeclared files of the project that a stage opened. Text to mapping and back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from mlspec.errors import MlspecError

FILE: Final = "reads.lock"
_ABOUT: Final = """\
# Files that a stage opened in its last run and that the spec does not name: inputs of that stage. Commit this file.
"""


def parse(text: str) -> dict[str, tuple[str, ...]]:
    """Stage to paths. Raises MlspecError with the line number if the file is invalid."""
    reads: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        stage, _, path = line.partition(" ")
        if not stage.isidentifier() or not inside(path) or path.startswith("artifacts/"):
            message = f"{FILE}:{number}: expected `STAGE PATH` with a path in the project, outside artifacts/"
            help = f"remove the line; `mlspec apply` writes {FILE} again"
            raise MlspecError(message, help=help, code="broken-lock")
        reads.setdefault(stage, []).append(path)
    return {stage: tuple(dict.fromkeys(paths)) for stage, paths in reads.items()}


def dump(reads: Mapping[str, Sequence[str]]) -> str:
    """The file's text."""
    return _ABOUT + "".join(f"{stage} {path}\n" for stage in sorted(reads) for path in sorted(reads[stage]))


def inside(path: str) -> bool:
    """Whether a path is relative, inside the project, and one line of text."""
    steps = path.split("/")
    return bool(path) and path.isprintable() and path == path.strip() and not {"", ".", ".."} & set(steps)


def covered(path: str, declared: Sequence[str]) -> bool:
    """Whether `path` is one of the declared files or in one of the declared folders."""
    return any(path == other or path.startswith(f"{other}/") for other in (d.rstrip("/") for d in declared))


def flow_list(paths: Sequence[str]) -> str:
    """Paths as a YAML list in brackets, for copying."""
    plain = re.compile(r"[\w./-]+", re.ASCII)
    return f"[{', '.join(p if plain.fullmatch(p) else json.dumps(p, ensure_ascii=False) for p in paths)}]"
