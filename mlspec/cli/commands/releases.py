"""`mlspec releases`: the versions of the function, with their states."""

from __future__ import annotations

from dataclasses import asdict

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options, target_option
from mlspec.errors import EXIT_OK
from mlspec.target_facts import TargetName
from mlspec.workspace.spec_file import find_spec


@click.command()
@spec_options
@target_option
@click.option(
    "--last", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="Show only the newest N."
)
def command(spec: str | None, env: str | None, as_json: bool, target: TargetName | None, last: int) -> int:
    """List the published versions: when, from which commit, which model and metrics, and which one receives traffic.

    The model is named as in predictions, `/metrics` and `mlspec monitor`.
    """
    from mlspec.cli.deployed import commit, deployed_versions, moment, numbers, standing

    console = Console(as_json=as_json)
    where = find_spec(spec, env)
    with deployed_versions(where, target) as (desired, versions):
        shown = versions.releases[:last]
    if as_json:
        releases = [{**asdict(r), "events": [event.as_json() for event in r.events]} for r in shown]
        console.document({"ok": True, "function": desired.name, "releases": releases})
        return EXIT_OK
    if not shown:
        console.say("no version was released yet: mlspec apply")
        return EXIT_OK
    console.out(f"{desired.name}:{desired.alias}")
    rows = [
        (
            r.version,
            standing(r),
            moment(r.published),
            commit(r),
            r.model or "-",
            numbers(r.release.get("metrics") or {}),
        )
        for r in shown
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    colours = {"live": "green", "canary": "yellow", "rolled-back": "red"}
    for release, row in zip(shown, rows, strict=True):
        cells = [f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)]
        cells[1] = console.paint(cells[1], colours.get(release.state, "dim"), stream="out")
        console.out("  " + "  ".join(cells).rstrip())
    if len(versions.releases) > last:
        console.out(f"  and {len(versions.releases) - last} older: --last {len(versions.releases)}")
    return EXIT_OK
