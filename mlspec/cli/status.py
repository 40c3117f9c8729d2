"""`mlspec status`: what is current and what is stale."""

from __future__ import annotations

import click

from mlspec.cli.console import Console
from mlspec.cli.options import place, spec_options


@click.command()
@spec_options
def command(spec: str | None, env: str | None, as_json: bool) -> int:
    """Show which files and stages are up to date, when each stage last ran and how that ended."""
    from mlspec.cli.line import duration, selected, survey, to_json

    console = Console(as_json=as_json)
    line = survey(place(spec, env), console, selected(None, (), ()))
    last = line.journal.last()
    if as_json:
        console.document({**to_json(line), "last": last})
        return 0
    console.out(f"files   {line.changes.summary() if line.changes.changed else 'up to date'}")
    width = max((len(step.stage.name) for step in line.steps), default=0)
    for step in line.steps:
        row = last.get(step.stage.name, {})
        ended = f"{row['status']} {row['at']}, {duration(row['seconds'])}" if row else "never ran"
        state = "up to date" if step.action == "current" else f"stale: {step.reason}"
        console.out(f"{step.stage.name:<{width}}  {state}  ({ended})")
    return 0
