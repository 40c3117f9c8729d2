"""`mlspec explain CODE`: what an error means, with an example of it and of its remedy."""

from __future__ import annotations

import click

from mlspec.cli.console import Console
from mlspec.errors import UsageError
from mlspec.explain import explanations
from mlspec.spec.names import suggest


@click.command()
@click.argument("code", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def command(code: str | None, as_json: bool) -> int:
    """Explain an error CODE, with examples. Without CODE, list them all."""
    console = Console(as_json=as_json)
    known = explanations()
    if code is None:
        if as_json:
            console.document({"codes": list(known)})
        for name, file in known.items():
            console.out(f"{name:28} {_summary(file.read_text(encoding='utf-8'))}")
        return 0
    if code not in known:
        raise UsageError(f"there is no error code `{code}`", help=suggest(code, known, "the codes are"))
    text = known[code].read_text(encoding="utf-8")
    if as_json:
        console.document({"code": code, "text": text})
    console.out(text.rstrip())
    return 0


def _summary(text: str) -> str:
    """The first sentence below the title."""
    paragraph = text.split("\n\n")[1].replace("\n", " ") if "\n\n" in text else ""
    return paragraph.partition(". ")[0].rstrip(".")
