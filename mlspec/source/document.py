"""The YAML text as values, each with its line and column. Immutable; independent of what the values mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from mlspec.diagnostics import Diagnostic, Finding, Location, Span

Scalar: TypeAlias = str | int | float | bool | None
Plain: TypeAlias = "Scalar | list[Plain] | dict[str, Plain]"


class Entry(NamedTuple):
    """One key of a mapping: the position of the key, and its value."""

    key: Span
    node: Node


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One value and its position."""

    span: Span
    value: Scalar | tuple[Node, ...] | Mapping[str, Entry]

    def plain(self) -> Plain:
        """The value without positions."""
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


class Document(NamedTuple):
    """A file: its name for messages, its lines with secrets masked, and its root value."""

    path: str
    lines: Sequence[str]
    root: Node

    def plain(self) -> dict[str, Plain]:
        """The whole file as plain values; the reader guarantees that it is a mapping."""
        plain = self.root.plain()
        return plain if isinstance(plain, dict) else {}

    def span(self, location: Location, on: Literal["key", "value"] = "value") -> Span:
        """The position of `location`, or of the nearest value above it.

        Steps that are not in the text (a union's tag, a missing key) are skipped. A mapping as a whole is marked at
        its key.
        """
        node, key = self.root, self.root.span
        for step in location:
            below = node.child(step)
            if below is None:
                continue
            key = node.value[str(step)].key if isinstance(node.value, Mapping) else below.span
            node = below
        last = node.child(location[-1]) if location else node
        whole = isinstance(node.value, Mapping | tuple) and last is None
        return key if on == "key" or whole or node.span.end <= node.span.column else node.span

    def diagnostic(self, finding: Finding) -> Diagnostic:
        """`finding` with its position and source line. Control characters of quoted values are escaped."""
        span = finding.span or self.span(finding.at, finding.on)
        line = self.lines[span.line - 1] if span.line <= len(self.lines) else ""
        message, help = printable(finding.message), printable(finding.help, "\n")
        return Diagnostic(finding.code, message, self.path, span, help, line, finding.severity)


def printable(text: str, allowed: str = "") -> str:
    """`text` with an escape (`\\x1b`, `\\u202e`) for each unprintable character that is not in `allowed`.

    Such characters could control the terminal. Texts that differ in one are printed differently.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() or c in allowed else _escape(c) for c in text)


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
