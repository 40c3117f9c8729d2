"""Bytes to a Document: reads one YAML file and reports every error in its syntax.

The tree is built from the events of the YAML parser: every key and value has its position, duplicate keys are
detected, and nesting and aliases are limited while the text is read.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from mlspec.diagnostics import Diagnostic, Finding, Span, in_file_order
from mlspec.errors import SpecError
from mlspec.source.composer import Composer, CompositionError
from mlspec.source.document import Document, Node
from mlspec.source.secrets import mask

MAX_BYTES = 1024 * 1024
BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""Line breaks as the YAML parser counts them, so that its positions match these lines."""
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]")
"""All characters that are not c-printable (YAML 1.2.2, 5.1); a byte order mark at the start is removed before.

As a complement, `[^\t\n…]`, it would take milliseconds to compile.
"""


def read(path: Path, shown_as: str | None = None) -> Document:
    """Read `path`, which messages call `shown_as`. Raises SpecError."""
    name = shown_as or path.name
    try:
        size = path.stat().st_size
        raw = b"" if size > MAX_BYTES else path.read_bytes()
    except IsADirectoryError:
        raise _is_folder(name) from None
    except FileNotFoundError:
        help = "create a project with `mlspec init`, or name the file with --spec FILE"
        raise _refused("missing-file", f"file not found: {name}", name, help) from None
    except OSError as error:
        help = "fix the permissions of the file, or name another one with --spec FILE"
        raise _refused("missing-file", f"cannot read {name}: {error.strerror}", name, help) from None
    if size > MAX_BYTES or len(raw) > MAX_BYTES:
        help = "move data and long lists to separate files, and refer to those files"
        raise _refused("file-too-large", f"{name} is larger than 1 MiB", name, help)
    if path.is_dir():
        raise _is_folder(name)
    return parse(raw, name)


def parse(raw: bytes, name: str = "mlproject.yaml") -> Document:
    """The Document of a file's bytes. Raises SpecError with every finding, in file order."""
    text = _decode(raw, name)
    _printable(text, name)
    lines = BREAK.split(text)
    lines = lines[:-1] if lines[-1] == "" else lines
    composer = Composer()
    findings: list[Finding] = []
    try:
        root = composer.compose(text)
    except CompositionError as error:
        root, findings = None, [error.finding]
    except yaml.YAMLError as error:
        root, findings = None, [_conflict(lines) or _syntax(error, lines)]
    masked, _ = mask(lines, [] if root is None else [root])
    document = Document(name, masked, root or Node(Span(1, 1, 1), {}))
    findings += composer.findings
    if root is not None and _empty(root, text):
        raise _refused("empty-file", "the file is empty", name, "create a project with `mlspec init`")
    if root is not None:
        findings += _shape(root)
    if findings:
        raise SpecError(in_file_order([document.diagnostic(finding) for finding in findings]))
    return document


def _decode(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        message = f"invalid UTF-8: byte 0x{raw[error.start]:02x}"
        span = Span(line, column, column + 1)
        raise SpecError([Diagnostic("not-utf8", message, name, span, "save the file as UTF-8")]) from None


def _printable(text: str, name: str) -> None:
    """Raise SpecError for a character that YAML does not allow."""
    match = _FORBIDDEN.search(text)
    if match is None:
        return
    number = ord(match.group())
    before = BREAK.split(text[: match.start()])
    span = Span(len(before), len(before[-1]) + 1, len(before[-1]) + 2)
    kind = "a control character" if number < 0xA0 else "a byte order mark" if number == 0xFEFF else "not a character"
    message = f"U+{number:04X} is {kind} and not allowed in YAML"
    escape = f"\\x{number:02x}" if number < 0xA0 else f"\\u{number:04x}"
    help = f"remove it, or write it as {escape} inside double quotes"
    masked, _ = mask(BREAK.split(text), [])
    document = Document(name, masked, Node(Span(1, 1, 1), {}))
    raise SpecError([document.diagnostic(Finding("yaml-syntax", (), message, help, span=span))])


def _empty(root: Node, text: str) -> bool:
    return root.value is None and not re.search(r"^[^#\s]", text, re.MULTILINE)


def _shape(root: Node) -> list[Finding]:
    if isinstance(root.value, dict):
        return []
    kind = "a list" if isinstance(root.value, tuple) else "a single value"
    message = f"a spec must be a mapping of sections, not {kind}"
    return [Finding("not-a-mapping", (), message, "start the file with `project:`", span=root.span)]


def _conflict(lines: list[str]) -> Finding | None:
    """An unresolved merge conflict: https://git-scm.com/docs/git-merge#_how_conflicts_are_presented."""
    for number, line in enumerate(lines, start=1):
        if re.match(r"<{7}( |$)", line):
            span = Span(number, 1, 8)
            help = "keep one side, and remove the lines with <<<<<<<, ======= and >>>>>>>"
            return Finding("yaml-syntax", (), "the file contains an unresolved merge conflict", help, span=span)
    return None


def _syntax(error: yaml.YAMLError, lines: list[str]) -> Finding:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return Finding("yaml-syntax", (), str(error))  # no help: the parser names neither a place nor a cause
    opened, doing = getattr(error, "context_mark", None), getattr(error, "context", None) or ""
    if opened is not None and opened.line < len(lines):
        if "simple key" in doing and opened.line < mark.line:
            span = Span(opened.line + 1, opened.column + 1, opened.column + 2)
            return Finding(
                "yaml-syntax", (), "a key without a colon", "add a colon after the key: `key: value`", span=span
            )
        if mark.line >= len(lines) or ("flow" in doing and opened.line < mark.line):
            mark = opened  # the parser reports an open bracket further down; the opening bracket is the cause
    line = min(mark.line, max(len(lines) - 1, 0))
    source = lines[line] if lines else ""
    column = mark.column if line == mark.line else len(source)
    indent = re.match(r"[ \t]*", source)
    if indent and "\t" in indent.group():
        tab = source.index("\t")
        span = Span(line + 1, tab + 1, tab + 2)
        return Finding(
            "tab-indentation", (), "tab in the indentation", "indent with two spaces for each level", span=span
        )
    problem = getattr(error, "problem", None) or "invalid YAML"
    context = getattr(error, "context", None)
    message = f"{problem} {context}" if context else problem
    return Finding(
        "yaml-syntax", (), message, _hint(problem, context or ""), span=Span(line + 1, column + 1, column + 2)
    )


def _hint(problem: str, context: str) -> str:
    if "expected key" in problem and "block mapping" in context:
        return "start this line in the same column as the keys above it"
    if "mapping values" in problem:
        return "quote a value that contains `: `; remove the value of a key that has keys below it"
    if "expected <block end>" in problem or "block" in problem:
        return "indent this line like the lines above it"
    if "cannot start any token" in problem:
        return "quote a value that starts with @, ` or %"
    if "expected ',' or" in problem or "flow" in problem:
        return "close the bracket or brace, or add the missing comma"
    if "quoted scalar" in problem or "end of stream" in problem:
        return "close the quote"
    return ""


def _is_folder(name: str) -> SpecError:
    return _refused(
        "missing-file", f"{name} is a folder, not a file", name, "name the file: --spec FOLDER/mlproject.yaml"
    )


def _refused(code: str, message: str, name: str, help: str) -> SpecError:
    return SpecError([Diagnostic(code, message, name, None, help)])
