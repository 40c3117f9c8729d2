"""Environments and experiments: one tree of values merged over another. Every value keeps its position in the text."""

from __future__ import annotations

from collections.abc import Mapping

from mlspec.source.document import Entry, Node


def overlay(base: Node, patch: Node) -> Node:
    """`base` with `patch` merged over it: mappings merge key by key, other values are replaced."""
    if not isinstance(base.value, Mapping) or not isinstance(patch.value, Mapping):
        return patch
    merged = dict(base.value)
    for key, entry in patch.value.items():
        below = merged.get(key)
        merged[key] = Entry(entry.key, overlay(below.node, entry.node)) if below else entry
    return Node(base.span, merged)


def nested(patch: Node) -> Node:
    """A patch with dotted keys (`train.max_epochs: 1`) as nested mappings; each step has the position of its key."""
    if not isinstance(patch.value, Mapping):
        return patch
    tree = Node(patch.span, {})
    for key, entry in patch.value.items():
        node = entry.node
        first, *rest = key.split(".")
        for step in reversed(rest):
            node = Node(entry.key, {step: Entry(entry.key, node)})
        tree = overlay(tree, Node(patch.span, {first: Entry(entry.key, node)}))
    return tree


def without(root: Node, *keys: str) -> Node:
    """`root` without these keys."""
    if not isinstance(root.value, Mapping):
        return root
    return Node(root.span, {k: e for k, e in root.value.items() if k not in keys})
