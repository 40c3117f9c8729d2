from __future__ import annotations

import json
from typing import Any

import pytest

from mlspec.runtime.contract import Contract
from mlspec.runtime.preprocess.bundle_errors import BadRow
from mlspec.runtime.service import MAX_ROWS, Request, Service
from tests.runtime.served import ROW, YES, Rows, service


def ask(path: str, body: object = None, method: str | None = None, **headers: str) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    answer = service().answer(Request(method or ("GET" if body is None else "POST"), path, headers, data))
    return answer.status, json.loads(answer.body)


def test_health_and_metadata() -> None:
    assert ask("/v2/health/live") == (200, {"live": True})
    assert ask("/v2/health/ready") == (200, {"ready": True})
    assert ask("/v2/models/cola/ready") == (200, {"ready": True})
    status, model = ask("/v2/models/cola")
    assert status == 200
    assert model["inputs"] == [
        {"name": "sentence", "datatype": "BYTES", "shape": [-1]},
        {"name": "age", "datatype": "FP64", "shape": [-1]},
    ]
    assert model["outputs"][2] == {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]}


def test_a_client_may_name_the_version() -> None:
    assert ask("/v2/models/cola/versions/7") == ask("/v2/models/cola")
    assert ask("/v2/models/cola/versions/7/ready") == (200, {"ready": True})
    tensors = {"inputs": [SENTENCES, AGES]}
    assert ask("/v2/models/cola/versions/7/infer", tensors) == ask("/v2/models/cola/infer", tensors)
    status, refusal = ask("/v2/models/cola/versions/8/infer", tensors)
    assert (status, refusal) == (404, {"error": "unknown version; this server has `7`", "code": "unknown-version"})
    served = service()
    served.answer(Request("GET", "/v2/models/cola/versions/7"))
    assert 'route="/v2/models/cola"' in served.counters.text()


def test_a_service_that_stops_says_so() -> None:
    stopping = service()
    stopping.ready = False
    assert stopping.answer(Request("GET", "/v2/health/ready")).status == 503
    assert stopping.answer(Request("GET", "/v2/health/live")).status == 200


def test_one_row_and_many() -> None:
    assert ask("/predict", ROW) == (200, YES)
    assert ask("/predict", [ROW, ROW]) == (200, [YES, YES])
    assert ask("/predict", {"sentence": "why", "age": None})[0] == 200


def infer(*inputs: dict[str, object], **more: object) -> tuple[int, Any]:
    return ask("/v2/models/cola/infer", {"inputs": list(inputs), **more})


SENTENCES = {"name": "sentence", "shape": [2], "datatype": "BYTES", "data": ["why", "no"]}
AGES = {"name": "age", "shape": [2, 1], "datatype": "INT64", "data": [1, 2]}


def test_the_open_inference_protocol() -> None:
    status, body = infer(SENTENCES, AGES, id="42")
    assert status == 200
    assert body == {
        "model_name": "cola",
        "model_version": "7",
        "id": "42",
        "outputs": [
            {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["yes", "no"]},
            {"name": "score", "datatype": "FP64", "shape": [2], "data": [0.75, 0.75]},
            {"name": "probabilities", "datatype": "FP64", "shape": [2, 2], "data": [0.25, 0.75, 0.75, 0.25]},
        ],
    }
    assert [o["name"] for o in infer(SENTENCES, AGES, outputs=[{"name": "label"}])[1]["outputs"]] == ["label"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([SENTENCES], "input `age` is missing"),
        ([SENTENCES, SENTENCES], "duplicate input `sentence`"),
        ([{**SENTENCES, "datatype": "FP32"}, AGES], "input `sentence` must have datatype BYTES, not FP32"),
        ([{**SENTENCES, "shape": [3]}, AGES], "input `sentence` has shape [3] but 2 values"),
        ([{**SENTENCES, "name": "text"}, AGES], "unknown input `text`; the inputs are `sentence`, `age`"),
        ([SENTENCES, {**AGES, "shape": [1], "data": [1]}], "the inputs have different numbers of rows"),
        ([{**SENTENCES, "data": "why"}, AGES], "`data` of input `sentence` must be a list"),
        (["sentence"], "every input is an object with a `name`"),
    ],
)
def test_a_wrong_tensor_is_named(inputs: list[Any], message: str) -> None:
    status, body = infer(*inputs)
    assert status == 422
    assert message in body["error"]


