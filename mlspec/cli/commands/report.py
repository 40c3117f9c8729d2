"""`mlspec report`: writes the HTML report of the last run again."""

from __future__ import annotations

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options, stage_context
from mlspec.workspace.spec_file import find_spec


@click.command()
@spec_options
@click.option("--open", "show", is_flag=True, help="Show it in the browser.")
def command(spec: str | None, env: str | None, as_json: bool, show: bool) -> int:
    """Write the HTML report of the last run and print its path.

    The report is one file without external resources. It also shows a pipeline that ran only in part.
    """
    from mlspec.apply.apply_plan import ApplyRequest, outdated
    from mlspec.compiler import compile_project
    from mlspec.report import write
    from mlspec.report.run_history import history
    from mlspec.workspace.template_cache import template_cache

    where = find_spec(spec, env)
    built = compile_project(where.spec, env, compiled=template_cache())
    last = history(where.root)
    old = outdated(built, ApplyRequest(where, stage_context(where.root, None)))
    path = write(built.project, built.plan, last.outcomes, where.root, last, old)
    console = Console(as_json=as_json)
    if as_json:
        console.document({"ok": True, "report": str(path)})
    console.out(str(path))
    if show:
        import webbrowser

        webbrowser.open(path.as_uri())
    return 0
