"""`mlspec plan`: what apply would do, and why."""

from __future__ import annotations

import click

from mlspec.cli.console import Console
from mlspec.cli.options import place, spec_options


@click.command()
@spec_options
@click.option("--until", metavar="STAGE", help="Only what this stage needs, and itself.")
@click.option("--only", metavar="STAGE", multiple=True, help="Only this stage.")
@click.option("--force", metavar="STAGE", multiple=True, help="Run this stage even if it is up to date.")
def command(
    spec: str | None, env: str | None, as_json: bool, until: str | None, only: tuple[str, ...], force: tuple[str, ...]
) -> int:
    """Show what apply would do: files, stages, and why each of them runs. Nothing is changed."""
    from mlspec.cli.line import selected, show, survey, to_json

    console = Console(as_json=as_json)
    line = survey(place(spec, env), console, selected(until, only, force))
    if as_json:
        console.document(to_json(line))
    else:
        show(console, line)
    return 0
