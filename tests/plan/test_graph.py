"""The order of stages."""

from __future__ import annotations

import pytest

from mlspec.plan.graph import CycleError, ordered, upstream
from mlspec.plan.stage import Output, Stage


def stage(name: str, inputs: str = "", outputs: str = "") -> Stage:
    return Stage(name, name, "toy", tuple(inputs.split()), tuple(Output(path) for path in outputs.split()))


def names(stages: tuple[Stage, ...]) -> str:
    return " ".join(s.name for s in stages)


def test_a_stage_follows_the_stages_that_produce_its_inputs() -> None:
    stages = [stage("c", "b/file"), stage("b", "a", "b"), stage("a", "raw", "a"), stage("free")]
    assert names(ordered(stages)) == "a b c free"
    assert upstream(stages) == {"c": ("b",), "b": ("a",), "a": (), "free": ()}


def test_a_folder_input_needs_everyone_who_makes_a_file_in_it() -> None:
    stages = [stage("report", "metrics"), stage("a", "", "metrics/a.json"), stage("b", "", "metrics/b.json")]
    assert set(upstream(stages)["report"]) == {"a", "b"}


def test_the_given_order_is_kept_where_it_can_be() -> None:
    assert names(ordered([stage(n) for n in "zyx"])) == "z y x"


def test_a_circle_is_named() -> None:
    with pytest.raises(CycleError) as caught:
        ordered([stage("a", "c", "a"), stage("b", "a", "b"), stage("c", "b", "c")])
    assert caught.value.names[0] == caught.value.names[-1]
    assert set(caught.value.names) == {"a", "b", "c"}


def test_ten_thousand_stages() -> None:
    chain = [stage(f"s{n}", f"f{n - 1}", f"f{n}") for n in range(10_000)]
    assert len(ordered(chain)) == 10_000
