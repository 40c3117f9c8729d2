"""Findings and diagnostics: what is wrong, where, and the fix; and how a diagnostic is printed. No I/O."""

from __future__ import annotations

import unicodedata
from typing import Literal, NamedTuple, TypeAlias

Location: TypeAlias = tuple[str | int, ...]
"""The path of a value from the root of the spec: keys and list positions."""
Severity: TypeAlias = Literal["error", "warning"]

MAX_SHOWN = 100
"""Columns of a source line that are printed; a longer line is cut around its caret."""


class Span(NamedTuple):
    """A range of characters in one line: 1-based line and columns, `end` exclusive."""

    line: int
    column: int
    end: int


class Finding(NamedTuple):
    """What a check reports. `Document.diagnostic` places it in the file.

    `code` identifies the kind of finding and never changes; `mlspec explain CODE` explains it. `at` is the location of
    the value in the spec. `help` is the command or edit that fixes it. `span` is the position of a finding without a
    location, for example of invalid YAML.
    """

    code: str
    at: Location
    message: str
    help: str = ""
    on: Literal["key", "value"] = "value"
    severity: Severity = "error"
    span: Span | None = None


class Diagnostic(NamedTuple):
    """A Finding placed in a file: `source` is the line that `span` lies in."""

    code: str
    message: str
    path: str
    span: Span | None = None
    help: str = ""
    source: str = ""
    severity: Severity = "error"

    def to_json(self) -> dict[str, object]:
        """The JSON object that `--json` prints; its keys are stable."""
        place = {"line": self.span.line, "column": self.span.column, "end": self.span.end} if self.span else None
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "path": self.path,
            "span": place,
            "help": self.help,
        }


def in_file_order(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """Without duplicates, by position in the file; diagnostics of the whole file come first."""
    unique = list(dict.fromkeys(diagnostics))
    return sorted(unique, key=lambda d: (d.path, d.span or Span(0, 0, 0), d.code))


def width(text: str) -> int:
    """Terminal columns of `text`: wide East Asian characters have two, combining marks none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def render(diagnostic: Diagnostic) -> str:
    """The text for a terminal: position, message, source line with a caret, help, and how to read more."""
    d = diagnostic
    place = f"{d.path}:{d.span.line}:{d.span.column}" if d.span else d.path
    lines = [f"{place}: {d.severity}[{d.code}]: {d.message}"]
    margin = 2
    if d.span and d.source.strip():
        number = str(d.span.line)
        margin = max(margin, len(number))
        shown, before, marked = _excerpt(d.source, d.span)
        gutter = " " * margin
        lines += [
            f"{gutter} |",
            f"{number:>{margin}} | {shown}",
            f"{gutter} | {' ' * width(before)}{'^' * max(1, width(marked))}",
        ]
    gutter = " " * margin
    if d.help:
        first, *rest = d.help.splitlines()
        lines += [f"{gutter} = help: {first}", *(f"{gutter}         {line}" for line in rest)]
    lines.append(f"{gutter} = see: mlspec explain {d.code}")
    return "\n".join(lines)


def _excerpt(source: str, span: Span) -> tuple[str, str, str]:
    """The source line, the text before the caret and the text to underline, cut to a terminal's width."""
    line = "".join(c if c.isprintable() else " " for c in source)
    start, end = span.column - 1, min(span.end - 1, len(line))
    if len(line) <= MAX_SHOWN:
        return line, line[:start], line[start:end]
    left = max(0, min(start - MAX_SHOWN // 3, len(line) - MAX_SHOWN))
    cut = line[left : left + MAX_SHOWN]
    head, tail = ("..." if left else ""), ("..." if left + MAX_SHOWN < len(line) else "")
    return head + cut + tail, head + cut[: start - left], cut[start - left : end - left]
