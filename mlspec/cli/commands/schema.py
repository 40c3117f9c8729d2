"""`mlspec schema`: the JSON Schema of mlproject.yaml, for editors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from mlspec.cli.paths import PathType
from mlspec.workspace.output_file import save


@click.command()
@click.option("--out", metavar="FILE", type=PathType(Path), help="Write it there instead of printing it.")
@click.option("--markdown", is_flag=True, help="Print a Markdown page instead: every key with its default and meaning.")
def command(out: Path | None, markdown: bool) -> int:
    """Print the JSON Schema (2020-12) of mlproject.yaml.

    Editors with a YAML language server use it for completion and hover text when the spec opens with
    `# yaml-language-server: $schema=FILE`.
    """
    from mlspec.parts.all_parts import PARTS
    from mlspec.spec import key_reference
    from mlspec.spec.json_schema import json_schema, plain_schema

    if markdown:
        text = key_reference.markdown(key_reference.keys(plain_schema(PARTS)))
    else:
        text = json.dumps(json_schema(PARTS), indent=2, ensure_ascii=False) + "\n"
    if out is None:
        click.echo(text, nl=False)
    else:
        save("the schema", out, text)
    return 0
