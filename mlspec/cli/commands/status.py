"""`mlspec status`: what is current, what is stale, and when each stage last ran."""

from __future__ import annotations

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options, stage_context
from mlspec.errors import EXIT_OK
from mlspec.workspace.spec_file import find_spec


@click.command()
@spec_options
def command(spec: str | None, env: str | None, as_json: bool) -> int:
    """Show what is current and what is stale. Changes nothing."""
    from mlspec.apply.apply_plan import ApplyRequest, make_apply_plan, to_json
    from mlspec.cli.plan_text import because, duration
    from mlspec.run.journal import Journal

    console = Console(as_json=as_json)
    where = find_spec(spec, env)
    plan = make_apply_plan(ApplyRequest(where, stage_context(where.root, None)))
    journal = Journal(plan.roots.project)
    last = journal.last()
    if as_json:
        console.document({"ok": True, **to_json(plan), "last": journal.last_rows()})
    changed = len(plan.changes.pending) + len(plan.changes.conflicts)
    stale = f"{changed} differ from the spec ({plan.changes.summary()}): mlspec build" if changed else "up to date"
    console.out(f"files: {stale}")
    took = plan.estimates
    width = max((len(step.stage.name) for step in plan.schedule.steps), default=0)
    for step in plan.schedule.steps:
        name = step.stage.name
        outcome = last.get(name)
        word, colour = ("up to date", "green") if step.reason is None else ("stale", "yellow")
        if step.reason is not None and step.reason.kind == "not-compared":
            word, colour = "not seen", "dim"  # only `plan` reads what is deployed
        mark = console.paint(f"{word:10}", colour, stream="out")
        why = because(step.reason, outcome.status if outcome else "") if step.reason else ""
        failed = outcome is not None and outcome.status in ("failed", "interrupted")
        details = [f"{why}: {outcome.reason.text}" if outcome and failed and why else why]
        details.append(f"last took {duration(took[name])}" if name in took else "")
        console.out(f"{name:{width}}  {mark}  {'; '.join(d for d in details if d)}".rstrip())
    return EXIT_OK
