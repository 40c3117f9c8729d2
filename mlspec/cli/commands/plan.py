"""`mlspec plan`: what apply would do, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlspec.cli.console import Console
from mlspec.cli.options import engine_option, spec_options, stage_context, target_option
from mlspec.cli.paths import PathType
from mlspec.errors import EXIT_OK
from mlspec.source.document import printable
from mlspec.workspace.spec_file import find_spec


@click.command()
@spec_options
@target_option
@click.option("--until", metavar="STAGE", help="Plan up to this stage: it and all it needs.")
@click.option("--only", multiple=True, metavar="STAGE", help="Plan this stage and no other. May be repeated.")
@click.option("--force", multiple=True, metavar="STAGE", help="Run this stage even if it is up to date.")
@engine_option
@click.option("--out", metavar="FILE", type=PathType(Path), help="Save the plan, for `mlspec apply FILE`.")
def command(spec: str | None, env: str | None, as_json: bool, **asked: Any) -> int:
    """Show what apply would do, and why. Changes nothing.

    `mlspec apply FILE` does a saved plan exactly as it was shown: where anything that it was made from has changed
    since, nothing is done.
    """
    from mlspec.apply.apply_plan import make_apply_plan, to_json
    from mlspec.apply.preflight import preflight_findings
    from mlspec.cli.plan_text import show
    from mlspec.run.schedule import Selection

    console, out = Console(as_json=as_json), asked["out"]
    where, selection = find_spec(spec, env), Selection(asked["until"], asked["only"], asked["force"])
    engine = asked["engine"] or "dvc"
    outlook = make_apply_plan(where, selection, stage_context(where.root, asked["target"]), engine)
    conflict = outlook.changes.conflict()
    if out is not None and conflict is None:
        from mlspec.apply.plan_file import keep

        keep(outlook, where, selection, engine, out)
    console.diagnostics([*outlook.build.warnings, *preflight_findings(outlook, where, "warning")])
    if as_json:
        saved = str(out) if out is not None and conflict is None else None
        console.document({"ok": conflict is None, **to_json(outlook), "saved": saved})
    show(console, outlook)
    if conflict is not None:
        console.say(f"{console.paint('conflict', 'red')}: {conflict.message}")
        return conflict.exit_code
    if out is not None:
        console.say(f"saved; to do exactly this: mlspec apply {printable(str(out))}")
    return EXIT_OK
