"""`mlspec rollback`: all traffic to another version, at once."""

from __future__ import annotations

import click

from mlspec.cli.confirmation import confirmed
from mlspec.cli.console import Console
from mlspec.cli.options import spec_options, target_option
from mlspec.errors import EXIT_OK
from mlspec.target_facts import TargetName
from mlspec.workspace.spec_file import find_spec


@click.command()
@click.argument("version", required=False)
@spec_options
@target_option
@click.option("--why", default="", metavar="TEXT", help="Reason, recorded in the history.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def command(
    version: str | None,
    spec: str | None,
    env: str | None,
    as_json: bool,
    target: TargetName | None,
    why: str,
    yes: bool,
) -> int:
    """Send all traffic to VERSION, by default to the one that was live before.

    A rollout in progress stops and its traffic returns to the old version. A later `apply` does not redeploy the
    version that was rolled back; it waits for a new one.
    """
    from mlspec.aws.action import lines
    from mlspec.cli.deployed import deployed_versions, moment
    from mlspec.shipping.rollback import chosen, make_rollback_plan, roll_back

    console = Console(as_json=as_json)
    where = find_spec(spec, env)
    with deployed_versions(where, target) as (desired, versions):
        number = chosen(versions, version)
        goal = versions.find(number)
        since = f", published {moment(goal.published)}" if goal else ""
        assert versions.live is not None, "a version was chosen, so there is an alias"
        console.out(f"{desired.name}:{versions.live.name}  {versions.live.version} -> {number}{since}")
        plan = make_rollback_plan(desired, versions, number)
        for line in lines([*plan.moves, *plan.events]):
            console.out(f"  {line}")
        if not yes and not confirmed(console, "Continue?"):
            console.say("nothing was done")
            return EXIT_OK
        roll_back(desired, plan, why)
    if as_json:
        console.document({"ok": True, "function": desired.name, "version": number, "before": versions.live.version})
    console.say(f"all traffic is on version {number}")
    return EXIT_OK
