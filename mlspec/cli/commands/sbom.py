"""`mlspec sbom`: the bill of materials of the exported model."""

from __future__ import annotations

from pathlib import Path

import click

from mlspec.cli.options import spec_options
from mlspec.cli.paths import PathType
from mlspec.errors import EXIT_OK
from mlspec.workspace.output_file import save
from mlspec.workspace.spec_file import find_spec


@click.command()
@click.option("--out", metavar="FILE", type=PathType(Path), help="Write it there instead of printing it.")
@spec_options
def command(spec: str | None, env: str | None, as_json: bool, out: Path | None) -> int:  # noqa: ARG001 - it is JSON
    """Print the bill of materials of the exported model as CycloneDX 1.6 JSON.

    It names the model with a model card, its data, the packages that serve it and those that trained it (scope
    `excluded`), and the base image, each with its SHA-256. The same model gives the same bytes.
    """
    from mlspec.compiler import compile_project
    from mlspec.report.sbom import read_materials, sbom

    where = find_spec(spec, env)
    text = sbom(read_materials(compile_project(where.spec, where.environment).project, where.root))
    if out is None:
        click.echo(text, nl=False)
    else:
        save("the bill of materials", out, text)
    return EXIT_OK
