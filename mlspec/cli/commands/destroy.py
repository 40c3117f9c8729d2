"""`mlspec destroy`: remove what mlspec created in the account, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlspec.cli.confirmation import confirmed
from mlspec.cli.console import Console
from mlspec.cli.options import spec_options, stage_context, target_option
from mlspec.errors import EXIT_OK, UsageError
from mlspec.stage_context import StageContext
from mlspec.target_facts import TargetName
from mlspec.workspace.spec_file import find_spec

if TYPE_CHECKING:
    from mlspec.cli.removals import Removals


_QUESTIONS = {False: "Remove them? This cannot be undone.", True: "Remove them, and keep the resources?"}


@click.command()
@spec_options
@target_option
@click.option("--images", is_flag=True, help="Also remove the image repository with all its images.")
@click.option(
    "--orphans",
    is_flag=True,
    help="Also remove what an earlier spec of this project created and no environment of this one names.",
)
@click.option("--predictions", is_flag=True, help="Also remove the stored predictions from Elasticsearch.")
@click.option(
    "--keep-resources",
    is_flag=True,
    help="Remove only the stacks of `deploy.iac`, or Terraform's state. All resources stay, for another tool.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def command(
    spec: str | None,
    env: str | None,
    as_json: bool,
    target: TargetName | None,
    images: bool,
    orphans: bool,
    predictions: bool,
    keep_resources: bool,
    yes: bool,
) -> int:
    """Remove what mlspec created: in AWS the function, the image repository and the bucket with all that belongs to
    them, and what is installed in Elasticsearch and Kibana.

    Shows what it will remove and asks for confirmation. Resources without the project's tag are kept, and a bucket
    with data. After an interruption, run it again to resume. To change from `deploy.iac` to another tool, or back to
    none, remove with --keep-resources what the old tool knows of the resources; then change the spec and run `mlspec
    apply`.

    What was created before a section was removed from the spec, or a name in it changed, is found by the project's
    tags in the region of the spec, or in AWS_REGION: it is shown, and removed with --orphans.

    With --target local it stops the rehearsal and its containers without asking.
    """
    from mlspec.cli import local_target
    from mlspec.cli.removals import RemovalRequest, removals
    from mlspec.workspace.mutex import hold
    from mlspec.workspace.roots import find_roots

    if keep_resources and (images or predictions or orphans):
        raise UsageError("--keep-resources removes no data", help="leave --images, --predictions and --orphans out")
    where, console = find_spec(spec, env), Console(as_json=as_json)
    roots = find_roots(where.root)
    context = stage_context(roots.project, target)
    if (stopped := local_target.stop(console, context)) is not None:
        return stopped
    request = RemovalRequest(images, predictions, orphans, keep_resources)
    with hold(roots, "mlspec destroy", wait=False), removals(where, context, request) as planned:
        going = [one for one in planned.all if not one.kept]
        _show(console, planned, keep=keep_resources)
        if going and not yes and not confirmed(console, _QUESTIONS[keep_resources], in_ci=False):
            console.say("nothing was done")
            return EXIT_OK
        planned.carry_out(console.say)
        _forget(context, planned, keep=keep_resources)
    if as_json:
        kept = [{"resource": r.action.resource, "why": r.kept} for r in planned.all if r.kept]
        removed = [r.action.resource for r in going]
        console.document({"ok": True, "removed": removed, "left": kept, "notices": planned.notices})
    return EXIT_OK


def _show(console: Console, planned: Removals, *, keep: bool) -> None:
    for removal in planned.all:
        detail = f" ({removal.detail})" if removal.detail else ""
        if removal.kept:
            console.out(f"    {removal.action.resource}{detail} is kept: {removal.kept}")
        else:
            console.out(f"  {console.paint('-', 'red', stream='out')} {removal.action.resource}{detail}")
    if not planned.all:
        console.out(planned.nothing)
    elif all(removal.kept for removal in planned.all):
        console.out("Nothing to remove.")
    elif keep:
        console.out("Every resource in them stays as it is.")
    for notice in planned.notices:
        console.out(f"    {notice}")


def _forget(context: StageContext, planned: Removals, *, keep: bool) -> None:
    """The record of the last release no longer names what is gone; with `keep` that is only what tools have created."""
    from mlspec.shipping import release_file

    artifacts, target = context.root / "artifacts", context.target
    removed = [removal for removal in planned.all if not removal.kept]
    modules = {removal.action.name for removal in removed if removal.action.kind == "terraform-module"}
    modules |= {str(one.action.arguments["part"]) for one in removed if "part" in one.action.arguments}
    for name in modules:
        (artifacts / f"{name}.json").unlink(missing_ok=True)
    if keep:
        return
    gone = {removal.action.kind for removal in removed} | planned.absent
    if "repository" in gone or "foundation" in modules:
        release_file.file(artifacts, target).unlink(missing_ok=True)
    elif ("function" in gone or "service" in modules) and release_file.read(artifacts, target):
        release_file.complete(artifacts, target, None)
