"""Text that is made to break out of its place: it is refused, or it arrives in every generated file as it was."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import configobj
import pytest
import yaml
from omegaconf import OmegaConf
from ruamel.yaml import YAML

from mlspec.compiler import compile_project
from mlspec.errors import SpecError
from mlspec.render.renderer import RenderedFile
from mlspec.sections.column_names import fault

NASTY = (
    'a"; rm -rf / #',
    "b'; echo pwned; '",
    "c`id`$(id)",
    "d\nRUN echo pwned",
    "e\r\nkey: pwned",
    "f ${data.source} ${oc.env:HOME}",
    "g ${x} \\${y} \\\\${z}",
    "h {{ github.token }} {= x =} {% raw %}",
    "i --> <script>pwned</script>",
    "j: k # l",
    "- m",
    "& *n !!python/object",
    "o\u2028p\u2029q\x85r",
    "s\ttab",
    "t\\",
    "u\\\nRUN pwned",
    "%{ if v }",
    "w@{x} |> <<EOF",
    " around ",
    "y\u202egpj.exe",
    "null",
    "true",
    "1e3",
    "0x1f",
    "12:30:45",
    "2026-01-01",
    "=",
    "<<",
    "~",
    "🦀 名前 é",
    "\u0301combining",
    "''",
    '"""',
    "# comment",
    "%YAML 1.1",
    "---",
    "...",
    "@at",
    "[x",
    "{y",
    "?",
    "|",
    ">",
    "]",
    "}",
    ",",
    "%(home)s",
    "\ufeffmark",
)
PLAIN = "harmless"
REFUSED = {"bad-format"}


def spec(text: str) -> dict[str, Any]:
    """A spec in which every free text is `text`, with `$` written so that it means itself; in keys it always does."""
    literal = re.sub(r"(?<!\$)\$\{", "$${", text)
    line = literal if re.sub(r"[\r\n\t]", "", text).isprintable() else PLAIN
    name, label = (PLAIN, PLAIN) if fault(text) else (text, literal)
    return {
        "project": {"name": "cola", "description": line, "authors": [line, "x"], "license": line},
        "data": {
            "source": "data/rows.csv",
            "inputs": {name: "text"},
            "target": {"column": "label", "labels": [label, "other"]},
            "checks": {name: {"not_null": True, "in": [literal]}},
        },
        "model": {"type": "text-classifier"},
        "train": {"strategy": literal},
        "experiments": {"fast": {"track.wandb.group": literal}},
        "sweep": {"parameters": {"track.wandb.group": {"values": [literal, "x"]}}},
        "track": {"wandb": {"project": literal, "entity": literal, "tags": [literal], "group": literal}},
        "evaluate": {"slices": {name: {"by": "length", "bins": [1, 5]}}},
        "export": None,
        "test": {"pytest": {"select": literal, "args": [literal]}},
        "package": {"docker": {"labels": {"org.example.note": literal if text.isprintable() else PLAIN}}},
        "registry": {"ecr": {"repository": "cola", "region": "eu-west-1"}},
        "deploy": {"lambda": {"environment": {"NOTE": literal}}},
        "ci": {"github": {"train_on": ["dispatch", "pull_request"]}},
        "monitor": {"elasticsearch": {}, "log": {"columns": {name: "redacted"}}},
    }


def built(values: object, folder: Path) -> dict[str, RenderedFile]:
    """The files of a spec. JSON is YAML, and its escapes leave nothing to an emitter; but YAML has no surrogates."""
    text = re.sub(r"\\u(d[89ab]..)\\u(d[c-f]..)", lambda m: json.loads(f'"{m[0]}"'), json.dumps(values))
    (folder / "mlproject.yaml").write_text(text, encoding="utf-8")
    return {file.path: file for file in compile_project(folder / "mlproject.yaml").files}


def swapped(value: Any, text: str) -> Any:
    """`value` with the harmless text wherever `text` is: in keys, in values, in JSON inside strings."""
    if isinstance(value, dict):
        # Elasticsearch is told of names with dots in them.
        return {swapped(key, text): swapped(item, text) for key, item in value.items() if key != "subobjects"}
    if isinstance(value, list | tuple):
        return [swapped(item, text) for item in value]
    if isinstance(value, str) and value.startswith(("{", "[")) and value != text:
        try:
            return swapped(json.loads(value), text)
        except ValueError:
            pass
    return PLAIN if value == text else value


def hydra(text: str) -> Any:
    return OmegaConf.to_container(OmegaConf.create(text), resolve=True)


def python(text: str) -> Any:
    """Every constant and the shape of the rest."""
    nodes = list(ast.walk(ast.parse(text)))
    return [node.value if isinstance(node, ast.Constant) else type(node).__name__ for node in nodes]


def lines(text: str) -> Any:
    """Each line; no format that is read line by line holds the free texts, but for comments and the labels of an image."""
    return [line for line in text.splitlines() if not line.startswith(("#", "LABEL", '      "', "      org."))]


