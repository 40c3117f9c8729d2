"""`mlspec run STAGE [OVERRIDES]`: one stage program in this process; what dvc.yaml calls."""

from __future__ import annotations

import os
import signal
from typing import Any

import click

from mlspec.cli import completion
from mlspec.cli.paths import PATH
from mlspec.parent_death import die_with_parent
from mlspec.workspace.spec_file import SPEC, find_spec


@click.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": ["-h", "--help"],
    }
)
@click.option(
    "--spec", metavar="FILE", type=PATH, help=f"The project's spec. Default: {SPEC} here or in a folder above."
)
@click.option(
    "--beside",
    metavar="STAGES",
    default="",
    help="Stages that run with the same overrides, separated by commas: each override needs one that reads it.",
)
@click.argument("stage", shell_complete=completion.stages)
@click.argument("overrides", nargs=-1, type=click.UNPROCESSED)
def command(spec: str | None, beside: str, stage: str, overrides: tuple[str, ...]) -> int:
    """Run one STAGE with Hydra OVERRIDES, as in `mlspec run train train.max_epochs=1`.

    Every option of Hydra works: `-m` for sweeps, `--cfg job` to see the composed configuration, `experiment=NAME`.
    It reads conf/ as the last build wrote it and writes to artifacts/, as `mlspec apply` does: the next apply runs the
    stages again whose results differ from the spec. Each job of a sweep writes to its own folder.
    """
    from mlspec.run.imports import without_collection

    with without_collection():
        from mlspec.run.program import execute
    from mlspec.stage_context import StageContext
    from mlspec.workspace.mutex import hold_or_serve
    from mlspec.workspace.roots import find_roots

    where = find_spec(spec)
    roots = find_roots(where.root)
    context = StageContext.from_env(os.environ, where.root)
    signal.signal(signal.SIGTERM, stop_once)
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, stop_once)
    die_with_parent()
    others = [name.strip() for name in beside.split(",") if name.strip()]
    execute(
        stage,
        overrides,
        context,
        alone=lambda: hold_or_serve(roots, f"mlspec run {stage}", context.holder),
        beside=others,
    )
    return 0


def stop_once(*_: Any) -> None:
    """Stop once: a second signal must not interrupt a rollback in progress."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
