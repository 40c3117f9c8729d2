"""Options that commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from mlspec.apply.target import TARGET
from mlspec.cli.paths import PATH
from mlspec.workspace.spec_file import SPEC

ENGINES = ("dvc",)
"""What `run/engines/all_engines.py` has; named here as well, so that `--help` need not import it."""
F = TypeVar("F", bound=Callable[..., Any])


def spec_options(function: F) -> F:
    """`--spec FILE --env NAME --json` for a command; they arrive as `spec`, `env`, `as_json`."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout."),
        click.option("--env", metavar="NAME", help="Lay environments.NAME over the spec."),
        click.option("--spec", metavar="FILE", type=PATH, help=f"The spec. Default: {SPEC} here or in a folder above."),
    ):
        function = option(function)
    return function


def target_option(function: F) -> F:
    """`--target NAME` for a command that ships, or asks where things were shipped to."""

    def choose(_context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            os.environ[TARGET] = value  # for this process and the stages below it alike

    return click.option(
        "--target",
        type=click.Choice(["aws", "local"]),
        callback=choose,
        expose_value=False,
        help="An AWS account, or its rehearsal on this machine. Default: aws.",
    )(function)


def engine_option(function: F) -> F:
    """`--engine NAME` for a command that runs stages, or tells why each would run; None where it is not given."""
    return click.option("--engine", type=click.Choice(ENGINES), help="What carries the stages out. Default: dvc.")(
        function
    )
