"""The moves of a rollout as a plan shows them, before the number of the new version is known."""

from __future__ import annotations

import pytest

from mlspec.aws.action import lines
from mlspec.aws.alias import Alias
from mlspec.aws.published_version import NEXT
from mlspec.sections.deploy import Rollout
from tests.shipping.rollout.world import plan, rollout_plan

LIVE = Alias("live", "1", revision="0")
UNKNOWN = "(known after apply)"


def shown(options: Rollout, live: Alias | None = LIVE, candidate: str = NEXT) -> list[str]:
    """The lines of the plan without the name of the alias."""
    return [
        line.replace("lambda alias live version: ", "")
        for line in lines(rollout_plan(options, live, candidate).actions)
    ]


def test_every_step_the_promotion_and_the_abort_are_shown() -> None:
    assert shown(plan(steps=[10, 50, 100])) == [
        f"~ 1 -> {{1: 0.9, {UNKNOWN}: 0.1}}",
        f"~ {{1: 0.9, {UNKNOWN}: 0.1}} -> {{1: 0.5, {UNKNOWN}: 0.5}}",
        f"~ {{1: 0.5, {UNKNOWN}: 0.5}} -> {UNKNOWN}",
        f"~ {UNKNOWN} -> 1, if error_rate > 0.01, p95_ms > 300, fewer than 100 requests arrive in 30m or "
        "the rollout is interrupted",
    ]


@pytest.mark.parametrize(
    ("options", "condition"),
    [
        (plan("all-at-once"), "error_rate > 0.01 or p95_ms > 300"),
        (plan("blue-green"), "error_rate > 0.01 or p95_ms > 300"),
        (plan("all-at-once", abort_if=None), ""),
        (plan("canary", abort_if=None, too_few="promote"), "the rollout is interrupted"),
    ],
)
def test_when_the_old_version_gets_its_traffic_back(options: Rollout, condition: str) -> None:
    assert [action.condition for action in rollout_plan(options, LIVE, "2").abort] == ([condition] if condition else [])


def test_the_first_version_and_one_that_is_live() -> None:
    assert shown(plan(), None) == [f"+ lambda alias live: {UNKNOWN}"]
    assert shown(plan(), LIVE, "1") == []
    assert rollout_plan(plan(), LIVE, "1").kinds == ()


def test_a_split_of_another_version_ends_first() -> None:
    moves = shown(plan(), Alias("live", "1", "2", 0.25), "3")
    assert moves[:2] == ["~ {1: 0.75, 2: 0.25} -> 1", "~ 1 -> {1: 0.9, 3: 0.1}"]
    assert shown(plan(), Alias("live", "1", "2", 0.25), "1") == ["~ {1: 0.75, 2: 0.25} -> 1"]


@pytest.mark.parametrize(("reached", "left"), [(0, [10, 50]), (10, [10, 50]), (20, [50]), (50, [50])])
def test_the_step_that_was_reached_is_judged_again(reached: float, left: list[float]) -> None:
    live = Alias("live", "1", "2", reached / 100) if reached else LIVE
    steps = rollout_plan(plan(steps=[10, 50, 100]), live, "2").steps
    assert [step.percent for step in steps] == left
    assert bool(steps[0].shift) == (reached in (0, 20))