@pytest.mark.parametrize(
    ("body", "status", "code", "message"),
    [
        (b"{", 400, "bad-json", "Expecting"),
        (b"", 400, "bad-json", "the body is empty"),
        (b"\xff", 400, "bad-json", "not UTF-8"),
        (b'{"sentence": "a", "sentence": "b", "age": 1}', 400, "bad-json", "'sentence' is duplicated"),
        (b'{"sentence": "a", "age": NaN}', 400, "bad-json", "NaN is not a JSON value"),
        (b"[" * 100_000, 400, "bad-json", "nested too deeply"),
        (b'{"sentence": "a", "age": ' + b"9" * 9000 + b"}", 400, "bad-json", "limit"),
        (b"3", 422, "bad-row", "a row is an object with sentence, age"),
        (b"[]", 422, "no-rows", "no row"),
        (b'{"age": 1}', 422, "bad-row", "row 0, `sentence`: is missing; null stands for"),
        (b'{"sentence": 1, "age": 1}', 422, "bad-row", "`sentence`: must be text or null"),
        (b'{"sentence": "a", "age": true}', 422, "bad-row", "`age`: must be a number or null"),
        (b'{"sentence": "a", "age": 1e999}', 422, "bad-row", "too large"),
        (b'{"sentence": "\\ud800", "age": 1}', 422, "bad-row", "surrogate"),
        (b'[{"sentence": "a", "age": 1}, {"sentence": "a", "ago": 1}]', 422, "bad-row", "row 1, `ago`"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(body: bytes, status: int, code: str, message: str) -> None:
    got, answer = ask("/predict", body)
    assert (got, answer["code"]) == (status, code)
    assert message in answer["error"]


def test_all_faults_of_all_rows_are_listed() -> None:
    _, body = ask("/predict", [{"sentence": 1, "age": "x"}, {}])
    assert [(d["row"], d["input"]) for d in body["details"]] == [
        (0, "sentence"), (0, "age"), (1, "sentence"), (1, "age"),
    ]  # fmt: skip


def test_too_many_rows() -> None:
    assert ask("/predict", [ROW] * (MAX_ROWS + 1))[1]["code"] == "too-many-rows"


def test_paths_methods_and_types() -> None:
    assert ask("/nothing")[1]["code"] == "unknown-path"
    assert ask("/v2/models/other/infer", {})[1] == {
        "error": "unknown model; this server has `cola`",
        "code": "unknown-model",
    }
    answer = service().answer(Request("GET", "/predict"))
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert ask("/predict", ROW, **{"content-type": "text/csv"})[0] == 415
    assert ask("/predict", ROW, **{"content-type": "application/json; charset=utf-8"})[0] == 200


def test_a_failing_model_is_a_500_without_its_insides(capsys: pytest.CaptureFixture[str]) -> None:
    status, body = ask("/predict", {"sentence": "fail", "age": 1})
    assert (status, body["code"]) == (500, "model-failed")
    assert "damaged" not in body["error"]
    assert "the graph is damaged" in capsys.readouterr().err


def test_a_request_id_is_kept_when_it_is_one() -> None:
    kept = service().answer(Request("GET", "/v2", {"x-request-id": "abc-1"}))
    assert kept.headers["X-Request-Id"] == "abc-1"
    created = service().answer(Request("GET", "/v2", {"x-request-id": "a\r\nSet-Cookie: x"}))
    assert "\n" not in created.headers["X-Request-Id"]


def test_metrics_count_what_happened() -> None:
    counted = service()
    body = json.dumps([ROW, {"sentence": "no", "age": 1}]).encode()
    counted.answer(Request("POST", "/predict", {}, body))
    counted.answer(Request("POST", "/predict", {}, b"{"))
    counted.answer(Request("GET", "/" + "x" * 50))
    answer = counted.answer(Request("GET", "/metrics"))
    text = answer.body.decode()
    model = 'model="cola",version="7"'
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert f'mlspec_requests_total{{{model},route="/predict",status="200"}} 1\n' in text
    assert f'mlspec_requests_total{{{model},route="/predict",status="400"}} 1\n' in text
    assert f'mlspec_requests_total{{{model},route="other",status="404"}} 1\n' in text
    assert f'mlspec_predictions_total{{{model},label="yes"}} 1\n' in text
    assert f"mlspec_rows_total{{{model}}} 2\n" in text
    assert f'mlspec_request_seconds_bucket{{{model},route="/predict",le="+Inf"}} 2\n' in text


def test_a_label_cannot_break_out_of_the_metrics() -> None:
    odd = Service(service().model, Contract("cola", 'a"\\\nb', {"sentence": "text"}, ("no", "yes")))
    assert 'version="a\\"\\\\\\nb"' in odd.answer(Request("GET", "/metrics")).body.decode()


def test_a_regression_answers_with_a_value() -> None:
    class Price(Rows):
        def compute(self, prepared: Any, alone: bool = True) -> Any:
            return [{"value": 2.5} for _ in prepared]

    prices = Service(Price(), Contract("price", "1", {"size": "number", "photo": "image"}))
    row = {"size": 3, "photo": "aGk="}
    assert json.loads(prices.answer(Request("POST", "/predict", {}, json.dumps(row).encode())).body) == {"value": 2.5}
    wrong = json.dumps({"size": 3, "photo": 7}).encode()
    assert b"must be an image file in base64" in prices.answer(Request("POST", "/predict", {}, wrong)).body


def test_what_only_preprocessing_can_see_is_refused_by_name_too() -> None:
    class Photo(Rows):
        def prepare(self, rows: Any) -> Any:
            raise BadRow(1, "photo", "is not base64")

        def compute(self, prepared: Any, alone: bool = True) -> Any:
            raise AssertionError

    photos = Service(Photo(), Contract("photo", "1", {"photo": "image"}))
    answer = photos.answer(Request("POST", "/predict", {}, b'[{"photo": "a"}, {"photo": "b"}]'))
    assert answer.status == 422
    assert json.loads(answer.body)["details"] == [{"row": 1, "input": "photo", "problem": "is not base64"}]
