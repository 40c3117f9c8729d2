"""What a command passes to the processes of its stages."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.errors import UsageError
from mlspec.stage_context import StageContext, WatchedProject, target_in

ALL = StageContext(
    target="local",
    root=Path("/project"),
    local_dir=Path("/elsewhere/local"),
    faults=("error_rate=0.2", "crash"),
    allow_breaking=True,
    holder=4711,
)


@pytest.mark.parametrize("context", [ALL, StageContext(root=Path("/p"), local_dir=Path("/p/.mlspec/local"))])
def test_a_stage_begins_with_what_it_was_started_with(context: StageContext) -> None:
    assert StageContext.from_env(context.to_env(), context.root) == context
    assert StageContext.from_env(ALL.to_env() | context.to_env(), context.root) == context, "no older value remains"


def test_without_variables_it_is_an_account_and_the_folder_in_the_project() -> None:
    assert StageContext.from_env({}, Path("/p")) == StageContext(
        root=Path("/p"), local_dir=Path("/p/.mlspec/local"), target="aws"
    )


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("MLSPEC_TARGET", "moon", "target not found: MLSPEC_TARGET=moon"),
        ("MLSPEC_ALLOW_BREAKING", "maybe", "MLSPEC_ALLOW_BREAKING is `maybe`"),
    ],
)
def test_a_value_that_a_variable_cannot_have_is_refused(variable: str, value: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as failure:
        StageContext.from_env({variable: value}, Path())
    assert failure.value.help


@pytest.mark.parametrize(("value", "allowed"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_breaking_changes_are_allowed_by_a_variable(value: str, allowed: bool) -> None:
    assert StageContext.from_env({"MLSPEC_ALLOW_BREAKING": value}, Path()).allow_breaking is allowed


def test_a_command_reads_the_target_of_the_environment() -> None:
    assert [target_in(e) for e in ({}, {"MLSPEC_TARGET": ""}, {"MLSPEC_TARGET": "aws"})] == [None, None, "aws"]


def test_a_process_below_a_watched_stage_watches_the_same() -> None:
    watched = WatchedProject("/p", "/p/.mlspec/scratch/opened-1")
    assert WatchedProject.from_env(watched.to_env()) == watched
    assert WatchedProject.from_env({}) is None
