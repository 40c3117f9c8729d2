"""`mlspec plan`: what apply would do, and why."""

from __future__ import annotations

from pathlib import Path

import click

from mlspec.cli.console import Console
from mlspec.cli.options import engine_option, selection_options, spec_options, stage_context, target_option
from mlspec.cli.paths import PathType
from mlspec.errors import EXIT_OK
from mlspec.source.document import printable
from mlspec.stage_context import TargetName
from mlspec.workspace.spec_file import find_spec


@click.command()
@spec_options
@target_option
@selection_options
@engine_option
@click.option("--out", metavar="FILE", type=PathType(Path), help="Save the plan for `mlspec apply FILE`.")
def command(
    spec: str | None,
    env: str | None,
    as_json: bool,
    target: TargetName | None,
    until: str | None,
    only: tuple[str, ...],
    force: tuple[str, ...],
    engine: str | None,
    out: Path | None,
) -> int:
    """Show what apply would do, and why. Changes nothing.

    `mlspec apply FILE` executes a saved plan exactly as it was shown; if anything that the plan was made from has
    changed since, it does nothing.
    """
    from mlspec.apply.apply_plan import ApplyRequest, make_apply_plan, to_json
    from mlspec.apply.plan_file import save_plan
    from mlspec.apply.preflight import preflight_findings
    from mlspec.cli.plan_monitoring import detectable_changes
    from mlspec.cli.plan_text import show
    from mlspec.run.schedule import Selection

    console, where = Console(as_json=as_json), find_spec(spec, env)
    context = stage_context(where.root, target)
    plan = make_apply_plan(ApplyRequest(where, context, Selection(until, only, force), engine or "dvc"))
    conflict = plan.changes.conflict()
    saved = out if conflict is None else None
    if saved is not None:
        save_plan(plan, saved)
    console.diagnostics([*plan.build.warnings, *preflight_findings(plan, "warning")])
    seen = detectable_changes(plan.build.project)
    if as_json:
        monitoring = {"monitoring": seen} if seen else {}
        console.document(
            {"ok": conflict is None, **to_json(plan), **monitoring, "saved": str(saved) if saved else None}
        )
    show(console, plan)
    for line in ("", "Monitoring", *(f"  {text}" for text in seen)) if seen else ():
        console.out(line)
    if conflict is not None:
        console.say(f"{console.paint('conflict', 'red')}: {conflict.message}")
        return conflict.exit_code
    if saved is not None:
        console.say(f"plan saved; to execute it: mlspec apply {printable(str(saved))}")
    return EXIT_OK
