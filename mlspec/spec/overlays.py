"""Environments and experiments: one tree of values laid over another. Every value keeps its own place in the text."""

from __future__ import annotations

from collections.abc import Mapping

from mlspec.source.document import Entry, Node


def overlay(base: Node, patch: Node) -> Node:
    """`base` with `patch` laid over it: mappings merge key by key, anything else is replaced."""
    if not isinstance(base.value, Mapping) or not isinstance(patch.value, Mapping):
        return patch
    merged = dict(base.value)
    for key, entry in patch.value.items():
        below = merged.get(key)
        merged[key] = Entry(entry.key, overlay(below.node, entry.node)) if below else entry
    return Node(base.span, merged)


def nested(patch: Node) -> Node:
    """A patch whose keys may be dotted (`train.max_epochs: 1`) as nested mappings; each step keeps the key's place."""
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
    """`root` without some of its keys."""
    if not isinstance(root.value, Mapping):
        return root
    return Node(root.span, {k: e for k, e in root.value.items() if k not in keys})
