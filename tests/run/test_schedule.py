"""Which stages run, and why."""

from __future__ import annotations

import pytest

from mlspec.errors import UsageError
from mlspec.plan.stage import Output, Stage
from mlspec.run.schedule import Selection, schedule
from mlspec.stage_result import Reason


def stage(name: str, *inputs: str) -> Stage:
    return Stage(name, name, "toy", inputs, (Output(f"{name}.out"),))


LINE = (
    stage("data"),
    stage("train", "data.out"),
    stage("evaluate", "train.out", "data.out"),
    stage("export", "train.out"),
    stage("other"),
)
CURRENT = dict.fromkeys(("data", "train", "evaluate", "export", "other"))


def reasons(**changed: str) -> dict[str, Reason | None]:
    return {**CURRENT, **{name: Reason("input-changed", text) for name, text in changed.items()}}


ALL = Selection()


def scheduled(reasons_by_stage: dict[str, Reason | None], selection: Selection = ALL) -> dict[str, str | None]:
    steps = schedule(LINE, reasons_by_stage, selection).steps
    return {step.stage.name: step.reason.text if step.reason else None for step in steps}


def texts(**changed: str) -> dict[str, str | None]:
    return {**CURRENT, **changed}


def test_nothing_runs_where_all_is_up_to_date() -> None:
    assert scheduled(reasons()) == CURRENT
    assert not schedule(LINE, reasons(), Selection()).due


def test_what_comes_after_may_run_too() -> None:
    assert scheduled(reasons(train="never ran")) == texts(
        train="never ran", evaluate="after train", export="after train"
    )
    steps = schedule(LINE, reasons(train="never ran"), Selection()).steps
    assert {step.stage.name for step in steps if not step.certain} == {"evaluate", "export"}


def test_a_reason_of_its_own_wins() -> None:
    assert scheduled(reasons(data="x", train="y"))["train"] == "y"


def test_until_takes_all_that_the_stage_needs_and_no_more() -> None:
    assert list(scheduled(CURRENT, Selection(until="evaluate"))) == ["data", "train", "evaluate"]


def test_only_takes_the_stage_alone() -> None:
    assert scheduled(reasons(data="x"), Selection(only=("train",))) == {"train": None}


def test_force_runs_what_is_up_to_date() -> None:
    assert scheduled(reasons(), Selection(force=("export",))) == texts(export="forced")


@pytest.mark.parametrize(
    ("selection", "help"),
    [
        (Selection(until="evaluat"), "did you mean `evaluate`?"),
        (Selection(only=("xyz",)), "available stages: `data`, `evaluate`, `export`, `other`, `train`"),
        (Selection(force=("Train",)), "did you mean `train`?"),
    ],
)
def test_a_stage_that_does_not_exist_is_named(selection: Selection, help: str) -> None:
    with pytest.raises(UsageError, match="this project has no stage") as error:
        schedule(LINE, reasons(), selection)
    assert error.value.help == help


@pytest.mark.parametrize(
    ("selection", "help"),
    [
        (Selection(until="train", force=("export",)), "remove --until or `--force export`"),
        (Selection(only=("train",), force=("export",)), "add `--only export`, or remove `--force export`"),
    ],
)
def test_a_forced_stage_outside_the_selection_is_refused(selection: Selection, help: str) -> None:
    with pytest.raises(UsageError, match="--force export: --only or --until excludes this stage") as error:
        schedule(LINE, reasons(), selection)
    assert error.value.help == help
