"""`mlspec explain`: what an error means, with a wrong and a right example; or what a key of the spec is for."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlspec.cli import completion
from mlspec.cli.console import Console
from mlspec.errors import UsageError
from mlspec.explain import explanations
from mlspec.spec.names import suggest

if TYPE_CHECKING:
    from mlspec.spec.key_reference import Key

_WIDTH = 100
_NAMES = 28
"""Columns of the names in the list of all codes."""
_SAME = 8
"""Keys of one name that are listed."""


@click.command()
@click.argument("what", required=False, metavar="[CODE|KEY]", shell_complete=completion.codes)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
def command(what: str | None, as_json: bool) -> int:
    """Explain an error CODE with examples, or a KEY of the spec, as in `mlspec explain train.checkpoint`.

    Without either, list all codes and the sections of the spec.
    """
    console = Console(as_json=as_json)
    codes = explanations()
    if what is None:
        _all(console, codes)
    elif what in codes:
        text = codes[what].read_text(encoding="utf-8")
        if as_json:
            console.document({"code": what, "text": text})
        console.out(text.rstrip())
    else:
        _key(console, what, list(codes))
    return 0


def _all(console: Console, codes: Mapping[str, Path]) -> None:
    sections = [key for key in _keys() if len(key.path) == 1]
    if console.as_json:
        console.document({"codes": list(codes), "sections": [key.dotted for key in sections]})
    for name, file in codes.items():
        console.out(_row(console, name, _summary(file.read_text(encoding="utf-8"))))
    console.out()
    for key in sections:
        console.out(_row(console, key.dotted, key.description))


def _row(console: Console, name: str, text: str) -> str:
    """A row of the table; in a terminal its text is wrapped, elsewhere it is one line for `grep`."""
    row = f"{name:{_NAMES}} {text}"
    if console.columns is None:
        return row
    return "\n".join(textwrap.wrap(row, min(console.columns, _WIDTH), subsequent_indent=" " * (_NAMES + 1)))


def _summary(text: str) -> str:
    """The first sentence below the title."""
    paragraph = text.split("\n\n")[1].replace("\n", " ") if "\n\n" in text else ""
    return paragraph.partition(". ")[0].rstrip(".")


def _keys() -> list[Key]:
    from mlspec.parts.all_parts import PARTS
    from mlspec.spec.json_schema import plain_schema
    from mlspec.spec.key_reference import keys

    return keys(plain_schema(PARTS))


def _key(console: Console, name: str, codes: Sequence[str]) -> None:
    from mlspec.spec.key_reference import below

    every = _keys()
    name = _whole(every, name)
    keys = below(every, name)
    own = [key for key in keys if len(key.path) == name.count(".") + 1]
    if not own:
        above = name.rpartition(".")[0]
        near = [key.dotted for key in below(every, above) if len(key.path) == name.count(".") + 1] if above else []
        known = near or [*(key.dotted for key in every if len(key.path) == 1), *codes]
        raise UsageError(f"unknown error code or key: {name}", help=suggest(name, known, "available"))
    if console.as_json:
        console.document({"key": name, "keys": [{**key._asdict(), "path": key.dotted} for key in keys]})
    for line in _lines(name, own, [key for key in keys if key not in own]):
        console.out(line)


def _whole(every: Sequence[Key], name: str) -> str:
    """`train.max_epochs` for `max_epochs`, if no other section has a key of that name."""
    if any(key.dotted == name for key in every):
        return name
    same = list(dict.fromkeys(key.dotted for key in every if key.dotted.endswith(f".{name}")))
    if len(same) > 1:
        help = (
            f"name the whole key: {', '.join(f'`{key}`' for key in same[:_SAME])}{', ...' if len(same) > _SAME else ''}"
        )
        raise UsageError(f"{len(same)} sections have a key `{name}`", help=help)
    return same[0] if same else name


def _lines(name: str, own: Sequence[Key], below: Sequence[Key]) -> Iterator[str]:
    for key in own:
        yield f"{name}{f' (type: {key.variant})' if key.variant else ''}: {_value(key)}"
        yield from _wrapped(key.description, "  ")
        if key.example:
            yield from _wrapped(f"for example {key.example}", "  ")
    width = max((len(key.path[-1]) for key in below), default=0)
    variant = ""
    for key in below:
        if key.variant != variant or key is below[0]:
            variant = key.variant
            yield ""
            if variant and any(other.variant != variant for other in below):
                yield f"  with `type: {variant}`"
        first, *rest = _wrapped(_value(key), " " * (width + 4))
        yield f"  {key.path[-1]:{width}}  {first.strip()}"
        yield from rest
        yield from _wrapped(key.description, " " * (width + 4))


def _value(key: Key) -> str:
    """`whole number from 1, default 10`."""
    default = "required" if key.required else f"default {key.default}" if key.default else ""
    return ", ".join(text for text in (key.kind, default) if text)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False)
