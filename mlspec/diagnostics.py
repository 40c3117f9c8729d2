"""A fault in a text, as a value: what, where, and the way on. Rendering to a terminal's lines is here too; no I/O."""

from __future__ import annotations

import unicodedata
from typing import Literal, NamedTuple

MAX_SHOWN = 100
"""Columns of a source line that are shown; a longer line is cut around its caret."""


class Span(NamedTuple):
    """A stretch of one line: 1-based line and columns, `end` exclusive."""

    line: int
    column: int
    end: int


class Diagnostic(NamedTuple):
    """One fault. `code` names the fault and never changes; `help` names the remedy; `source` is the line it is on."""

    code: str
    message: str
    path: str
    span: Span | None = None
    help: str = ""
    source: str = ""
    severity: Literal["error", "warning"] = "error"

    def to_json(self) -> dict[str, object]:
        """The stable JSON shape that `--json` prints."""
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
    """Each fault once, top of the file first; faults of the file as a whole lead."""
    unique = list(dict.fromkeys(diagnostics))
    return sorted(unique, key=lambda d: (d.path, d.span or Span(0, 0, 0), d.code))


def width(text: str) -> int:
    """Terminal columns that `text` takes: wide East Asian characters take two, combining marks none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def render(diagnostic: Diagnostic) -> str:
    """The fault as a person reads it: place, message, source line with a caret, help, where to read more."""
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
    """The line to show, the part before the caret and the part the caret underlines, cut to a terminal's width."""
    line = "".join(c if c.isprintable() else " " for c in source)
    start, end = span.column - 1, min(span.end - 1, len(line))
    if len(line) <= MAX_SHOWN:
        return line, line[:start], line[start:end]
    left = max(0, min(start - MAX_SHOWN // 3, len(line) - MAX_SHOWN))
    cut = line[left : left + MAX_SHOWN]
    head, tail = ("..." if left else ""), ("..." if left + MAX_SHOWN < len(line) else "")
    return head + cut + tail, head + cut[: start - left], cut[start - left : end - left]
