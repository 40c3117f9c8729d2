"""`${project.name}` in a value stands for another value of the spec. Pure: a tree with references to one without.

A value that is nothing but a reference takes the other's type; inside text it is written out. `$${` is a literal `${`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlspec.diagnostics import Span
from mlspec.source.composer import Fault
from mlspec.source.document import Entry, Location, Node, walk
from mlspec.spec.names import suggest
from mlspec.spec.spec_model import dotted

_REFERENCE = re.compile(r"(?<!\$)\$\{([^{}]*)\}")
_POSITION = re.compile("[0-9]{1,9}")
_ESCAPED = "$${"


class _Resolver:
    def __init__(self, root: Node) -> None:
        self.root = root
        self.faults: list[Fault] = []
        self._done: dict[Location, Node] = {}
        self._under_way: list[Location] = []

    def tree(self, node: Node, at: Location) -> Node:
        """`node`, which stands at `at`, with every reference below it replaced."""
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
        if at in self._under_way:
            return self._cycle(node, at)
        self._under_way.append(at)
        try:
            self._done[at] = self._replaced(node)
        finally:
            self._under_way.pop()
        return self._done[at]

    def _replaced(self, node: Node) -> Node:
        text = str(node.value)
        whole = _REFERENCE.fullmatch(text)
        if whole:
            found = self._target(whole[1], node.span)
            return Node(node.span, found.value if found else None)
        return Node(node.span, _REFERENCE.sub(lambda m: self._written(m, node), text).replace(_ESCAPED, "${"))

    def _written(self, match: re.Match[str], node: Node) -> str:
        found = self._target(match[1], node.span)
        if found is None:
            return ""
        if isinstance(found.value, Mapping | tuple):
            self._fault("bad-reference", f"`{match[0]}` is a mapping or a list and cannot stand inside text", node.span)
            return ""
        return str(found.value).lower() if isinstance(found.value, bool) else str(found.value)

    def _target(self, path: str, span: Span) -> Node | None:
        node = self.root
        at: Location = ()
        steps = path.strip().split(".")
        for step in steps:
            position = isinstance(node.value, tuple) and _POSITION.fullmatch(step)
            below = node.child(int(step) if position else step)
            if below is None:
                names = list(node.value) if isinstance(node.value, Mapping) else []
                near = suggest(step, names, "there are")
                written = path if len(path) <= 100 else path[:97] + "..."
                self._fault("bad-reference", f"`${{{written}}}` refers to nothing in this spec", span, near)
                return None
            node, at = below, (*at, step)
        return self.tree(node, at)

    def _cycle(self, node: Node, at: Location) -> Node:
        round_trip = " -> ".join(dotted(step) for step in (*self._under_way[self._under_way.index(at) :], at))
        self._fault("reference-cycle", f"these values refer to each other: {round_trip}", node.span)
        return Node(node.span, None)

    def _fault(self, code: str, message: str, span: Span, help: str = "") -> None:
        self.faults.append(Fault(code, message, span, help))


def resolve(root: Node) -> tuple[Node, list[Fault]]:
    """`root` with all references replaced, and what is wrong with them. Replaced values keep the reference's place."""
    if not any(isinstance(node.value, str) and "${" in node.value for _, node in walk(root)):
        return root, []
    resolver = _Resolver(root)
    return resolver.tree(root, ()), resolver.faults
