"""A rollout as a value: every move of the alias that it may execute, in order. Pure.

The alias has the whole state: its two versions, its weight and the time in its description show how far a rollout is,
on whatever machine it began. The plan of one that was killed resumes from there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from mlspec.aws.action import Action
from mlspec.aws.alias import Alias, AliasProvider
from mlspec.aws.known_after_apply import KnownAfterApply, join
from mlspec.aws.release_events import Kind
from mlspec.sections.deploy import Rollout

_NEAR: Final = 0.01
"""Percentage points by which two weights of the same step may differ."""
_NOW: Final = KnownAfterApply("{time}")


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """A share of the traffic, which is judged before the next. `shift` is empty where the alias has that share."""

    percent: float
    shift: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """The moves of the alias `name` from `live` to `candidate`, whose number may be known only after it is published.

    `end_split` ends the rollout of another version first. `abort` is executed instead of the moves that are left where
    its condition is met. A rollout that is held has no moves.
    """

    options: Rollout
    function: str
    name: str
    candidate: str
    live: Alias | None
    end_split: tuple[Action, ...] = ()
    steps: tuple[RolloutStep, ...] = ()
    promote: tuple[Action, ...] = ()
    abort: tuple[Action, ...] = ()
    held: tuple[Action, ...] = ()

    @property
    def moves(self) -> tuple[Action, ...]:
        """The moves of a rollout that succeeds."""
        return (*self.end_split, *(action for step in self.steps for action in step.shift), *self.promote)

    @property
    def judged_afterwards(self) -> bool:
        """Whether the candidate is judged once more when it receives all traffic."""
        return bool(self.promote) and self.live is not None and _judged_afterwards(self.options)

    @property
    def actions(self) -> tuple[Action, ...]:
        """Everything that the plan shows."""
        return (*self.held, *self.moves, *self.abort)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of events that it writes to the history if it succeeds."""
        ended: tuple[Kind, ...] = ("returned",) if self.end_split else ()
        if not self.promote and not self.steps:
            return ended
        started: tuple[Kind, ...] = () if self.live is None else ("started",)
        judged: tuple[Kind, ...] = ("step",) if self.steps else ()
        return (*ended, *started, *judged, "promoted")


def make_rollout_plan(
    options: Rollout, provider: AliasProvider, name: str, live: Alias | None, candidate: str
) -> RolloutPlan:
    """The RolloutPlan of the alias `name`."""
    plan = RolloutPlan(options, provider.function, name, candidate, live)
    if live is None:
        return replace(plan, promote=tuple(provider.diff(Alias(name, candidate), None)))
    ended = _whole(live, live.other or candidate)
    if live.version == candidate:
        return replace(plan, end_split=tuple(provider.diff(ended, live)))
    end_split = tuple(provider.diff(ended, live)) if live.other not in (None, candidate) else ()
    current, steps = ended if end_split else live, list[RolloutStep]()
    for percent in _remaining(options.percents(), current.weight * 100):
        shifted = _shifted(current, candidate, percent)
        steps.append(RolloutStep(percent, tuple(provider.diff(shifted, current))))
        current = shifted
    promoted = Alias(name, candidate, description=join("mlspec: version ", candidate, " since ", _NOW))
    condition = _abort_condition(options, judged=bool(steps), split=bool(steps) or current.other == candidate)
    back = provider.diff(_whole(live, candidate), promoted) if condition else []
    return replace(
        plan,
        end_split=end_split,
        steps=tuple(steps),
        promote=tuple(provider.diff(promoted, current)),
        abort=tuple(replace(action, condition=condition) for action in back),
    )


def _whole(live: Alias, lost: str) -> Alias:
    """All traffic on the version that was live before."""
    text = join(f"mlspec: version {live.version} since ", _NOW, ", rolled back from ", lost)
    return replace(live, other=None, weight=0.0, description=text)


def _shifted(current: Alias, candidate: str, percent: float) -> Alias:
    """That share on the candidate; unchanged where it has it."""
    if current.other is not None and current.weight * 100 >= percent - _NEAR:
        return current
    text = join(f"mlspec: {percent:g} % to version ", candidate, " since ", _NOW)
    return replace(current, other=candidate, weight=percent / 100, description=text)


def _remaining(percents: tuple[float, ...], reached: float) -> tuple[float, ...]:
    """The shares that are left where `reached` percent are reached: that step is judged again."""
    return tuple(percent for percent in percents if reached - _NEAR <= percent < 100)


def _abort_condition(options: Rollout, *, judged: bool, split: bool) -> str:
    """When the candidate is rolled back: traffic that is `split` is never left so; "" where nothing is watched."""
    reasons: list[str] = []
    if judged or _judged_afterwards(options):
        reasons += [f"{name} {bound}" for name, bound in options.abort_if.given().items()] if options.abort_if else []
    if judged and options.too_few == "return":
        reasons.append(f"fewer than {options.min_requests} requests arrive in {options.patience}")
    if split:
        reasons.append("the rollout is interrupted")
    return " or ".join(part for part in (", ".join(reasons[:-1]), *reasons[-1:]) if part)


def _judged_afterwards(options: Rollout) -> bool:
    """Whether the candidate is judged when it receives all traffic, for want of a step before."""
    return options.abort_if is not None and options.strategy in ("all-at-once", "blue-green")
