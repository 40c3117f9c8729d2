"""What a stage needs of the machine, looked up."""

from __future__ import annotations

import functools

from mlspec.plan.stage import Stage
from mlspec.run.capabilities import Capability, probe

_USUAL = ("extra:train",)
"""DVC, Hydra, and what the bodies of the local stages import: what a stage needs that names no extra."""
_NOT_ASKED = frozenset({"network"})
"""Whether an address can be reached is seen by reaching for it: the stage itself says it best."""


def lacks(stage: Stage) -> tuple[str, str] | None:
    """The first thing that is missing, and what mends it."""
    usual = () if any(need.startswith("extra:") for need in stage.needs) else _USUAL
    for need in (*usual, *stage.needs):
        if need in _NOT_ASKED:
            continue
        found = _probed(need)
        if not found.present:
            name = need.partition(":")[2] or need
            return f"it needs {name}: {found.detail}", found.mend
    return None


@functools.cache
def _probed(need: str) -> Capability:
    """Once a run: asking a Docker engine takes a while."""
    return probe(need)
