"""Names of a spec that become names of files are refused at their place, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.errors import SpecError
from mlspec.source.reader import parse
from mlspec.spec.file_names import MAX_STEM

BASE = """\
project: {name: cola}
data: {source: data/cola.csv, inputs: {sentence: text}, target: {column: label, labels: ["no", "yes"]}}
model: {type: text-classifier}
train: {}
"""
BAD = ["a" * 300, "é" * 101, "", ".", "..", ".hidden", "-x", "a.", "a ", " a", "a/b", "a\\b", "a:b", "a..b", "con", "NUL",
       "com1", "aux.x", "e\u0301", "a\nb", "a\u202eb", "${x}", "*"]  # fmt: skip


def faults(text: str, folder: Path) -> list[tuple[str, int, int]]:
    spec = folder / "mlproject.yaml"
    spec.write_text(text, encoding="utf-8")
    try:
        compile_project(spec)
    except SpecError as error:
        return [(d.code, d.span.line, d.span.column) for d in error.diagnostics if d.span]
    return []


def quoted(name: str) -> str:
    return '"' + "".join(c if c.isalnum() else f"\\U{ord(c):08x}" for c in name) + '"'


@pytest.mark.parametrize("section", ["experiments", "environments"])
@pytest.mark.parametrize("name", BAD)
def test_a_name_that_no_file_can_have_everywhere_is_located(section: str, name: str, tmp_path: Path) -> None:
    assert list(parse(f"{quoted(name)}: 1".encode()).plain()) == [name]
    assert faults(f"{BASE}{section}:\n  {quoted(name)}: {{train: {{max_epochs: 1}}}}\n", tmp_path)[0] == (
        "bad-format",
        6,
        3,
    )


@pytest.mark.parametrize("section", ["experiments", "environments"])
@pytest.mark.parametrize("name", ["a" * MAX_STEM, "é", "wide-2", "a_b", "9", "console", "名前"])
def test_other_names_build(section: str, name: str, tmp_path: Path) -> None:
    assert faults(f"{BASE}{section}:\n  {quoted(name)}: {{train: {{max_epochs: 1}}}}\n", tmp_path) == []


@pytest.mark.parametrize("section", ["experiments", "environments"])
@pytest.mark.parametrize(("one", "other"), [("fast", "Fast"), ("é", "É"), ("strasse", "straße")])
def test_names_that_differ_in_capitals_alone_are_located(section: str, one: str, other: str, tmp_path: Path) -> None:
    patch = "{train: {max_epochs: 1}}"
    assert faults(f"{BASE}{section}:\n  {one}: {patch}\n  {other}: {patch}\n", tmp_path) == [("same-file", 7, 3)]


@pytest.mark.parametrize("name", ["a.", "a-", "a_", "a..b", "-a", "a" * 64, "a._b"])
def test_a_project_name_that_no_image_can_have_is_located(name: str, tmp_path: Path) -> None:
    assert faults(BASE.replace("cola}", f"{name}}}", 1), tmp_path)[0] == ("bad-format", 1, 17)


@pytest.mark.parametrize("source", ["d/" + "a" * 256, "d/" + "é" * 128, "é/" * 400, "https://h/" + "a" * 300 + ".csv"])
def test_a_source_that_no_file_system_holds_is_located(source: str, tmp_path: Path) -> None:
    assert faults(BASE.replace("data/cola.csv", f'"{source}"'), tmp_path)[0] == ("bad-format", 2, 16)
