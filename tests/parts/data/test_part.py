"""What is found wrong with a `data` section before any data is read, and the stages that it becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.errors import SpecError
from mlspec.parts.data import part
from mlspec.plan.stage import Stage
from mlspec.source.project_context import look
from mlspec.source.reader import parse, read
from mlspec.source.secrets import secrets
from mlspec.spec.check import check

MODULE = """
import functools
def load(): ...
def one(path, *, also): ...
def defaults(path="a", *rest, also=1, **more): ...
async def later(): ...
@functools.cache
def cached(path): ...
VALUE = 3
maker = functools.partial(one, "a")
"""


def spec(root: Path, data: str, model: str = "{type: text-classifier}") -> Path:
    (root / "src").mkdir(exist_ok=True)
    (root / "src/data.py").write_text(MODULE)
    (root / "src/torn.py").write_text("def load(:\n    return []\n")
    path = root / "mlproject.yaml"
    path.write_text(f"project: {{name: toy}}\ndata:\n{data}\nmodel: {model}\n")
    return path


def section(**keys: str) -> str:
    base = {"source": "data/a.csv", "inputs": "{sentence: text}", "target": "{column: label, labels: [a, b]}"}
    return "\n".join(f"  {key}: {value}" for key, value in {**base, **keys}.items())


def findings(root: Path, data: str, model: str = "{type: text-classifier}") -> list[tuple[str, str]]:
    """Codes, each with the text that its caret points at."""
    try:
        diagnostics = compile_project(spec(root, data, model), parts=_parts()).warnings
    except SpecError as error:
        diagnostics = error.diagnostics
    return [(d.code, d.source[d.span.column - 1 : d.span.end - 1] if d.span else "") for d in diagnostics]


def _parts() -> tuple[object, ...]:
    from mlspec.parts.model import part as model

    return (part, model)  # type: ignore[return-value]


IMAGES = {"source": "data/img", "inputs": "{image: image}"}
FAULTS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "module": (section(source="src.nothing:load"), [("import-not-found", "src.nothing:load")]),
    "function": (section(source="src.data:laod"), [("import-not-found", "src.data:laod")]),
    "syntax": (section(source="src.torn:load"), [("import-not-found", "src.torn:load")]),
    "value": (section(source="src.data:VALUE"), [("not-callable", "src.data:VALUE")]),
    "arguments": (section(source="src.data:one"), [("not-callable", "src.data:one")]),
    "coroutine": (section(source="src.data:later"), [("not-callable", "src.data:later")]),
    "split-callable": (section(split="{test: src.data:one}"), [("not-callable", "src.data:one")]),
    "format": (section(source="data/a.txt"), [("unknown-format", "data/a.txt")]),
    "no-names": (section(format="{header: false}"), [("conflicting-options", "false")]),
    "no-delimiter": (section(source="a.parquet", format="{delimiter: ;}"), [("conflicting-options", "delimiter")]),
    "no-level": (
        section(target="{column: label, labels: [a, b], level: 1}"),
        [("conflicting-options", "level")],
    ),
    "no-escape": (section(source="a.parquet", format="{escape: '|'}"), [("conflicting-options", "escape")]),
    "no-decimal": (
        section(source="data/img", inputs="{image: image}", format="{type: images, decimal: ','}"),
        [("model-data-mismatch", "image"), ("conflicting-options", "decimal")],
    ),
    "one-separator-for-both": (section(format="{thousands: '.'}"), [("conflicting-options", "'.'")]),
    "positions-of-nothing": (
        section(target="{column: label, labels_are: positions}"),
        [("conflicting-options", "positions")],
    ),
    "one-number-twice": (section(target="{column: label, labels: [1, 1.0]}"), [("repeated-name", "1.0")]),
    "column-twice": (section(format="{columns: [sentence, label, label]}"), [("repeated-name", "label")]),
    "encoding": (section(format="{encoding: utf-9}"), [("bad-format", "utf-9")]),
    "text-of-images": (section(source="data/img", format="{type: images}"), [("input-mismatch", "inputs")]),
    "height-of-text": (section(inputs="{sentence: {type: text, height: 3}}"), [("conflicting-options", "height")]),
    "copy": (section(inputs="{label: text}"), [("target-is-input", "label")]),
    "number-labels": (
        section(target="{column: y, type: number, labels: [a]}"),
        [("conflicting-options", "labels"), ("model-data-mismatch", "text-classifier")],
    ),
    "one-label": (section(target="{column: label, labels: [a]}"), [("too-few-labels", "labels")]),
    "label-twice": (section(target="{column: label, labels: [a, b, a]}"), [("repeated-name", "a")]),
    "value-of-no-label": (
        section(target="{column: label, labels: [a, b], values: {1: a, 2: c, 3: b}}"),
        [("unknown-label", "c")],
    ),
    "label-of-no-value": (
        section(target="{column: label, labels: [a, b], values: {1: a}}"),
        [("unknown-label", "values")],
    ),
    "all-split-off": (section(split="{valid: 0.5, test: 0.5}"), [("empty-split", "split")]),
    "nothing-split-off": (section(split="{valid: 0}"), [("empty-split", "0")]),
    "same-file": (section(split="{valid: data/a.csv}"), [("shared-split", "data/a.csv")]),
    "same-split": (section(split="{valid: v.csv, test: v.csv}"), [("shared-split", "v.csv")]),
    "column-and-share": (section(split="{column: part, test: 0.1}"), [("conflicting-options", "test")]),
    "column-and-group": (section(split="{column: part, group: who}"), [("conflicting-options", "group")]),
    "digest-of-a-path": (section(sha256=f'"{"0" * 64}"'), [("conflicting-options", "sha256")]),
    "unknown-input": (section(format="{columns: [text, label]}"), [("unknown-column", "sentence")]),
    "unknown-check": (
        section(format="{columns: [sentence, label]}", checks="{sentense: {unique: true}}"),
        [("unknown-column", "sentense")],
    ),
    "unknown-group": (
        section(format="{columns: [sentence, label]}", split="{group: author}"),
        [("unknown-column", "author")],
    ),
    "range": (section(checks="{sentence: {min_length: 3, max_length: 2}}"), [("empty-range", "sentence")]),
    "rows-range": (section(checks="{rows: {min: 3, max: 2}}"), [("empty-range", "rows")]),
    "pattern": (section(checks="{sentence: {matches: '['}}"), [("bad-format", "'['")]),
    "outside": (section(source="../a.csv"), [("path-outside-project", "../a.csv")]),
    "absolute": (section(split="{valid: /etc/passwd}"), [("path-outside-project", "/etc/passwd")]),
    "root-glob": (section(source="'**/*.csv'"), [("bad-format", "'**/*.csv'")]),
    "root": (section(source="./"), [("bad-format", "./")]),
    "http": (section(source="http://example.org/a.csv"), [("bad-format", "http://example.org/a.csv")]),
    "almost-local": (section(source="http://127.0.0.1.example.org/a.csv"), [("bad-format", "http://127.0.0.1.example.org/a.csv")]),
    "host-only": (section(source="https://example.org/"), [("bad-format", "https://example.org/")]),
    "unknown-key": (section(checks="{sentence: {max_lenght: 3}}"), [("unknown-key", "max_lenght")]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_fault(tmp_path: Path, data: str, expected: list[tuple[str, str]]) -> None:
    assert findings(tmp_path, data) == expected


def test_what_only_a_custom_model_could_be_given(tmp_path: Path) -> None:
    data = section(inputs="{a: text, b: text, c: text}")
    assert findings(tmp_path, data, "{class: 'src.data:Model'}")[0] == ("input-mismatch", "inputs")
    data = section(source="a.csv", inputs="{image: image}")
    assert findings(tmp_path, data, "{type: image-classifier}") == [("input-mismatch", "a.csv")]
    data = section(source="data/img", inputs="{image: image}", target="{type: number}")
    assert ("conflicting-options", "number") in findings(tmp_path, data, "{type: image-classifier}")


@pytest.mark.parametrize(
    "data",
    [
        section(source="src.data:load"),
        section(source="src.data:cached"),
        section(source="src.data:defaults", deps="[data/raw, src]"),
        section(source="src.data:maker"),
        section(source="json:loads"),
        section(format="{columns: [sentence, label], header: true}", split="{valid: v.csv, test: 0.1}"),
        section(source="https://example.org/a.csv", sha256=f'"{"0" * 64}"'),
        section(source="https://example.org/a.csv", sha256=f'{{train: "{"0" * 64}"}}'),
        section(split="{column: part, seed: 3}"),
        section(target="{column: label, labels: [a, b], values: {-1: a, 1: b, 2: b}}"),
    ],
)
def test_no_fault(tmp_path: Path, data: str) -> None:
    assert findings(tmp_path, data) == []


def stages(root: Path, data: str, model: str = "{type: text-classifier}") -> dict[str, Stage]:
    path = spec(root, data, model)
    document = read(path)
    project, _ = check(document, look(document, root), None, _parts())  # type: ignore[arg-type]
    return {stage.name: stage for stage in part.stages(project)}


@pytest.mark.parametrize(
    ("data", "inputs"),
    [
        (section(), ["data/a.csv"]),
        (section(source="data/p/*.csv"), ["data/p"]),
        (section(source="src.data:load", deps="[data/raw]"), ["src/data.py", "data/raw"]),
        (section(source="src.data:load", deps="[src, data/raw/, data/raw/a]"), ["src", "data/raw"]),
        (section(source="data/p/*.csv", split="{valid: data/p/v/v.csv}"), ["data/p"]),
        (section(source="src.data:load", split="{test: data/t.csv}"), ["src/data.py", "data/t.csv"]),
        (section(source="json:loads"), []),
        (section(split="{valid: v.csv, test: v2.csv}"), ["data/a.csv", "v.csv", "v2.csv"]),
        (section(source="https://example.org/a.csv"), ["data/raw/a.csv"]),
    ],
)
def test_what_the_data_stage_reads(tmp_path: Path, data: str, inputs: list[str]) -> None:
    assert list(stages(tmp_path, data)["data"].inputs) == inputs


@pytest.mark.parametrize(
    ("keys", "inputs"),
    [
        ({}, ["data/img"]),
        ({"source": "data/img/*/*.png"}, ["data/img"]),
        ({"source": "data/img/labels.csv"}, ["data/img"]),
        ({"source": "data/labels.csv", "format": "{images: pictures}"}, ["data/labels.csv", "pictures"]),
    ],
)
def test_what_is_read_where_there_are_images(tmp_path: Path, keys: dict[str, str], inputs: list[str]) -> None:
    data = section(**{**IMAGES, **keys})
    assert list(stages(tmp_path, data, "{type: image-classifier}")["data"].inputs) == inputs


def test_only_what_is_elsewhere_is_fetched(tmp_path: Path) -> None:
    assert "fetch" not in stages(tmp_path, section())
    data = section(source="s3://bucket/a/rows.csv", split="{valid: https://example.org/rows.csv, test: t.csv}")
    fetch = stages(tmp_path, data)["fetch"]
    assert [output.path for output in fetch.outputs] == ["data/raw/rows.csv", "data/raw/valid/rows.csv"]
    assert fetch.needs == ("network",)
    assert stages(tmp_path, section(source="http://127.0.0.1:8000/a.csv"))["fetch"].needs == ()


def test_params_are_keys_of_the_section(tmp_path: Path) -> None:
    from mlspec.sections.data import DataSpec

    for stage in stages(tmp_path, section(source="https://example.org/a.csv")).values():
        assert all(param.removeprefix("data.") in DataSpec.model_fields for param in stage.params)


@pytest.mark.parametrize("query", ["secret=abc", "a=b&token=abc", "X-Amz-Signature=abc", "sig=abc", "api_key=abc"])
def test_a_remote_with_a_key_in_its_query_is_a_literal_secret(query: str, tmp_path: Path) -> None:
    for place in ("data: {remote: ", "environments: {prod: {data.remote: "):
        root = parse(f"{place}'s3://bucket/x?{query}'}}{'}' if 'env' in place else ''}\n".encode()).root
        assert [text for _, _, text in secrets(root)] == [query.rpartition("&")[2]]
    assert not list(secrets(parse(b"data: {remote: 's3://bucket/x?token=${env.T}'}").root))
    assert not list(secrets(parse(b"data: {source: 'https://example.org/x.csv?token=1'}").root))
