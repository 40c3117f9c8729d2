"""`train:` without a value is the section with its defaults. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from mlspec.source.document import Entry, Node
from mlspec.spec.keys import Shape, below, models


def filled(node: Node, shape: Shape) -> Node:
    """`node` with an empty mapping for every empty value whose shape is a section."""
    if node.value is None:
        return Node(node.span, {}) if models(shape) else node
    if not isinstance(node.value, Mapping):
        return node
    entries = {}
    for key, entry in node.value.items():
        leaf = entry.node.value is not None and not isinstance(entry.node.value, Mapping)
        down = None if leaf else below(shape, key)
        entries[key] = Entry(entry.key, filled(entry.node, down)) if down is not None else entry
    return Node(node.span, entries)
