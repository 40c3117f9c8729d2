"""YAML events to a tree of Nodes, with bounds on nesting and on what aliases expand to."""

from __future__ import annotations

from dataclasses import dataclass, field

import yaml

from mlspec.diagnostics import Span
from mlspec.source.document import Entry, Node, Scalar
from mlspec.source.scalars import resolve

MAX_DEPTH = 40
MAX_VALUES = 50_000
"""Values a file may hold once its aliases are expanded; 1 MiB of plain YAML stays below."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS: dict[str | None, str] = {"tag:yaml.org,2002:str": "str", "!": "str"}


@dataclass
class Fault(Exception):  # noqa: N818 - a fault of the text, kept as a value where reading can go on
    """Something wrong with the text as YAML; where no place makes sense, `span` is None."""

    code: str
    message: str
    span: Span | None
    help: str = ""


@dataclass
class _Open:
    """A mapping or list whose end has not come yet."""

    span: Span
    anchor: str | None
    mapping: bool
    entries: dict[str, Entry] = field(default_factory=dict)
    items: list[Node] = field(default_factory=list)
    inherited: set[str] = field(default_factory=set)
    """Keys that came in through `<<`: a key of the mapping's own may override them."""
    key: tuple[str, Span] | None = None
    merging: bool = False
    """Whether that key is `<<`, which means something only without quotes."""
    merged: bool = False
    """Whether a `<<` has come already."""
    weight: int = 1


class Composer:
    """Builds one tree. Faults that do not stop the reading are kept in `faults`."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._root: Node | None = None
        self._documents = 0
        self._plain = False

    def compose(self, text: str) -> Node:
        """The root of `text`. Raises Fault or yaml.YAMLError where reading cannot go on."""
        for event in yaml.parse(text, Loader=_LOADER):
            self._take(event)
        return self._root or Node(Span(1, 1, 1), None)

    def _take(self, event: yaml.Event) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise Fault("many-documents", "one file holds one spec", _span(event), "remove the `---` line")
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                if len(self._open) >= MAX_DEPTH:
                    raise Fault("too-deep", f"nested deeper than {MAX_DEPTH} levels", _span(event))
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
        found = self._anchors.get(event.anchor or "")
        if found is None:
            raise Fault("unknown-alias", f"no anchor &{event.anchor} stands above this alias", _span(event))
        node, weight = found
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
            raise Fault("alias-bomb", f"this expands to more than {MAX_VALUES} values", node.span, "use fewer aliases")
        if not top.mapping:
            top.items.append(node)
        elif top.key is None:
            top.key = self._key(node)
            top.merging = node.value == "<<" and self._plain
        else:
            self._entry(top, node)

    def _key(self, node: Node) -> tuple[str, Span]:
        if isinstance(node.value, dict | tuple) or node.value is None:
            self.faults.append(Fault("bad-key", "a key is a word, not a list, a mapping or nothing", node.span))
            return f"?{len(self.faults)}", node.span
        text = str(node.value).lower() if isinstance(node.value, bool) else str(node.value)
        return text, node.span

    def _entry(self, top: _Open, node: Node) -> None:
        assert top.key is not None
        (key, span), top.key = top.key, None
        if top.merging:
            self._merge(top, span, node)
        elif key in top.entries and key not in top.inherited:
            message = f"`{key}` is given twice; the first is on line {top.entries[key].key.line}"
            self.faults.append(Fault("duplicate-key", message, span, "keep one of the two"))
        else:
            top.inherited.discard(key)
            top.entries[key] = Entry(span, node)

    def _merge(self, top: _Open, span: Span, node: Node) -> None:
        """`<<: *a` or `<<: [*a, *b]`, where the first that has a key counts: https://yaml.org/type/merge.html."""
        if top.merged:
            help = "write one `<<` with a list: `<<: [*a, *b]`; the first that has a key counts"
            self.faults.append(Fault("duplicate-key", "`<<` is given twice", span, help))
        top.merged = True
        for source in node.value if isinstance(node.value, tuple) else (node,):
            if not isinstance(source.value, dict):
                kind = "a list" if isinstance(source.value, tuple) else "a single value"
                message = f"`<<` merges mappings, and this is {kind}"
                help = "name one mapping, `<<: *a`, or a list of mappings, `<<: [*a, *b]`"
                self.faults.append(Fault("bad-merge", message, source.span, help))
                continue
            inherited = {k: v for k, v in source.value.items() if k not in top.entries}
            top.entries |= inherited
            top.inherited |= inherited.keys()


def _value(event: yaml.ScalarEvent) -> Scalar:
    tag = _TAGS.get(event.tag)
    if event.tag and tag is None:
        raise Fault("yaml-syntax", f"the tag {event.tag} has no meaning here", _span(event), "write the plain value")
    plain = event.implicit[0] and tag is None
    value: Scalar = resolve(event.value) if plain else event.value
    return value


def _span(event: yaml.Event) -> Span:
    start, end = event.start_mark, event.end_mark
    if start is None or end is None:
        return Span(1, 1, 2)
    last = end.column if end.line == start.line else start.column + 1
    return Span(start.line + 1, start.column + 1, max(last, start.column) + 1)
