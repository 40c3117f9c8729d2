"""`mlspec apply`: build, then run the stages that are not up to date."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from mlspec.cli.console import Console
from mlspec.cli.options import adopt_option, engine_option, selection_options, spec_options, target_option
from mlspec.cli.paths import PathType
from mlspec.target_facts import TargetName


@click.command()
@click.argument("plan", metavar="[PLAN]", required=False, type=PathType(Path))
@spec_options
@selection_options
@engine_option
@click.option("--jobs", type=click.IntRange(min=1), default=1, metavar="N", help="Run at most N stages at once.")
@target_option
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME=VALUE",
    help="With --target local: inject a fault into the new version to test the automatic rollback.",
)
@click.option("--allow-breaking", is_flag=True, help="Deploy even if the change breaks clients of the live version.")
@adopt_option
@click.option("--wait", is_flag=True, help="Wait while another mlspec works in this project, instead of failing.")
@click.option(
    "--push",
    is_flag=True,
    help="Take results of other machines from the DVC remote, and push those of this run, also after a failure.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and change nothing.")
def command(
    plan: Path | None,
    spec: str | None,
    env: str | None,
    as_json: bool,
    until: str | None,
    only: tuple[str, ...],
    force: tuple[str, ...],
    engine: str | None,
    jobs: int,
    target: TargetName | None,
    faults: tuple[str, ...],
    allow_breaking: bool,
    adopt: bool,
    wait: bool,
    push: bool,
    yes: bool,
    dry_run: bool,
) -> int:
    """Build, then run the stages that are not up to date.

    Shows the plan with a reason for each stage and asks for confirmation. Without a terminal it requires --yes, unless
    the environment variable CI is set. After a failure or an interruption, run it again to resume.

    With PLAN, a file saved by `mlspec plan --out`, it executes that plan without asking. If anything that the plan was
    made from has changed since, it does nothing.
    """
    from mlspec.child_process import raise_terminated
    from mlspec.cli.applying import ApplyOptions, apply, plan_source
    from mlspec.run.schedule import Selection

    options = ApplyOptions(
        Selection(until, only, force),
        engine,
        jobs,
        target,
        faults,
        allow_breaking,
        adopt,
        yes=yes,
        dry_run=dry_run,
        wait=wait,
        push=push,
    )
    signal.signal(signal.SIGTERM, raise_terminated)
    return apply(Console(as_json=as_json), plan_source(plan, spec, env, options), options)
