"""`mlspec graph`: the pipeline as a picture."""

from __future__ import annotations

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options
from mlspec.errors import EXIT_OK
from mlspec.workspace.spec_file import find_spec


@click.command()
@spec_options
@click.option(
    "--format", "form", type=click.Choice(["tree", "mermaid", "dot"]), default="tree", help="What to draw it in."
)
def command(spec: str | None, env: str | None, as_json: bool, form: str) -> int:
    """Draw the pipeline: which stage comes after which."""
    from mlspec.compiler import compile_project
    from mlspec.plan import drawing
    from mlspec.plan.graph import upstream
    from mlspec.workspace.template_cache import template_cache

    console = Console(as_json=as_json)
    where = find_spec(spec, env)
    stages = compile_project(where.spec, where.environment, compiled=template_cache()).plan.stages
    if as_json:
        needs = upstream(stages)
        rows = [{"stage": s.name, "description": s.description, "after": list(needs[s.name])} for s in stages]
        console.document({"ok": True, "stages": rows})
    draw = {"tree": drawing.tree, "mermaid": drawing.mermaid, "dot": drawing.dot}[form]
    console.out(draw(stages))
    return EXIT_OK
