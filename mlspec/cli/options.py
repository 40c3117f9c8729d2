"""Options that commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlspec.cli import completion
from mlspec.cli.paths import PATH
from mlspec.workspace.spec_file import SPEC

if TYPE_CHECKING:
    from mlspec.stage_context import StageContext
    from mlspec.target_facts import TargetName

ENGINES = ("dvc",)
"""The names in `run/engines/all_engines.py`, which `--help` does not import."""
F = TypeVar("F", bound=Callable[..., Any])


def spec_options(function: F) -> F:
    """`--spec FILE --env NAME --json` for a command; they arrive as `spec`, `env`, `as_json`."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout."),
        click.option(
            "--env",
            metavar="NAME",
            shell_complete=completion.environments,
            help="Apply the overlay environments.NAME to the spec.",
        ),
        click.option(
            "--spec", metavar="FILE", type=PATH, help=f"The spec. Default: {SPEC} in this directory or a parent."
        ),
    ):
        function = option(function)
    return function


def target_option(function: F) -> F:
    """`--target NAME` for a command that ships, or reads what was shipped; it arrives as `target`."""
    from mlspec.target_facts import TARGETS

    return click.option(
        "--target",
        type=click.Choice(tuple(TARGETS)),
        help="Where to ship: an AWS account, or its rehearsal on this machine. Default: aws.",
    )(function)


def adopt_option(function: F) -> F:
    """`--adopt` for a command that changes an account, or shows what would be changed; it arrives as `adopt`."""
    return click.option(
        "--adopt",
        is_flag=True,
        help="Take over existing resources of the account that no project has tagged; with SAM and Serverless also the "
        "project's own, into a new stack.",
    )(function)


def stage_context(root: Path, target: TargetName | None) -> StageContext:
    """The context of a command in the project `root`: what its options leave out, the environment decides."""
    from mlspec.stage_context import StageContext

    context = StageContext.from_env(os.environ, root)
    return replace(context, target=target or context.target)


def selection_options(function: F) -> F:
    """`--until STAGE --only STAGE --force STAGE` for a command that runs stages, or shows why each would run."""
    for option in (
        _stage("--force", "Run STAGE even if it is up to date. Repeatable.", repeatable=True),
        _stage("--only", "Run only STAGE. Repeatable.", repeatable=True),
        _stage("--until", "Run STAGE and everything it depends on.", repeatable=False),
    ):
        function = option(function)
    return function


def _stage(name: str, help: str, *, repeatable: bool) -> Callable[[F], F]:
    return click.option(name, multiple=repeatable, metavar="STAGE", shell_complete=completion.stages, help=help)


def engine_option(function: F) -> F:
    """`--engine NAME` for a command that runs stages, or shows why each would run; None where it is not given."""
    return click.option("--engine", type=click.Choice(ENGINES), help="Engine that runs the stages. Default: dvc.")(
        function
    )
