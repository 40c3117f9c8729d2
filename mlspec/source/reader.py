"""Bytes to a Document: reads one YAML file, and no other, and says all that is wrong with it as YAML.

The tree is built from the parser's events rather than by its composer: so every key and value keeps its place, a
repeated key is seen, and nesting and aliases are bounded while the text streams by.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from mlspec.diagnostics import Diagnostic, Span
from mlspec.errors import SpecError
from mlspec.source.composer import Composer, Fault
from mlspec.source.document import Document, Node
from mlspec.source.secrets import mask

MAX_BYTES = 1024 * 1024
BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What the YAML parser counts as the end of a line, so that its places and our lines agree."""
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ufffd\U00010000-\U0010ffff]|\ufeff")
"""All but c-printable, YAML 1.2.2, 5.1; a byte order mark is taken off the beginning before."""


def read(path: Path, shown_as: str | None = None) -> Document:
    """Read `path`; every message names it as `shown_as`. Raises SpecError with located diagnostics."""
    name = shown_as or path.name
    try:
        size = path.stat().st_size
        raw = b"" if size > MAX_BYTES else path.read_bytes()
    except IsADirectoryError:
        raise _refused("missing-file", f"{name} is a folder, not a file", name) from None
    except FileNotFoundError:
        raise _refused(
            "missing-file",
            f"there is no {name} here",
            name,
            help="start a project with `mlspec init`, or name the file with --spec FILE",
        ) from None
    except OSError as error:
        raise _refused("missing-file", f"{name} cannot be read: {error.strerror}", name) from None
    if size > MAX_BYTES or len(raw) > MAX_BYTES:
        raise _refused(
            "file-too-large",
            f"{name} is over 1 MiB",
            name,
            help="a spec describes a project; keep data and notebooks in files of their own",
        )
    if path.is_dir():
        raise _refused("missing-file", f"{name} is a folder, not a file", name)
    return parse(raw, name)


def parse(raw: bytes, name: str = "mlproject.yaml") -> Document:
    """The Document of a file's bytes. Raises SpecError with every fault found, in file order."""
    text = _decode(raw, name)
    _printable(text, name)
    lines = BREAK.split(text)
    lines = lines[:-1] if lines[-1] == "" else lines
    composer = Composer()
    faults: list[Fault] = []
    try:
        root = composer.compose(text)
    except Fault as fault:
        root, faults = None, [fault]
    except yaml.YAMLError as error:
        root, faults = None, [_conflict(lines) or _syntax(error, lines)]
    masked, _ = mask(lines, [] if root is None else [root])
    document = Document(name, masked, root or Node(Span(1, 1, 1), {}))
    faults += composer.faults
    if root is not None:
        faults += _shape(root, text)
    if faults:
        found = [document.diagnostic(f.code, f.message, f.span, f.help) for f in faults]
        raise SpecError(sorted(found, key=lambda d: d.span or Span(0, 0, 0)))
    return document


def _decode(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        message = f"this file is not UTF-8: byte 0x{raw[error.start]:02x} cannot be read"
        diagnostic = Diagnostic(
            "not-utf8", message, name, Span(line, column, column + 1), "save the file with the encoding UTF-8"
        )
        raise SpecError([diagnostic]) from None


def _printable(text: str, name: str) -> None:
    """Refuse characters that YAML cannot hold, raw, at their place."""
    found = _FORBIDDEN.search(text)
    if found is None:
        return
    number = ord(found.group())
    before = BREAK.split(text[: found.start()])
    span = Span(len(before), len(before[-1]) + 1, len(before[-1]) + 2)
    kind = "a control character" if number < 0xA0 else "a byte order mark" if number == 0xFEFF else "not a character"
    message = f"U+{number:04X} is {kind} and cannot stand in YAML as it is"
    escape = f"\\x{number:02x}" if number < 0xA0 else f"\\u{number:04x}"
    help = f"remove it, or write it as {escape} inside double quotes"
    masked, _ = mask(BREAK.split(text), [])
    raise SpecError([Document(name, masked, Node(Span(1, 1, 1), {})).diagnostic("yaml-syntax", message, span, help)])


def _shape(root: Node, text: str) -> list[Fault]:
    if isinstance(root.value, dict):
        return []
    if root.value is None and not re.search(r"^[^#\s]", text, re.MULTILINE):
        return [Fault("empty-file", "this file is empty", None, "start with `mlspec init`")]
    kind = "a list" if isinstance(root.value, tuple) else "a single value"
    return [Fault("not-a-mapping", f"a spec is a mapping of sections, not {kind}", root.span, "start with `project:`")]


def _conflict(lines: list[str]) -> Fault | None:
    """A merge of git's that was not finished: https://git-scm.com/docs/git-merge#_how_conflicts_are_presented."""
    for number, line in enumerate(lines, start=1):
        if re.match(r"<{7}( |$)", line):
            span = Span(number, 1, 8)
            help = "keep one side, and remove the lines with <<<<<<<, ======= and >>>>>>>"
            return Fault("yaml-syntax", "this file has a merge conflict in it", span, help)
    return None


def _syntax(error: yaml.YAMLError, lines: list[str]) -> Fault:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return Fault("yaml-syntax", str(error), None, "")
    opened, doing = getattr(error, "context_mark", None), getattr(error, "context", None) or ""
    if opened is not None and opened.line < len(lines):
        if "simple key" in doing and opened.line < mark.line:
            span = Span(opened.line + 1, opened.column + 1, opened.column + 2)
            return Fault(
                "yaml-syntax", "this is no key with a value", span, "a key needs a colon behind it: `key: value`"
            )
        if mark.line >= len(lines) or ("flow" in doing and opened.line < mark.line):
            mark = opened  # what is left open is found out further down, and best shown where it was opened
    line = min(mark.line, max(len(lines) - 1, 0))
    source = lines[line] if lines else ""
    column = mark.column if line == mark.line else len(source)
    indent = re.match(r"[ \t]*", source)
    if indent and "\t" in indent.group():
        tab = source.index("\t")
        return Fault(
            "tab-indentation",
            "YAML cannot be indented with tabs",
            Span(line + 1, tab + 1, tab + 2),
            "use two spaces for each level",
        )
    problem = getattr(error, "problem", None) or "this cannot be read as YAML"
    context = getattr(error, "context", None)
    message = f"{problem} {context}" if context else problem
    return Fault("yaml-syntax", message, Span(line + 1, column + 1, column + 2), _hint(problem, context or ""))


def _hint(problem: str, context: str) -> str:
    if "expected key" in problem and "block mapping" in context:
        return "keys side by side begin in the same column, and this line begins in one of its own"
    if "mapping values" in problem:
        return "a value that holds `: ` needs quotes; nothing can stand below a key that has a value on its own line"
    if "expected <block end>" in problem or "block" in problem:
        return "the indentation does not match the lines above"
    if "cannot start any token" in problem:
        return "a value that starts with @, ` or % needs quotes"
    if "expected ',' or" in problem or "flow" in problem:
        return "a bracket or brace is not closed, or a comma is missing"
    if "quoted scalar" in problem or "end of stream" in problem:
        return "a quote is not closed"
    return ""


def _refused(code: str, message: str, name: str, help: str = "") -> SpecError:
    return SpecError([Diagnostic(code, message, name, None, help)])
