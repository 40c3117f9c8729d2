"""`mlspec graph`: the pipeline as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from mlspec.cli.console import Console
from mlspec.cli.options import place, spec_options


@click.command()
@spec_options
@click.option("--format", "form", type=click.Choice(["text", "mermaid", "dot"]), default="text", show_default=True)
def command(spec: str | None, env: str | None, as_json: bool, form: str) -> int:
    """Draw which stage needs which."""
    from mlspec.compiler import compile_project
    from mlspec.plan.graph import upstream

    where = place(spec, env)
    console = Console(as_json=as_json)
    stages = compile_project(where.spec, env).plan.stages
    needs = upstream(stages)
    if as_json:
        console.document({"stages": {stage.name: list(needs[stage.name]) for stage in stages}})
        return 0
    draw = {"text": text, "mermaid": mermaid, "dot": dot}[form]
    console.out(draw(_direct(needs), {stage.name: stage.description for stage in stages}))
    return 0


def _direct(needs: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The needs without those that follow from others: a picture with fewer lines says the same."""
    above: dict[str, set[str]] = {}
    for name, names in needs.items():
        above[name] = set(names).union(*(above.get(n, set()) for n in names))
    return {name: [n for n in names if not any(n in above.get(o, ()) for o in names)] for name, names in needs.items()}


def text(needs: Mapping[str, Sequence[str]], descriptions: Mapping[str, str]) -> str:
    """A tree: each stage below the last of those it needs; what else it needs stands beside it."""
    children: dict[str, list[str]] = {name: [] for name in needs}
    order = list(needs)
    for name, names in needs.items():
        if names:
            children[max(names, key=order.index)].append(name)
    lines: list[str] = []

    def draw(name: str, before: str, last: bool, root: bool) -> None:
        others = [n for n in needs[name] if n != max(needs[name], key=order.index)]
        also = f"  (also needs {', '.join(others)})" if others else ""
        branch = "" if root else ("`-- " if last else "|-- ")
        lines.append(f"{before}{branch}{name}: {descriptions[name]}{also}")
        below = before + ("" if root else "    " if last else "|   ")
        for index, child in enumerate(children[name]):
            draw(child, below, index == len(children[name]) - 1, False)

    for name, names in needs.items():
        if not names:
            draw(name, "", True, True)
    return "\n".join(lines)


def mermaid(needs: Mapping[str, Sequence[str]], descriptions: Mapping[str, str]) -> str:
    """A Mermaid flowchart, as GitHub draws it in Markdown (https://mermaid.js.org/syntax/flowchart.html)."""
    nodes = [f'  {name}["{name}<br/>{_plain(descriptions[name])}"]' for name in needs]
    edges = [f"  {above} --> {name}" for name, names in needs.items() for above in names]
    return "\n".join(["flowchart LR", *nodes, *edges])


def dot(needs: Mapping[str, Sequence[str]], descriptions: Mapping[str, str]) -> str:
    """A Graphviz digraph."""
    nodes = [f'  "{name}" [label="{name}\\n{_plain(descriptions[name])}"];' for name in needs]
    edges = [f'  "{above}" -> "{name}";' for name, names in needs.items() for above in names]
    return "\n".join(["digraph line {", "  rankdir=LR;", "  node [shape=box];", *nodes, *edges, "}"])


def _plain(description: str) -> str:
    return "".join(c for c in description if c not in '"<>[]{}\\`')
