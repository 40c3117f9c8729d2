"""`mlspec report`: writes the HTML report of the last run again."""

from __future__ import annotations

from pathlib import Path

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options, stage_context
from mlspec.workspace.spec_file import find_spec


@click.command()
@spec_options
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@click.option("--markdown", is_flag=True, help="Print the results as Markdown instead, for a job summary or a comment.")
@click.option("--base", metavar="REVISION", help="With --markdown: compare with the results at this git revision.")
def command(spec: str | None, env: str | None, as_json: bool, show: bool, markdown: bool, base: str | None) -> int:
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
    if markdown or base is not None:
        return _print_markdown(Console(as_json=as_json), where.root, built.project.info.name, base)
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


def _print_markdown(console: Console, root: Path, title: str, base: str | None) -> int:
    from mlspec.report.collect import collect
    from mlspec.report.earlier_results import results_at
    from mlspec.report.markdown_page import markdown_page

    earlier = results_at(root, base) if base is not None else None
    page = markdown_page(title, collect(root / "artifacts"), earlier, base or "")
    if console.as_json:
        console.document({"ok": True, "markdown": page})
    console.out(page.rstrip("\n"))
    return 0
