"""The whole way of a new version, in simulated time: no test here waits."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from mlspec.aws.alias import Alias
from mlspec.errors import StageError
from tests.shipping.rollout.world import START, Behaviour, Died, World, plan

LIVE = Alias("live", "1", revision="0")
STEPS = {"steps": [10, 50, 100]}


def test_a_good_version_receives_all_traffic_step_by_step() -> None:
    world = World(LIVE)
    world.course(plan(**STEPS)).run()
    assert world.ended == ("2", None)
    assert world.wrote == [("1", "2", 0.1), ("1", "2", 0.5), ("2", None, 0.0)]
    assert world.time - START >= 600, "each step is watched for the interval"
    assert [kind for kind, _, _ in world.events] == ["started", "started", "step", "started", "step", "promoted"]
    assert [line.split()[-1] for line in world.lines] == ["rows", "ok", "ok"]


@pytest.mark.parametrize(("strategy", "writes"), [("all-at-once", 1), ("blue-green", 1), ("canary", 2), ("linear", 5)])
def test_each_strategy_ends_with_the_new_version_alone(strategy: str, writes: int) -> None:
    world = World(LIVE)
    world.course(plan(strategy)).run()
    assert (world.ended, len(world.wrote)) == (("2", None), writes)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Behaviour(error_rate=0.2), "error_rate"),
        (Behaviour(p95_ms=900), "p95_ms is 900"),
        (Behaviour(labels={"no": 0.05, "yes": 0.95}), "psi is"),
    ],
)
@pytest.mark.parametrize("strategy", ["canary", "linear"])
def test_a_bad_version_is_rolled_back_and_names_the_deciding_metric(strategy: str, fault: Behaviour, why: str) -> None:
    world = World(LIVE, {"2": fault})
    bounds = {"error_rate": "> 0.01", "p95_ms": "> 300", "psi": "> 0.25"}
    with pytest.raises(StageError) as refused:
        world.course(plan(strategy, abort_if=bounds)).run()
    assert why in refused.value.message
    assert "version 2 was rolled back, all traffic is on version 1 again" in refused.value.message
    assert world.alias is not None
    assert (world.alias.version, world.alias.other) == ("1", None)
    assert world.events[-1][:2] == ("returned", "2")
    assert why in world.events[-1][2]["why"]


def test_a_flood_of_errors_ends_the_step_before_the_sample_is_full() -> None:
    world = World(LIVE, {"2": Behaviour(error_rate=1.0)}, rate=1.0)
    with pytest.raises(StageError, match="will exceed its bound"):
        world.course(plan(min_requests=100)).run()
    assert world.time - START < 300


@pytest.mark.parametrize("strategy", ["all-at-once", "blue-green"])
def test_numbers_after_the_one_switch_bring_the_old_version_back(strategy: str) -> None:
    world = World(LIVE, {"2": Behaviour(error_rate=0.5)})
    with pytest.raises(StageError, match="all traffic is on version 1 again: error_rate"):
        world.course(plan(strategy)).run()
    assert world.wrote == [("2", None, 0.0), ("1", None, 0.0)]


def test_a_version_that_fails_its_checks_gets_no_traffic() -> None:
    def check(version: str) -> str:
        raise StageError("it answers `yes` where the bundle answers `no`")

    for strategy in ("blue-green", "canary", "linear"):
        world = World(LIVE)
        with pytest.raises(StageError, match="received no traffic: it answers"):
            world.course(plan(strategy), check=check).run()
        assert world.wrote == []
        assert world.alias == LIVE


def test_too_few_calls_bring_the_old_version_back_unless_the_spec_lets_them_pass() -> None:
    world = World(LIVE, rate=0.01)
    with pytest.raises(StageError, match=r"only \d+ of 100 requests in 30m"):
        world.course(plan()).run()
    assert world.alias is not None
    assert (world.alias.version, world.alias.other) == ("1", None)
    assert 1800 <= world.time - START < 1900
    world = World(LIVE, rate=0.01)
    world.course(plan(too_few="promote")).run()
    assert world.ended == ("2", None)


@pytest.mark.parametrize("strategy", ["all-at-once", "blue-green", "canary", "linear"])
@pytest.mark.parametrize("fault", [Behaviour(), Behaviour(error_rate=0.3)])
def test_killed_after_any_write_the_next_apply_ends_with_one_version(strategy: str, fault: Behaviour) -> None:
    for deadline in count(1):
        world = World(LIVE, {"2": fault}, deadline=deadline)
        try:
            world.course(plan(strategy, **(STEPS if strategy in ("canary", "linear") else {}))).run()
        except StageError:
            break
        except Died:
            world.dead = False
        else:
            break
        before = world.alias
        try:
            world.course(plan(strategy)).run()
        except StageError as error:
            assert fault.error_rate, error
        assert not world.split
        assert world.alias is not None
        bad = fault.error_rate > 0 and before is not None and before.version == "1"
        assert world.alias.version == ("1" if bad else "2"), (deadline, before)
    assert deadline > 1


def test_killed_in_the_middle_of_a_step_the_time_it_had_counts() -> None:
    world = World(LIVE)
    world.course(plan(**STEPS))
    world.alias = Alias("live", "1", "2", 0.5, f"mlspec: 50 % to version 2 since {START:.0f}", "0")
    world.wait(290)
    world.course(plan(**STEPS)).run()
    assert world.wrote == [("2", None, 0.0)]
    assert world.time - START < 330


def test_another_candidate_first_takes_the_first_one_back() -> None:
    world = World(Alias("live", "1", "2", 0.5, revision="0"))
    world.course(plan(), candidate="3").run()
    assert world.wrote == [("1", None, 0.0), ("1", "3", 0.1), ("3", None, 0.0)]
    assert world.events[0][:2] == ("returned", "2")


def test_a_deployment_of_the_live_version_ends_a_split() -> None:
    world = World(Alias("live", "1", "2", 0.5, revision="0"))
    world.course(plan(), candidate="1").run()
    assert world.ended == ("1", None)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_a_stopped_rollout_leaves_no_split_traffic(stop: type[BaseException]) -> None:
    world = World(LIVE)
    course = world.course(plan())

    def wait(seconds: float) -> None:
        raise stop

    course.instruments = replace(course.instruments, wait=wait)
    with pytest.raises(stop):
        course.run()
    assert world.wrote == [("1", "2", 0.1), ("1", None, 0.0)]
    assert world.lines[-1] == "stopped: all traffic is on version 1 again"


def test_a_rollout_that_stops_at_full_traffic_keeps_the_new_version() -> None:
    world = World(LIVE)
    course = world.course(plan("blue-green"))

    def wait(seconds: float) -> None:
        raise KeyboardInterrupt

    course.instruments = replace(course.instruments, wait=wait)
    with pytest.raises(KeyboardInterrupt):
        course.run()
    assert world.alias is not None
    assert (world.alias.version, world.alias.other) == ("2", None)
    assert world.lines[-1] == "stopped: version 2 receives all traffic already, and remains live"


def test_without_metrics_the_rollout_is_rolled_back() -> None:
    world = World(LIVE)
    course = world.course(plan())

    class Blind:
        def read(self, version: str, since: float) -> None:
            raise StageError("the AWS credentials have expired", help="sign in")

    course.instruments = replace(course.instruments, meter=Blind())
    with pytest.raises(StageError, match="the metrics cannot be read: the AWS credentials have expired"):
        course.run()
    assert not world.split


def test_two_rollouts_at_once_the_second_stops() -> None:
    world = World(LIVE)
    course = world.course(plan())
    wait = course.instruments.wait

    def meanwhile(seconds: float) -> None:
        wait(seconds)
        assert world.alias is not None
        world.alias = Alias("live", "9", revision="somebody else's")

    course.instruments = replace(course.instruments, wait=meanwhile)
    with pytest.raises(StageError, match="somebody else has moved the alias"):
        course.run()
    assert world.alias is not None
    assert world.alias.version == "9"


def test_the_first_version_is_verified_and_receives_all_traffic() -> None:
    tried: list[str] = []
    world = World(None)
    world.course(plan(), check=lambda version: tried.append(version) or "fine").run()  # type: ignore[func-returns-value]
    assert world.ended == ("2", None)
    assert tried == ["2"]


def test_nothing_to_do_when_it_is_live_already() -> None:
    world = World(Alias("live", "2", revision="0"))
    world.course(plan()).run()
    assert (world.wrote, world.events) == ([], [])


def test_an_alias_that_was_moved_after_the_plan_is_left_alone() -> None:
    world = World(LIVE)
    course = world.course(plan())
    world.alias = Alias("live", "9", revision="0")
    with pytest.raises(StageError, match="the alias live of cola was changed by another process"):
        course.run()
    assert (world.wrote, world.events) == ([], [])
