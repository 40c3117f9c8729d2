"""`mlspec plan`: what apply would do, and why."""

from __future__ import annotations

import click

from mlspec.cli.console import Console
from mlspec.cli.options import place, spec_options, target_option
from mlspec.errors import EXIT_OK


@click.command()
@spec_options
@target_option
@click.option("--until", metavar="STAGE", help="Plan up to this stage: it and all it needs.")
@click.option("--only", multiple=True, metavar="STAGE", help="Plan this stage and no other. May be repeated.")
@click.option("--force", multiple=True, metavar="STAGE", help="Run this stage even if it is up to date.")
def command(
    spec: str | None, env: str | None, as_json: bool, until: str | None, only: tuple[str, ...], force: tuple[str, ...]
) -> int:
    """Show what apply would do, and why. Changes nothing."""
    from mlspec.cli import rehearsed
    from mlspec.cli.outlook import look_ahead, show, to_json
    from mlspec.run.schedule import Selection

    where, console = place(spec, env), Console(as_json=as_json)
    rehearsed.aim(where.root)
    outlook = look_ahead(where, Selection(until, only, force))
    console.diagnostics(outlook.build.warnings)
    if as_json:
        console.document({"ok": not outlook.changes.conflicts, **to_json(outlook)})
    show(console, outlook)
    if conflict := outlook.changes.conflict():
        console.say(f"{console.paint('conflict', 'red')}: {conflict.message}")
        return conflict.exit_code
    return EXIT_OK
