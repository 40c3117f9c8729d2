"""Stages to what a run would do with each, and why. Pure, given the engine's reasons."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mlspec.errors import UsageError
from mlspec.plan.graph import upstream
from mlspec.plan.stage import Stage
from mlspec.spec.names import suggest

Lack = Callable[[str], tuple[str, str] | None]
"""A capability's name to what is missing and the command that mends it; None where it is there."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a run would do with one stage."""

    stage: Stage
    action: Literal["run", "current", "skip"]
    reason: str = ""
    help: str = ""
    estimate: float | None = None
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """Which stages a person asked for."""

    until: str | None = None
    only: Collection[str] = ()
    force: Collection[str] = ()

    def of(self, stages: Sequence[Stage]) -> list[Stage]:
        """Those stages, in order. Raises UsageError for a name that is none."""
        names = [stage.name for stage in stages]
        for name in (*([self.until] if self.until else []), *self.only, *self.force):
            if name not in names:
                raise UsageError(f"there is no stage `{name}`", help=suggest(name, names, "the stages are"))
        wanted = set(self.only) or set(names)
        if self.until:
            wanted &= {self.until, *_all_above(self.until, stages)}
        return [stage for stage in stages if stage.name in wanted]


def schedule(
    stages: Sequence[Stage],
    selection: Selection,
    reasons: Mapping[str, str | None],
    estimates: Mapping[str, float],
    lack: Lack,
) -> list[Step]:
    """One Step for each selected stage, in the order they run."""
    needs = upstream(stages)
    steps: dict[str, Step] = {}
    for stage in selection.of(stages):
        above = [steps[name] for name in needs[stage.name] if name in steps]
        steps[stage.name] = _step(stage, above, selection, reasons, estimates, lack)
    return list(steps.values())


def _step(
    stage: Stage,
    above: Sequence[Step],
    selection: Selection,
    reasons: Mapping[str, str | None],
    estimates: Mapping[str, float],
    lack: Lack,
) -> Step:
    reason = reasons.get(stage.name)
    before = next((step for step in above if step.action == "run"), None)
    missing = next((step for step in above if step.action == "skip"), None)
    forced = stage.name in selection.force
    if forced:
        reason = "forced"
    elif before is not None and (reason is None or reason.endswith(("changed", "is missing"))):
        # What it reads is about to be made again; whether it differs then, the runner looks once more.
        reason = f"after {before.stage.name}"
    if reason is None:
        return Step(stage, "current")
    if missing is not None:
        return Step(stage, "skip", f"{missing.stage.name} is skipped", missing.help)
    for need in ("extra:train", *stage.needs):
        lacking = lack(need)
        if lacking is not None:
            return Step(stage, "skip", f"{need.removeprefix('extra:')}: {lacking[0]}", lacking[1])
    return Step(stage, "run", reason, "", estimates.get(stage.name), forced)


def _all_above(name: str, stages: Sequence[Stage]) -> set[str]:
    needs = upstream(stages)
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for above in needs[waiting.pop()]:
            if above not in found:
                found.add(above)
                waiting.append(above)
    return found
