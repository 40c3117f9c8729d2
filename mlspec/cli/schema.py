"""`mlspec schema`: the JSON Schema of mlproject.yaml, for editors."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.option("--out", metavar="FILE", help="Write it there instead of printing it.")
def command(out: str | None) -> int:
    """Print the JSON Schema (2020-12) of mlproject.yaml.

    Editors with a YAML language server use it for completion and hover text when the spec opens with
    `# yaml-language-server: $schema=FILE`.
    """
    from mlspec.job import write_text
    from mlspec.parts.registry import PARTS
    from mlspec.spec.schema import json_schema

    text = json.dumps(json_schema(PARTS), indent=2, ensure_ascii=False)
    if out is None:
        click.echo(text)
    else:
        write_text(Path(out), text + "\n")
    return 0
