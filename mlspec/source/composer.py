"""YAML events to a tree of Nodes, with limits on nesting and on the number of values that aliases expand to."""

from __future__ import annotations

from dataclasses import dataclass, field

import yaml

from mlspec.diagnostics import Finding, Span
from mlspec.source.document import Entry, Node, Scalar
from mlspec.source.scalars import resolve

MAX_DEPTH = 40
MAX_VALUES = 50_000
"""Limit of the values of a file with aliases expanded; 1 MiB of YAML without aliases has fewer."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS: dict[str | None, str] = {"tag:yaml.org,2002:str": "str", "!": "str"}


class CompositionError(Exception):
    """A finding after which the rest of the text cannot be read."""

    def __init__(self, code: str, span: Span, message: str, help: str) -> None:
        super().__init__(message)
        self.finding = Finding(code, (), message, help, span=span)


@dataclass
class _Open:
    """A mapping or list that is not closed yet."""

    span: Span
    anchor: str | None
    mapping: bool
    entries: dict[str, Entry] = field(default_factory=dict)
    items: list[Node] = field(default_factory=list)
    inherited: set[str] = field(default_factory=set)
    """Keys merged with `<<`: a key of the mapping itself may override them."""
    key: tuple[str, Span] | None = None
    merging: bool = False
    """Whether that key is `<<` without quotes."""
    merged: bool = False
    """Whether the mapping had a `<<` already."""
    weight: int = 1


class Composer:
    """Builds one tree. Findings after which reading can continue are collected in `findings`."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._root: Node | None = None
        self._documents = 0
        self._plain = False

    def compose(self, text: str) -> Node:
        """The root of `text`. Raises CompositionError or yaml.YAMLError where reading cannot continue."""
        for event in yaml.parse(text, Loader=_LOADER):
            self._take(event)
        return self._root or Node(Span(1, 1, 1), None)

    def _take(self, event: yaml.Event) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    message = "the file contains a second YAML document; one file is one spec"
                    raise CompositionError("many-documents", _span(event), message, "remove the `---` line")
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                if len(self._open) >= MAX_DEPTH:
                    message = f"nested deeper than {MAX_DEPTH} levels"
                    raise CompositionError("too-deep", _span(event), message, "close the brackets left open")
                mapping = isinstance(event, yaml.MappingStartEvent)
                self._open.append(_Open(_span(event), event.anchor, mapping))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                done = self._open.pop()
                value = done.entries if done.mapping else tuple(done.items)
                self._add(Node(done.span, value), done.weight, done.anchor)
            case yaml.ScalarEvent():
                self._plain = bool(event.implicit[0])
                self._add(Node(_span(event), _value(event)), 1, event.anchor)
            case yaml.AliasEvent():
                self._alias(event)
            case _:
                pass

    def _alias(self, event: yaml.AliasEvent) -> None:
        anchored = self._anchors.get(event.anchor or "")
        if anchored is None:
            message = f"the alias *{event.anchor} has no anchor &{event.anchor} above it"
            help = f"define &{event.anchor} above this line, or write the value in quotes if it is a text"
            raise CompositionError("unknown-alias", _span(event), message, help)
        node, weight = anchored
        self._add(Node(_span(event), node.value), weight, None)

    def _add(self, node: Node, weight: int, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, weight)
        if not self._open:
            self._root = node
            return
        top = self._open[-1]
        top.weight += weight
        if top.weight > MAX_VALUES:
            message = f"the aliases expand to more than {MAX_VALUES} values"
            raise CompositionError("alias-bomb", node.span, message, "use fewer aliases")
        if not top.mapping:
            top.items.append(node)
        elif top.key is None:
            top.key = self._key(node)
            top.merging = node.value == "<<" and self._plain
        else:
            self._entry(top, node)

    def _key(self, node: Node) -> tuple[str, Span]:
        if isinstance(node.value, dict | tuple) or node.value is None:
            message = "a key must be text, not a list, a mapping or empty"
            self.findings.append(
                Finding("bad-key", (), message, "write the key as text: `name: value`", span=node.span)
            )
            return f"?{len(self.findings)}", node.span
        text = str(node.value).lower() if isinstance(node.value, bool) else str(node.value)
        return text, node.span

    def _entry(self, top: _Open, node: Node) -> None:
        assert top.key is not None
        (key, span), top.key = top.key, None
        if top.merging:
            self._merge(top, span, node)
        elif key in top.entries and key not in top.inherited:
            message = f"duplicate key `{key}`; it is already set on line {top.entries[key].key.line}"
            self.findings.append(Finding("duplicate-key", (), message, "remove one of the two", span=span))
        else:
            top.inherited.discard(key)
            top.entries[key] = Entry(span, node)

    def _merge(self, top: _Open, span: Span, node: Node) -> None:
        """`<<: *a` or `<<: [*a, *b]`, where the first mapping with a key wins: https://yaml.org/type/merge.html."""
        if top.merged:
            help = "use one `<<` with a list, `<<: [*a, *b]`; the first mapping with a key wins"
            self.findings.append(Finding("duplicate-key", (), "duplicate key `<<`", help, span=span))
        top.merged = True
        for source in node.value if isinstance(node.value, tuple) else (node,):
            if not isinstance(source.value, dict):
                kind = "a list" if isinstance(source.value, tuple) else "a single value"
                message = f"`<<` merges mappings, not {kind}"
                help = "merge one mapping, `<<: *a`, or a list of mappings, `<<: [*a, *b]`"
                self.findings.append(Finding("bad-merge", (), message, help, span=source.span))
                continue
            inherited = {k: v for k, v in source.value.items() if k not in top.entries}
            top.entries |= inherited
            top.inherited |= inherited.keys()


def _value(event: yaml.ScalarEvent) -> Scalar:
    tag = _TAGS.get(event.tag)
    if event.tag and tag is None:
        message = f"the YAML tag {event.tag} is not supported"
        raise CompositionError("yaml-syntax", _span(event), message, "remove the tag and write the plain value")
    plain = event.implicit[0] and tag is None
    value: Scalar = resolve(event.value) if plain else event.value
    return value


def _span(event: yaml.Event) -> Span:
    start, end = event.start_mark, event.end_mark
    if start is None or end is None:
        return Span(1, 1, 2)
    last = end.column if end.line == start.line else start.column + 1
    return Span(start.line + 1, start.column + 1, max(last, start.column) + 1)