READERS: tuple[tuple[str, Callable[[str], Any]], ...] = (
    (r"conf/(?!config).*\.yaml", hydra),
    (r".*\.ya?ml", lambda text: YAML(typ="safe", pure=True).load(text)),
    (r".*\.ndjson", lambda text: [json.loads(line) for line in text.splitlines()]),
    (r".*\.json", json.loads),
    (r".*\.py", python),
    (r"\.dvc/config", lambda text: configobj.ConfigObj(io.StringIO(text)).dict()),
    (r".*", lines),
)


IN_QUERIES = {"elasticsearch/pipeline.json", "kibana/dashboard.json", "kibana/dashboard.ndjson"}
"""Files in which the name of an input is a part of a field or of a query. They must be valid JSON like all others; the
grammar of ES|QL judges their queries, with names that need quoting, in tests/integration/test_stack_bodies.py."""


@cache
def parsed(path: str, text: str) -> Any:
    """Most files of two specs are the same, and reading them takes far longer than building them."""
    return next(reader for pattern, reader in READERS if re.fullmatch(pattern, path))(text)


def read(file: RenderedFile) -> Any:
    return parsed(file.path, file.text)


@cache
def is_same_to_both_versions(text: str) -> bool:
    return bool(yaml.safe_load(text) == YAML(typ="safe", pure=True).load(text))


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RenderedFile]:
    return built(spec(PLAIN), tmp_path_factory.mktemp("harmless"))


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_a_hostile_text_arrives_unchanged(text: str, harmless: dict[str, RenderedFile], tmp_path: Path) -> None:
    files = built(spec(text), tmp_path)
    assert files.keys() == harmless.keys()
    # a name with dots is one part of the name of a field there
    exempt = IN_QUERIES | ({"elasticsearch/component-template.json"} if "." in text else set())
    assert all(read(files[path]) for path in exempt)
    changed = [
        path
        for path, file in files.items()
        if path not in exempt and swapped(read(file), text) != swapped(read(harmless[path]), text)
    ]
    assert changed == []


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_yaml_means_the_same_to_readers_of_either_version(text: str, tmp_path: Path) -> None:
    for file in built(spec(text), tmp_path).values():
        if file.path.endswith(".yaml") and not file.path.startswith(".github"):
            assert is_same_to_both_versions(file.text), file.path


@pytest.mark.parametrize("text", NASTY, ids=ascii)
@pytest.mark.parametrize("place", ["label", "name", "description", "license"])
def test_a_label_is_refused_or_is_what_docker_reads(place: str, text: str, tmp_path: Path) -> None:
    values, literal = spec(PLAIN), re.sub(r"(?<!\$)\$\{", "$${", text)
    if place in ("description", "license"):
        values["project"][place] = literal
    else:
        values["package"]["docker"]["labels"] = {"note": literal} if place == "label" else {text: "note"}
    try:
        dockerfile = built(values, tmp_path)["Dockerfile"].text
    except SpecError as error:
        assert not text.isprintable()
        assert [(d.code, d.span is not None) for d in error.diagnostics] == [("bad-format", True)]
        return
    written = [re.sub(r"\\(.)", r"\1", quoted) for quoted in re.findall(r'"((?:[^"\\\n]|\\.)*)"', dockerfile)]
    written += re.findall(r'(?m)^(?:LABEL |      )([^"=\s]+)=', dockerfile)
    assert (text if place in ("label", "name") else re.sub(r"\r?\n|\t", " ", text)) in written


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_a_remote_is_refused_or_is_what_dvc_reads(text: str, tmp_path: Path) -> None:
    values = spec(PLAIN)
    del values["ci"]  # beside it a local remote is refused
    values["data"]["remote"] = "/" + re.sub(r"(?<!\$)\$\{", "$${", text)
    try:
        config = built(values, tmp_path)[".dvc/config"].text
    except SpecError as error:
        assert {d.code for d in error.diagnostics} == REFUSED
        return
    assert configobj.ConfigObj(io.StringIO(config))['remote "mlspec"']["url"] == "/" + text


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_a_source_is_refused_or_is_what_dvc_reads(text: str, tmp_path: Path) -> None:
    from dvc.parsing.context import Context

    values = spec(PLAIN)
    values["data"]["source"] = "data/" + re.sub(r"(?<!\$)\$\{", "$${", text) + ".csv"
    try:
        pipeline = built(values, tmp_path)["dvc.yaml"].text
    except SpecError as error:
        assert {d.code for d in error.diagnostics} <= {"bad-format", "import-not-found"}
        return
    deps = YAML(typ="safe", pure=True).load(pipeline)["stages"]["data"]["deps"]
    assert "data/" + text + ".csv" in [Context().resolve_str(dep) for dep in deps] or set("*?[") & set(text)
