"""`mlspec plan`: what apply would do, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlspec.cli.console import Console
from mlspec.cli.options import (
    adopt_option,
    engine_option,
    selection_options,
    spec_options,
    stage_context,
    target_option,
)
from mlspec.cli.paths import PathType
from mlspec.errors import EXIT_OK, UsageError
from mlspec.source.document import printable
from mlspec.target_facts import TargetName
from mlspec.workspace.spec_file import find_spec

if TYPE_CHECKING:
    from mlspec.apply.apply_plan import ApplyPlan


@click.command()
@spec_options
@target_option
@selection_options
@engine_option
@adopt_option
@click.option(
    "--change-set",
    is_flag=True,
    help="With `iac: sam` or `serverless`: let CloudFormation compute the changes, replacements included. Writes a "
    "change set to the account, of a new stack also the empty stack that holds it, and deletes both.",
)
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
    adopt: bool,
    change_set: bool,
    out: Path | None,
) -> int:
    """Show what apply would do, and why. It makes no lasting change.

    `mlspec apply FILE` executes a saved plan exactly as it was shown; if anything that the plan was made from has
    changed since, it does nothing.
    """
    from mlspec.apply.apply_plan import ApplyRequest, make_apply_plan
    from mlspec.apply.plan_file import save_plan
    from mlspec.apply.preflight import preflight_findings
    from mlspec.run.schedule import Selection

    console, where = Console(as_json=as_json), find_spec(spec, env)
    context = stage_context(where.root, target)
    context = replace(context, adopt=adopt or context.adopt, change_set=change_set)
    plan = make_apply_plan(ApplyRequest(where, context, Selection(until, only, force), engine or "dvc"))
    if change_set:
        _require_stacks(plan)
    conflict = plan.changes.conflict()
    saved = out if conflict is None else None
    if saved is not None:
        save_plan(plan, saved)
    console.diagnostics([*plan.build.warnings, *preflight_findings(plan, "warning")])
    _show(console, plan, saved)
    if conflict is not None:
        console.say(f"{console.paint('conflict', 'red')}: {conflict.message}")
        return conflict.exit_code
    if saved is not None:
        console.say(f"plan saved; to execute it: mlspec apply {printable(str(saved))}")
    return EXIT_OK


def _require_stacks(plan: ApplyPlan) -> None:
    """Raise UsageError where no stack of CloudFormation is applied, which alone has change sets."""
    from mlspec.sections.delivery_tool import DIRECT, delivery_tool

    chosen = delivery_tool(plan.build.project)
    tool = chosen if plan.context.facts.delivery_tools else DIRECT
    if not tool.releases:
        why = "with --target local" if tool is not chosen else f"with `deploy.iac: {tool.name}`"
        help = "leave it out; with `deploy.iac: sam` or `serverless` CloudFormation computes the changes"
        raise UsageError(f"--change-set needs a CloudFormation stack, which does not exist {why}", help=help)


def _show(console: Console, plan: ApplyPlan, saved: Path | None) -> None:
    """The plan, what monitoring can detect, and the costs: as text or as one JSON document."""
    from mlspec.apply.apply_plan import to_json
    from mlspec.apply.notices import notices
    from mlspec.cli import plan_costs
    from mlspec.cli.plan_monitoring import detectable_changes
    from mlspec.cli.plan_text import show
    from mlspec.costs.estimate import cost_estimate
    from mlspec.parts.all_parts import PARTS

    outside = notices(plan.build, plan.roots.project, PARTS)
    detectable = detectable_changes(plan.build.project, plan.request.where.root / "artifacts")
    billed = plan.context.facts.billed
    costs = cost_estimate(plan.build.project, plan.request.where.root, plan.estimates) if billed else None
    if console.as_json:
        more = {
            **({"notices": outside} if outside else {}),
            **({"monitoring": detectable} if detectable else {}),
            **({"costs": plan_costs.to_json(costs)} if costs is not None else {}),
        }
        ok = plan.changes.conflict() is None
        console.document({"ok": ok, **to_json(plan), **more, "saved": str(saved) if saved else None})
        return
    show(console, plan)
    for line in ("", "Elsewhere", *(f"  {text}" for text in outside)) if outside else ():
        console.out(line)
    for line in ("", "Monitoring", *(f"  {text}" for text in detectable)) if detectable else ():
        console.out(line)
    for line in ("", *plan_costs.text(costs)) if costs is not None else ():
        console.out(line)
