"""Every key of the language as a document, and in the terminal."""

from __future__ import annotations

import json

import pytest

from mlspec.cli.app import main
from mlspec.parts.all_parts import PARTS
from mlspec.spec.keys import known
from mlspec.spec.key_reference import ANY, Key, keys
from mlspec.spec.root import root_model
from mlspec.spec.json_schema import plain_schema
from tests.conftest import CHECKOUT

DOCUMENT = CHECKOUT / "docs" / "reference.md"


@pytest.fixture(scope="module")
def every() -> list[Key]:
    return keys(plain_schema(PARTS))


def test_the_document_is_that_of_these_models(update: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--markdown"]) == 0
    text = capsys.readouterr().out
    if update:
        DOCUMENT.write_text(text, encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == text


def test_every_key_is_one_of_the_spec_and_says_what_it_is_for(every: list[Key]) -> None:
    model = root_model(PARTS)
    assert len(every) > 250
    assert [key.dotted for key in every if not known(model, key.dotted)] == []
    assert [key.dotted for key in every if not key.description] == []


def test_no_key_is_left_out(every: list[Key]) -> None:
    """By another way: the names of all properties of all definitions."""
    shapes = [plain_schema(PARTS), *plain_schema(PARTS)["$defs"].values()]
    names = {name for shape in shapes for name in shape.get("properties", {})}
    assert names == {key.path[-1] for key in every} - {ANY}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("train.schedule.warmup", "train.schedule.warmup: number from 0 below 1, default 0.0\n"),
        ("data.target", "  type        `class` or `number`, default class\n"),
        ("data.inputs.anything", "  height      whole number from 1 to 4096\n"),
        ("model", "  with `type: tabular`\n"),
        ("model.hidden", "model.hidden (type: tabular): list of whole number from 1 to 8192, default [64, 32]\n"),
        ("monitor.elasticsearch.api_key", "  env  text, required\n"),
        ("sweep.parameters.x.values", "  for example [16, 32, 64]\n"),
    ],
)
def test_a_key_is_explained(capsys: pytest.CaptureFixture[str], key: str, message: str) -> None:
    assert main(["explain", key]) == 0
    out = capsys.readouterr().out
    assert message in out
    assert max(map(len, out.splitlines())) <= 100
    assert main(["explain", key, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["key"] == key


@pytest.mark.parametrize(
    ("key", "help"),
    [("train.max_epoch", "did you mean `train.max_epochs`?"), ("trian", "did you mean `train`?"),
     ("train.schedule.type.x", "available"), ("data.", "did you mean `data."), ("", "available"), ("..", "available")],
)  # fmt: skip
def test_what_is_neither_a_code_nor_a_key(capsys: pytest.CaptureFixture[str], key: str, help: str) -> None:
    assert main(["explain", key]) == 2
    assert "unknown error code or key" in (err := capsys.readouterr().err)
    assert help in err
