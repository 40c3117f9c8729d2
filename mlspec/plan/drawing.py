"""The graph of the stages as text: a tree for the terminal, Mermaid, or Graphviz's dot. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlspec.plan.graph import upstream
from mlspec.plan.stage import Stage


def tree(stages: Sequence[Stage]) -> str:
    """Each stage once, below the last stage that it depends on, with its other dependencies in parentheses."""
    needs = upstream(stages)
    above = {stage.name: _last(stage.name, needs) for stage in stages}
    named = {stage.name: stage for stage in stages}
    rows: list[tuple[str, str]] = []

    def draw(name: str, before: str, branch: str) -> None:
        others = [n for n in needs[name] if n != above[name]]
        also = f" (also after {', '.join(others)})" if others else ""
        rows.append((before + branch + name, named[name].description + also))
        inner = before + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
        below = [n for n, parent in above.items() if parent == name]
        for child in below:
            draw(child, inner, "└─ " if child == below[-1] else "├─ ")

    for name, parent in above.items():
        if parent is None:
            draw(name, "", "")
    width = max((len(left) for left, _ in rows), default=0)
    return "\n".join(f"{left:{width}}  {right}".rstrip() for left, right in rows)


def mermaid(stages: Sequence[Stage]) -> str:
    """https://mermaid.js.org/syntax/flowchart.html; GitHub draws it in Markdown."""
    ids = {stage.name: f"s{index}" for index, stage in enumerate(stages)}
    nodes = [f'  {ids[stage.name]}["{_entities(stage.name)}"]' for stage in stages]
    edges = [f"  {ids[a]} --> {ids[name]}" for name, before in upstream(stages).items() for a in before]
    return "\n".join(["flowchart LR", *nodes, *edges])


def dot(stages: Sequence[Stage]) -> str:
    """https://graphviz.org/doc/info/lang.html"""
    nodes = [f"  {_quoted(stage.name)} [tooltip={_quoted(stage.description)}];" for stage in stages]
    edges = [f"  {_quoted(a)} -> {_quoted(name)};" for name, before in upstream(stages).items() for a in before]
    return "\n".join(["digraph pipeline {", "  rankdir=LR;", "  node [shape=box];", *nodes, *edges, "}"])


def _last(name: str, needs: Mapping[str, Sequence[str]]) -> str | None:
    """The last of a stage's dependencies in the order of stages."""
    order = list(needs)
    return max(needs[name], key=order.index, default=None)


def _entities(text: str) -> str:
    return "".join(c if c.isalnum() or c in " -_." else f"#{ord(c)};" for c in text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
