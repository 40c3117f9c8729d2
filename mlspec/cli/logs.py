"""`mlspec logs STAGE`: what a stage printed when it last ran."""

from __future__ import annotations

import click

from mlspec.cli.console import Console
from mlspec.cli.options import place
from mlspec.errors import UsageError


@click.command()
@click.argument("stage", required=False)
@click.option("--spec", metavar="FILE", help="The spec. Default: mlproject.yaml here or in a folder above.")
def command(stage: str | None, spec: str | None) -> int:
    """Show the log of a STAGE. Without STAGE, list the logs."""
    from mlspec.spec.names import suggest

    console = Console()
    folder = place(spec).root / ".mlspec" / "logs"
    known = {file.stem: file for file in sorted(folder.glob("*.log"))}
    if stage is None:
        for name, file in known.items():
            console.out(f"{name}  {file.stat().st_size:,} bytes")
        return 0
    if stage not in known:
        raise UsageError(f"there is no log of `{stage}`", help=suggest(stage, known, "there are logs of"))
    console.out(known[stage].read_text(encoding="utf-8", errors="replace").rstrip("\n"))
    return 0
