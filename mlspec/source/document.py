"""The YAML text as values, each with its line and column. Immutable; knows nothing of what the values mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from mlspec.diagnostics import Diagnostic, Span

Scalar: TypeAlias = str | int | float | bool | None
Plain: TypeAlias = "Scalar | list[Plain] | dict[str, Plain]"
Location: TypeAlias = tuple[str | int, ...]
"""The way to a value from the root: keys and list positions."""


class Entry(NamedTuple):
    """One key of a mapping: where the key stands, and its value."""

    key: Span
    node: Node


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One value and where it stands."""

    span: Span
    value: Scalar | tuple[Node, ...] | Mapping[str, Entry]

    def plain(self) -> Plain:
        """The value without its places."""
        if isinstance(self.value, Mapping):
            return {key: entry.node.plain() for key, entry in self.value.items()}
        if isinstance(self.value, tuple):
            return [item.plain() for item in self.value]
        return self.value

    def child(self, step: str | int) -> Node | None:
        """The value one step down, or None."""
        if isinstance(self.value, Mapping):
            entry = self.value.get(str(step))
            return entry.node if entry else None
        if isinstance(self.value, tuple) and isinstance(step, int) and -1 < step < len(self.value):
            return self.value[step]
        return None


@dataclass(frozen=True, slots=True)
class Document:
    """A read file: its name for messages, its lines (secrets already masked), and its root value."""

    path: str
    lines: Sequence[str]
    root: Node

    def plain(self) -> dict[str, Plain]:
        """The whole file as plain values; the reader has made sure that it is a mapping."""
        plain = self.root.plain()
        return plain if isinstance(plain, dict) else {}

    def span(self, location: Location, on: Literal["key", "value"] = "value") -> Span:
        """Where `location` stands, or the nearest thing above it.

        Steps that the text does not have (a union's tag, a missing key) are passed over. A mapping that is at fault as
        a whole is best shown at its key.
        """
        node, key = self.root, self.root.span
        for step in location:
            below = node.child(step)
            if below is None:
                continue
            key = node.value[str(step)].key if isinstance(node.value, Mapping) else below.span
            node = below
        found = node.child(location[-1]) if location else node
        whole = isinstance(node.value, Mapping | tuple) and found is None
        return key if on == "key" or whole or node.span.end <= node.span.column else node.span

    def diagnostic(
        self,
        code: str,
        message: str,
        span: Span | None,
        help: str = "",
        severity: Literal["error", "warning"] = "error",
    ) -> Diagnostic:
        """A fault of this file, with the line it stands on. What is quoted from the file cannot steer a terminal."""
        line = self.lines[span.line - 1] if span and span.line <= len(self.lines) else ""
        return Diagnostic(code, printable(message), self.path, span, printable(help, "\n"), line, severity)


def printable(text: str, kept: str = "") -> str:
    """`text` with an escape (`\\x1b`, `\\u202e`) for each character that could steer a terminal, but not for `kept`.

    Two texts that differ in such a character look different.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() or c in kept else _escape(c) for c in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def walk(node: Node, at: Location = ()) -> Iterator[tuple[Location, Node]]:
    """Every value below `node` and `node` itself, parents first."""
    yield at, node
    if isinstance(node.value, Mapping):
        for key, entry in node.value.items():
            yield from walk(entry.node, (*at, key))
    elif isinstance(node.value, tuple):
        for index, item in enumerate(node.value):
            yield from walk(item, (*at, index))
