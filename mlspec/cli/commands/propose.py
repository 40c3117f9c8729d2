"""`mlspec propose`: dvc.lock and the metrics on a branch, for a pull request."""

from __future__ import annotations

import math

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options, stage_context
from mlspec.errors import EXIT_OK
from mlspec.workspace.spec_file import find_spec


@click.command()
@spec_options
@click.option("--wait", is_flag=True, help="Wait while another mlspec works in this project, instead of failing.")
def command(spec: str | None, env: str | None, as_json: bool, wait: bool) -> int:
    """Push dvc.lock and the metrics to a branch, for a pull request.

    The branch is mlspec/PROJECT-training/BRANCH of the remote `origin`; with --env mlspec/PROJECT-NAME-training/BRANCH.
    The results of a later training replace it. The checked-out branch, its index and its files stay.

    Requires that all stages are up to date, and that all other files are those of the commit.
    """
    from mlspec.apply.apply_plan import ApplyRequest
    from mlspec.apply.proposal import propose
    from mlspec.compiler import compile_project
    from mlspec.workspace.mutex import hold
    from mlspec.workspace.roots import find_roots
    from mlspec.workspace.template_cache import template_cache

    console = Console(as_json=as_json)
    where = find_spec(spec, env)
    with hold(find_roots(where.root), "mlspec propose", wait=wait, patience=math.inf, on_wait=console.say):
        build = compile_project(where.spec, where.environment, compiled=template_cache())
        proposal = propose(build, ApplyRequest(where, stage_context(where.root, None)))
    files = list(proposal.files) if proposal is not None else []
    if as_json:
        branch, commit = (proposal.branch, proposal.commit) if proposal is not None else (None, None)
        console.document({"ok": True, "branch": branch, "commit": commit, "files": files})
    for line in proposal.messages if proposal is not None else ():
        console.say(line)
    text = "dvc.lock and the metrics are those of the commit: nothing to propose"
    if proposal is not None:
        count = f"{len(files)} files" if len(files) > 1 else "1 file"
        text = f"pushed {count} to the branch {proposal.branch}; open a pull request of it"
    (console.say if as_json else console.out)(text)
    return EXIT_OK
