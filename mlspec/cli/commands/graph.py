"""`mlspec graph`: the pipeline as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options
from mlspec.errors import EXIT_OK
from mlspec.workspace.spec_file import find_spec


@click.command()
@spec_options
@click.option(
    "--format", "form", type=click.Choice(["tree", "mermaid", "dot"]), default="tree", help="Format of the drawing."
)
def command(spec: str | None, env: str | None, as_json: bool, form: str) -> int:
    """Draw the pipeline: which stage comes after which.

    With --json: all that a program needs to run the stages one by one, as orchestrators do.
    """
    from mlspec.compiler import compile_project
    from mlspec.plan import drawing
    from mlspec.plan.pipeline_json import pipeline_json
    from mlspec.workspace.template_cache import template_cache

    console = Console(as_json=as_json)
    where = find_spec(spec, env)
    build = compile_project(where.spec, where.environment, compiled=template_cache())
    stages = build.plan.stages
    if as_json:
        info = build.project.info
        about = {"project": info.name, "description": info.description, "environment": where.environment}
        rows = pipeline_json(stages, build.project.values, lambda path: _content(where.root / path))
        console.document({"ok": True, **about, "stages": rows})
    draw = {"tree": drawing.tree, "mermaid": drawing.mermaid, "dot": drawing.dot}[form]
    console.out(draw(stages))
    return EXIT_OK


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None
