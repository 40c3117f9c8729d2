"""`mlspec logs`: the log of a stage's last run."""

from __future__ import annotations

import click

from mlspec.cli import completion
from mlspec.cli.console import Console
from mlspec.cli.options import spec_options
from mlspec.errors import EXIT_OK, UsageError
from mlspec.workspace.spec_file import find_spec


@click.command()
@click.argument("stage", required=False, shell_complete=completion.stages)
@spec_options
@click.option("--lines", "-n", type=click.IntRange(min=1), metavar="N", help="Show only the last N lines.")
def command(stage: str | None, spec: str | None, env: str | None, as_json: bool, lines: int | None) -> int:
    """Show the log of STAGE's last run. Without STAGE, list the logs."""
    from mlspec.child_process import last_lines
    from mlspec.run.engines.dvc_engine import LOGS
    from mlspec.spec.names import suggest

    console = Console(as_json=as_json)
    folder = find_spec(spec, env).root / LOGS
    logs = {file.stem: file for file in sorted(folder.glob("*.log"))}
    if stage is None:
        if as_json:
            console.document({"ok": True, "logs": {name: f"{LOGS}/{name}.log" for name in logs}})
        for name in logs:
            console.out(f"{name:12} {LOGS}/{name}.log")
        if not logs:
            console.say("no stage has run yet: mlspec apply")
        return EXIT_OK
    if stage not in logs:
        raise UsageError(
            f"no log of stage `{stage}`",
            help=suggest(stage, logs, "logs exist of") or "no stage has run yet: mlspec apply",
        )
    text = logs[stage].read_text(encoding="utf-8", errors="replace")
    shown = last_lines(logs[stage], lines) if lines else text.splitlines()
    if as_json:
        console.document({"ok": True, "stage": stage, "path": f"{LOGS}/{stage}.log", "lines": shown})
    for line in shown:
        console.out(line)
    return EXIT_OK
