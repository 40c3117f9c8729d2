"""The requirements of a stage compared with the capabilities of the machine."""

from __future__ import annotations

import functools

from mlspec.plan.stage import Stage
from mlspec.run.capabilities import Capability, probe
from mlspec.run.schedule import MissingRequirement

_DEFAULT = ("extra:train",)
"""DVC, Hydra, and what the bodies of the local stages import: the requirements of a stage that lists no extra."""
_NOT_PROBED = frozenset({"network"})
"""The stage that connects to an address reports whether it is reachable."""


def lacks(stage: Stage) -> MissingRequirement | None:
    """The first requirement that this machine does not meet; None where it meets all."""
    default = () if any(need.startswith("extra:") for need in stage.needs) else _DEFAULT
    for need in (*default, *stage.needs):
        if need in _NOT_PROBED:
            continue
        capability = _probed(need)
        if not capability.present:
            name = need.partition(":")[2] or need
            return MissingRequirement(f"it needs {name}: {capability.detail}", capability.fix)
    return None


@functools.cache
def _probed(need: str) -> Capability:
    """Cached for the process: probing a Docker engine takes a while."""
    return probe(need)
