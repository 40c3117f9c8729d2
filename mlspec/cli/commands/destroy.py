"""`mlspec destroy`: remove what mlspec created in the account, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlspec.cli.confirmation import confirmed
from mlspec.cli.console import Console
from mlspec.cli.options import spec_options, stage_context, target_option
from mlspec.errors import EXIT_OK
from mlspec.stage_context import StageContext, TargetName
from mlspec.workspace.spec_file import find_spec

if TYPE_CHECKING:
    from mlspec.shipping.removal import ExistingResource


@click.command()
@spec_options
@target_option
@click.option("--images", is_flag=True, help="Also remove the image repository with all its images.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def command(
    spec: str | None, env: str | None, as_json: bool, target: TargetName | None, images: bool, yes: bool
) -> int:
    """Remove the function and everything that was created for it.

    Shows what it will remove and asks for confirmation. Resources without the project's tag are kept. After an
    interruption, run it again to resume. With --target local it stops the rehearsal and its containers without asking.
    """
    from mlspec.aws.error_messages import DESTROY, told
    from mlspec.cli import local_target
    from mlspec.cli.deployed import shipped
    from mlspec.shipping import removal
    from mlspec.workspace.mutex import hold
    from mlspec.workspace.roots import find_roots

    where, console = find_spec(spec, env), Console(as_json=as_json)
    roots = find_roots(where.root)
    context = stage_context(roots.project, target)
    if context.rehearses:
        return local_target.stop(console, context)
    with hold(roots, "mlspec destroy", wait=False), told(DESTROY):
        resources = removal.found(shipped(where, context), images=images)
        going = [resource for resource in resources if not resource.left]
        _show(console, resources)
        if going and not yes and not confirmed(console, "Remove them? This cannot be undone.", in_ci=False):
            console.say("nothing was done")
            return EXIT_OK
        for resource in going:
            resource.act()
            console.say(f"removed: {resource.resource}")
        _forget(context, resources)
    if as_json:
        left = [{"resource": r.resource, "why": r.left} for r in resources if r.left]
        console.document({"ok": True, "removed": [r.resource for r in going], "left": left})
    return EXIT_OK


def _show(console: Console, resources: list[ExistingResource]) -> None:
    for resource in resources:
        detail = f" ({resource.detail})" if resource.detail else ""
        if resource.left:
            console.out(f"    {resource.resource}{detail} stays: {resource.left}")
        else:
            console.out(f"  {console.paint('-', 'red', stream='out')} {resource.resource}{detail}")
    if all(resource.left for resource in resources):
        console.out("Nothing to remove.")


def _forget(context: StageContext, resources: list[ExistingResource]) -> None:
    """The record of the last release no longer names what is gone."""
    from mlspec.shipping import release_file

    artifacts, target = context.root / "artifacts", context.target
    gone = {resource.resource.partition(" ")[0] for resource in resources if not resource.left}
    if "ecr" in gone:
        release_file.file(artifacts, target).unlink(missing_ok=True)
    elif "lambda" in gone and release_file.read(artifacts, target):
        release_file.complete(artifacts, target, None)
