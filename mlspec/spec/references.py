"""`${project.name}` in a value refers to another value of the spec. Pure: replaces the references of a tree.

A value that is only a reference has the type of the other value; within text it is formatted. `$${` is a literal `${`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlspec.diagnostics import Finding, Location, Span
from mlspec.source.document import Entry, Node, walk
from mlspec.spec.names import suggest
from mlspec.spec.spec_model import dotted

_REFERENCE = re.compile(r"(?<!\$)\$\{([^{}]*)\}")
_POSITION = re.compile("[0-9]{1,9}")
_ESCAPED = "$${"


class _Resolver:
    def __init__(self, root: Node) -> None:
        self.root = root
        self.findings: list[Finding] = []
        self._done: dict[Location, Node] = {}
        self._active: list[Location] = []

    def tree(self, node: Node, at: Location) -> Node:
        """`node`, whose location is `at`, with every reference below it replaced."""
        if isinstance(node.value, Mapping):
            entries = {k: Entry(e.key, self.tree(e.node, (*at, k))) for k, e in node.value.items()}
            return Node(node.span, entries)
        if isinstance(node.value, tuple):
            return Node(node.span, tuple(self.tree(item, (*at, i)) for i, item in enumerate(node.value)))
        if isinstance(node.value, str) and "${" in node.value:
            return self._scalar(node, at)
        return node

    def _scalar(self, node: Node, at: Location) -> Node:
        if at in self._done:
            return self._done[at]
        if at in self._active:
            return self._cycle(node, at)
        self._active.append(at)
        try:
            self._done[at] = self._replaced(node)
        finally:
            self._active.pop()
        return self._done[at]

    def _replaced(self, node: Node) -> Node:
        text = str(node.value)
        whole = _REFERENCE.fullmatch(text)
        if whole:
            target = self._target(whole[1], node.span)
            return Node(node.span, target.value if target else None)
        return Node(node.span, _REFERENCE.sub(lambda m: self._formatted(m, node.span), text).replace(_ESCAPED, "${"))

    def _formatted(self, match: re.Match[str], span: Span) -> str:
        target = self._target(match[1], span)
        if target is None:
            return ""
        if isinstance(target.value, Mapping | tuple):
            message = f"`{match[0]}` is a mapping or a list and cannot be used within text"
            self.findings.append(
                Finding("bad-reference", (), message, f'use only the reference: "{match[0]}"', span=span)
            )
            return ""
        return str(target.value).lower() if isinstance(target.value, bool) else str(target.value)

    def _target(self, path: str, span: Span) -> Node | None:
        node = self.root
        at: Location = ()
        steps = path.strip().split(".")
        for step in steps:
            position = isinstance(node.value, tuple) and _POSITION.fullmatch(step)
            below = node.child(int(step) if position else step)
            if below is None:
                names = list(node.value) if isinstance(node.value, Mapping) else []
                help = suggest(step, names) or "use the path of a value in this spec, as in ${project.name}"
                written = path if len(path) <= 100 else path[:97] + "..."
                message = f"`${{{written}}}` does not refer to a value of this spec"
                self.findings.append(Finding("bad-reference", (), message, help, span=span))
                return None
            node, at = below, (*at, step)
        return self.tree(node, at)

    def _cycle(self, node: Node, at: Location) -> Node:
        cycle = " -> ".join(dotted(step) for step in (*self._active[self._active.index(at) :], at))
        message = f"these values refer to each other: {cycle}"
        self.findings.append(
            Finding("reference-cycle", (), message, "replace one of the references by a value", span=node.span)
        )
        return Node(node.span, None)


def resolve(root: Node) -> tuple[Node, list[Finding]]:
    """`root` with all references replaced, and the invalid ones. A replaced value keeps the reference's position."""
    if not any(isinstance(node.value, str) and "${" in node.value for _, node in walk(root)):
        return root, []
    resolver = _Resolver(root)
    return resolver.tree(root, ()), resolver.findings
