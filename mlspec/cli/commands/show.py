"""`mlspec show`: the spec as mlspec understands it, every default filled in and every reference replaced."""

from __future__ import annotations

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options
from mlspec.workspace.spec_file import find_spec


@click.command()
@spec_options
def command(spec: str | None, env: str | None, as_json: bool) -> int:
    """Print the spec with every default filled in and every reference replaced."""
    from mlspec.parts.all_parts import PARTS
    from mlspec.render.quoting import yaml
    from mlspec.source.project_context import look
    from mlspec.source.reader import read
    from mlspec.spec.check import check

    where = find_spec(spec, env)
    console = Console(as_json=as_json)
    document = read(where.spec)
    project, warnings = check(document, look(document, where.root), env, PARTS)
    console.diagnostics(warnings)
    if as_json:
        console.document(dict(project.values))
    for name, section in project.values.items():
        console.out(yaml({name: section}))
    return 0
