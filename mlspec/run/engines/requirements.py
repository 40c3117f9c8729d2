"""The requirements of stages compared with the capabilities of the machine."""

from __future__ import annotations

from collections.abc import Callable

from mlspec.plan.stage import Stage
from mlspec.run.capabilities import Capability, probe
from mlspec.run.schedule import MissingRequirement

_DEFAULT = ("extra:train",)
"""DVC, Hydra, and what the bodies of the local stages import: the requirements of a stage that lists no extra."""
_NOT_PROBED = frozenset({"network"})
"""The stage that connects to an address reports whether it is reachable."""


class ProbedMachine:
    """What this machine has, each capability probed once: probing a Docker engine takes a while.

    The results hold for one plan. The next plan of the same process may find an engine that was started meanwhile.
    """

    def __init__(self, probe: Callable[[str], Capability] = probe) -> None:
        self._probe = probe
        self._probed: dict[str, Capability] = {}

    def lacks(self, stage: Stage) -> MissingRequirement | None:
        """The first requirement that this machine does not meet; None where it meets all."""
        default = () if any(need.startswith("extra:") for need in stage.needs) else _DEFAULT
        for need in (*default, *stage.needs):
            if need in _NOT_PROBED:
                continue
            if need not in self._probed:
                self._probed[need] = self._probe(need)
            capability = self._probed[need]
            if not capability.present:
                name = need.partition(":")[2] or need
                return MissingRequirement(f"it needs {name}: {capability.detail}", capability.fix)
        return None
