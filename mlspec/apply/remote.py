"""What stages with effects would change out there, asked of the parts' observers and shown as part of a plan."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from mlspec.aws.change import RemoteChange
from mlspec.errors import MlspecError
from mlspec.parts.part_protocol import Part
from mlspec.spec.project import Project
from mlspec.stage_context import StageContext
from mlspec.stage_result import Reason

COMPARES = Reason("not-compared", "compares, and acts on what differs")
"""Why a stage with effects runs whose world cannot be looked at from here."""
Look = Callable[[Project, Path, StageContext], Sequence[RemoteChange]]


@dataclass
class Remote:
    """What was seen, by stage: its changes, or in `unseen` why it could not be looked at."""

    project: Project
    artifacts: Path
    parts: Sequence[Part]
    context: StageContext
    seen: dict[str, list[RemoteChange]] = field(default_factory=dict)
    unseen: dict[str, str] = field(default_factory=dict)
    _dark: str = ""
    """Why nothing out there can be seen: what was waited for once is not waited for again."""

    def looks(self) -> dict[str, Callable[[], Reason | None]]:
        """For each stage that has an observer why it would run; None where nothing differs. Each looks when called, and
        again the next time: the world moves."""
        found = {name: path for part in self.parts for name, path in getattr(part, "OBSERVERS", {}).items()}
        return {name: partial(self._reason, name, path) for name, path in found.items()}

    def _reason(self, stage: str, path: str) -> Reason | None:
        self.seen.pop(stage, None)
        self.unseen.pop(stage, None)
        if self._dark:
            self.unseen[stage] = self._dark
            return COMPARES
        try:
            self.seen[stage] = list(_load(path)(self.project, self.artifacts, self.context))
        except MlspecError as error:
            self.unseen[stage] = error.message
            self._dark = error.message if error.code == "unreachable" else ""
            return COMPARES
        signs: Counter[str] = Counter(change.sign for change in self.seen[stage] if not change.held)
        counts = " ".join(f"{sign}{signs[sign]}" for sign in "+~-")
        return Reason("remote-differs", counts) if signs else None

    @property
    def changes(self) -> list[RemoteChange]:
        """All that would change, in the order of the stages."""
        return [change for found in self.seen.values() for change in found]

    @property
    def breaking(self) -> list[str]:
        """What callers would notice."""
        return [change.breaking for change in self.changes if change.breaking]

    def to_json(self) -> dict[str, object]:
        """The stable JSON shape."""
        rows = [{"stage": stage, **asdict(change)} for stage, found in self.seen.items() for change in found]
        return {"changes": rows, "unseen": dict(self.unseen)}


def _load(path: str) -> Look:
    module, _, name = path.partition(":")
    look: Look = getattr(importlib.import_module(module), name)
    return look
