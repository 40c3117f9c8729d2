"""`mlspec destroy`: remove what mlspec made in the account, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options, target_option
from mlspec.errors import EXIT_OK, UsageError
from mlspec.workspace.spec_file import find_spec

if TYPE_CHECKING:
    from mlspec.shipping.removal import Removal


@click.command()
@spec_options
@target_option
@click.option("--images", is_flag=True, help="Remove the repository and all its images too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(spec: str | None, env: str | None, as_json: bool, images: bool, yes: bool) -> int:
    """Remove the function and all that was made for it.

    Shows first what it will remove, and asks. What does not carry the project's tag is left alone. One that was stopped
    halfway goes on where it was. With --target local it ends the rehearsal and all its containers, and does not ask.
    """
    from mlspec.apply.target import rehearsing
    from mlspec.aws.error_messages import DESTROY, aws_errors
    from mlspec.cli import local_target
    from mlspec.cli.deployed import shipped
    from mlspec.shipping import removal
    from mlspec.workspace.mutex import hold
    from mlspec.workspace.roots import find_roots

    where, console = find_spec(spec, env), Console(as_json=as_json)
    roots = find_roots(where.root)
    if rehearsing():
        return local_target.stop(console, roots.project)
    with hold(roots, "mlspec destroy", wait=False), aws_errors(DESTROY):
        desired = shipped(where)
        removals = removal.plan(desired, images=images)
        going = [one for one in removals if not one.kept]
        _show(console, removals)
        if going and not yes and not _agreed(console):
            console.say("nothing was done")
            return EXIT_OK
        removal.carry_out(desired, removals, console.say)
        _forget(roots.project, going)
    if as_json:
        kept = [{"resource": r.action.resource, "why": r.kept} for r in removals if r.kept]
        console.document({"ok": True, "removed": [r.action.resource for r in going], "left": kept})
    return EXIT_OK


def _show(console: Console, removals: Sequence[Removal]) -> None:
    for removal in removals:
        detail = f" ({removal.detail})" if removal.detail else ""
        if removal.kept:
            console.out(f"    {removal.action.resource}{detail} is kept: {removal.kept}")
        else:
            console.out(f"  {console.paint('-', 'red', stream='out')} {removal.action.resource}{detail}")
    if all(removal.kept for removal in removals):
        console.out("Nothing to remove.")


def _agreed(console: Console) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("there is nobody here to ask", help="add --yes to go ahead")
    return console.confirm("Remove them? This cannot be undone.")


def _forget(root: Path, removed: Sequence[Removal]) -> None:
    """The record of the last release no longer names what is gone."""
    from mlspec.shipping import release_file

    artifacts, kinds = root / "artifacts", {removal.action.kind for removal in removed}
    if "repository" in kinds:
        release_file.file(artifacts).unlink(missing_ok=True)
    elif "function" in kinds and release_file.read(artifacts):
        release_file.complete(artifacts, None)
