"""What a stage's body (`parts/*/work.py`) is given: the composed configuration and the folders to read and write.

A body is `def main(job: Job) -> float | None`; the number, where there is one, is what a sweep optimises. It may raise
`StageError` for what the user can mend; everything it prints goes to the stage's log.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from mlspec.errors import StageError

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True)
class Job:
    """One run of one stage program."""

    root: Path
    """The project's folder, absolute."""
    inputs: Path
    """`artifacts/` to read from, absolute."""
    outputs: Path
    """`artifacts/` to write to: the same folder, or in a sweep a folder of this job's own."""
    config: Mapping[str, object]
    """The composed Hydra configuration as plain data: the spec's sections after overrides."""
    sections: Mapping[str, BaseModel]
    """The same, validated: a wrong override has been refused before the body runs."""

    def get(self, section: type[S]) -> S | None:
        """The section of that model, or None where the spec does not name it."""
        return next((s for s in self.sections.values() if isinstance(s, section)), None)

    def need(self, section: type[S]) -> S:
        """The section of that model; KeyError where the spec does not name it."""
        found = self.get(section)
        if found is None:
            raise KeyError(section.__name__)
        return found

    @property
    def scratch(self) -> Path:
        """A folder for half-done work that survives a kill; git and DVC ignore it."""
        folder = self.root / ".mlspec" / "scratch"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


@contextmanager
def user_code(root: Path, what: str) -> Iterator[None]:
    """Run the user's own code: what it raises becomes a StageError that shows the user's frames, and only those."""
    try:
        yield
    except StageError:
        raise
    except Exception as error:  # noqa: BLE001 - the user's code may raise anything
        frames = [f for f in traceback.extract_tb(error.__traceback__) if _own(f.filename, root)]
        places = [f"{Path(f.filename).relative_to(root)}:{f.lineno} in {f.name}: {f.line}" for f in frames]
        message = f"{what} raised {type(error).__name__}: {error}"
        raise StageError("\n  ".join([message, *places]), help="the error is in the project's own code") from None


def _own(filename: str, root: Path) -> bool:
    path = Path(filename)
    return path.is_relative_to(root) and not {"site-packages", ".venv"} & set(path.parts)


def write_json(path: Path, value: object) -> None:
    """Write `value` to `path`, whole or not at all; keys keep their order."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
