"""The description of the service, held against what the service does; and the page, in a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlspec.runtime import openapi
from mlspec.runtime.contract import Contract
from mlspec.runtime.docs_page import curl, page
from mlspec.runtime.http import running
from mlspec.runtime.service import Request, Service, load
from tests.bundles import text_bundle
from tests.runtime import bundles
from tests.runtime.served import service

jsonschema = pytest.importorskip("jsonschema")


def valid(document: Any, name: str, value: Any) -> bool:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


@pytest.fixture(params=["classes", "numbers"])
def described(request: pytest.FixtureRequest, tmp_path: Path) -> Service:
    created = bundles.tabular(tmp_path) if request.param == "classes" else bundles.text(tmp_path, ["the cat", "a dog"])
    return load(created)


def test_every_example_is_taken_and_every_answer_is_as_described(described: Service) -> None:
    document = json.loads(described.answer(Request("GET", "/openapi.json")).body)
    posts = {path: way["post"] for path, way in document["paths"].items() if "post" in way}
    for path, given in zip(posts, ("Prediction", "InferResponse"), strict=True):
        sample = posts[path]["requestBody"]["content"]["application/json"]["example"]
        answer = described.answer(Request("POST", path, {}, json.dumps(sample).encode()))
        assert answer.status == 200
        assert valid(document, given, json.loads(answer.body))
        assert valid(document, {"Prediction": "Row", "InferResponse": "InferRequest"}[given], sample)
        refused = described.answer(Request("POST", path, {}, b"[{}]"))
        assert str(refused.status) in posts[path]["responses"]
        assert valid(document, "Refusal", json.loads(refused.body))


def test_every_path_that_is_described_exists() -> None:
    requested = service()
    for path, way in openapi.document(requested.contract)["paths"].items():
        assert requested.answer(Request(next(iter(way)).upper(), path)).status not in (404, 405), path


def test_the_examples_are_those_of_the_bundle() -> None:
    contract = Contract(
        "m", "1", {"age": "number", "town": "category", "note": "text"}, (), {"age": 41, "town": "Oslo"}
    )
    row = {"age": 41, "town": "Oslo", "note": "Some text."}
    assert openapi.example(contract) == row
    tensors = openapi.infer_example(contract)["inputs"]
    assert {each["name"]: each["data"] for each in tensors} == {name: [value] for name, value in row.items()}


def test_a_name_cannot_break_out_of_the_page() -> None:
    created = page(Contract("a<script>", "</title>", {"<b>'\"": "text"}, ("</pre>", "&")))
    assert "<b>" not in created
    assert created.count("<script>") == created.count("</script>") == 1
    assert created.count("</title>") == created.count("</style>") == 1


def test_the_line_for_a_shell_is_one_word_of_json() -> None:
    import shlex

    words = shlex.split(curl(Contract("m", "1", {"it's": "text", "n": "number"}), "http://h"))
    assert json.loads(words[-1]) == {"it's": "Some text.", "n": 1.5}


@pytest.mark.browser
def test_the_page_asks_for_a_prediction_and_loads_nothing_else(tmp_path: Path, chromium: Any) -> None:
    with running(load(text_bundle(tmp_path / "bundle"))) as port:
        context = chromium.new_context()
        tab, requested, wrong = context.new_page(), [], []
        tab.on("request", lambda request: requested.append(request.url.partition(f":{port}")[2]))
        tab.on("pageerror", lambda error: wrong.append(error))
        tab.goto(f"http://127.0.0.1:{port}/docs")
        assert f"curl http://127.0.0.1:{port}/predict" in tab.text_content("#curl")
        tab.click("button")
        tab.wait_for_selector("#answer:not(:empty)")
        assert set(json.loads(tab.text_content("#answer"))) == {"label", "score", "probabilities"}
        tab.fill("textarea", "{")
        tab.click("button")
        tab.wait_for_function("document.getElementById('state').textContent.startsWith('400')")
        assert (requested, wrong) == (["/docs", "/predict", "/predict"], [])
        context.close()
