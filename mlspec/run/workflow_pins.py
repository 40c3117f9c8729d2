"""Actions in the workflows of a repository that are pinned to an older release than those of mlspec."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlspec.parts.ci.action_pins import ACTIONS

_USES: Final = re.compile(
    r"^[ \t]*(?:-[ \t]+)?uses:[ \t]*[\"']?([\w.-]+/[\w.-]+)(?:/[\w./-]+)?@([\w.-]+)[\"']?(?:[ \t]+#[ \t]*(v[\w.]+))?",
    re.MULTILINE,
)
_RELEASE: Final = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class OldPin:
    """An action in a workflow, with its release there and that of mlspec."""

    action: str
    release: str
    file: str
    """Path in the repository."""
    line: int

    @property
    def current(self) -> str:
        """What mlspec's own workflows use: `COMMIT # RELEASE`."""
        return " # ".join(ACTIONS[self.action])


def old_pins(repository: Path) -> Iterator[OldPin]:
    """Each action of an older release, in the order of files and lines. A commit without a release is not compared."""
    folder = repository / ".github" / "workflows"
    for file in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
        text = file.read_text(encoding="utf-8", errors="replace")
        for match in _USES.finditer(text):
            action, version = match[1], match[3] or match[2]
            if action in ACTIONS and _older(version, ACTIONS[action][1]):
                line = text.count("\n", 0, match.start(1)) + 1
                yield OldPin(action, version, file.relative_to(repository).as_posix(), line)


def _older(version: str, current: str) -> bool:
    """Whether `version` is an older release. A floating tag (`v5`) stands for the newest of its own releases."""
    one, other = _RELEASE.fullmatch(version), _RELEASE.fullmatch(current)
    if one is None or other is None:
        return False
    pairs = [(int(a), int(b)) for a, b in zip(one.groups(), other.groups(), strict=True) if a is not None and b]
    return [a for a, _ in pairs] < [b for _, b in pairs]
