"""What earlier runs tell: when the last one was, and how long each stage took the time before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class History:
    """`when` the run shown was, as text; `before` the seconds of each stage's last run before it."""

    when: str = ""
    before: Mapping[str, float] = field(default_factory=dict)
