from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlspec.runtime.aws_lambda import handler_for
from mlspec.runtime.contract import Contract
from mlspec.runtime.log_counts import LogCounts
from mlspec.runtime.log_output import LogOutput
from mlspec.runtime.log_policy import LogPolicy
from mlspec.runtime.prediction_log import PredictionLog
from mlspec.runtime.prediction_mix import dimensions, lines
from mlspec.runtime.prediction_record import RecordEncoder
from mlspec.runtime.service import Service
from tests.bundles import text_bundle
from tests.conftest import CHECKOUT
from tests.runtime.served import ROW, YES, Rows, service

BODY = json.dumps(ROW)
JSON = {"Content-Type": "application/json"}


class Context:
    aws_request_id = "c-1"


def v1(**changes: Any) -> dict[str, Any]:
    return {
        "resource": "/{proxy+}", "httpMethod": "POST", "path": "/predict", "headers": JSON, "multiValueHeaders": None,
        "queryStringParameters": None, "requestContext": {"stage": "prod"}, "body": BODY, "isBase64Encoded": False,
    } | changes  # fmt: skip


def v2(**changes: Any) -> dict[str, Any]:
    context = {"stage": "$default", "http": {"method": "POST", "path": "/predict", "sourceIp": "127.0.0.1"}}
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": "/predict", "rawQueryString": "a=b",
        "headers": {"content-type": "application/json"}, "requestContext": context, "body": BODY,
        "isBase64Encoded": False,
    } | changes  # fmt: skip


def balancer(**changes: Any) -> dict[str, Any]:
    return v1(requestContext={"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:x"}}) | changes


def handle(event: Any) -> Any:
    answer = handler_for(service())(event, Context())
    json.dumps(answer, allow_nan=False)
    return answer


@pytest.mark.parametrize("event", [v1(), v2(), balancer()], ids=["v1", "v2", "balancer"])
def test_every_way_in_gives_the_same_prediction(event: dict[str, Any]) -> None:
    answer = handle(event)
    assert (answer["statusCode"], json.loads(answer["body"]), answer["isBase64Encoded"]) == (200, YES, False)
    assert answer["headers"] == {"X-Request-Id": "c-1", "Content-Type": "application/json"}


@pytest.mark.parametrize("make", [v1, v2, balancer])
def test_a_body_may_come_as_base64(make: Any) -> None:
    encoded = base64.b64encode(BODY.encode()).decode()
    assert json.loads(handle(make(body=encoded, isBase64Encoded=True))["body"]) == YES
    refused = handle(make(body="a", isBase64Encoded=True))
    assert (refused["statusCode"], json.loads(refused["body"])["code"]) == (400, "bad-base64")


def test_a_balancer_gets_a_status_line_and_headers_in_its_form() -> None:
    assert handle(balancer())["statusDescription"] == "200 OK"
    del (event := balancer(multiValueHeaders={"content-type": ["application/json"]}))["headers"]
    answer = handle(event)
    assert answer["multiValueHeaders"]["Content-Type"] == ["application/json"]
    assert "headers" not in answer


def test_a_stage_before_the_path_is_not_part_of_it() -> None:
    context = {"stage": "prod", "http": {"method": "POST"}}
    assert handle(v2(rawPath="/prod/predict", requestContext=context))["statusCode"] == 200
    assert handle(v2(rawPath="/production/predict", requestContext=context))["statusCode"] == 404


def test_an_invocation_without_http() -> None:
    assert handle(ROW) == YES
    assert handle([ROW, ROW]) == [YES, YES]
    assert handle({"sentence": 3, "age": 1})["code"] == "bad-row"


@pytest.mark.parametrize("event", [None, 3, "text", [], {}, [None]])
def test_an_event_of_an_unknown_kind_is_refused(event: Any) -> None:
    assert handle(event)["code"] in ("bad-row", "no-rows")


@pytest.mark.parametrize(
    "event",
    [
        v1(path=None),
        v1(body=3),
        v1(headers=[3]),
        v2(rawPath=3),
        v2(body={"sentence": "a"}),
        v2(requestContext={"http": {}}),
        v2(requestContext={"http": None}),
        balancer(multiValueHeaders=[1]),
        v1(httpMethod=None),
    ],
    ids=range(9),
)
def test_a_malformed_event_is_a_4xx(event: dict[str, Any]) -> None:
    answer = handle(event)
    assert 400 <= answer["statusCode"] < 500
    assert json.loads(answer["body"])["error"]


def test_an_empty_body_and_a_wrong_method() -> None:
    assert handle(v2(body=None))["statusCode"] == 400
    assert handle(v1(httpMethod="GET"))["statusCode"] == 405
    assert handle(v1(httpMethod="GET", path="/v2/health/ready", body=None))["statusCode"] == 200


@pytest.mark.parametrize(
    "event", [{"warmup": True}, {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}]
)
def test_warming_up_does_not_predict(event: dict[str, Any]) -> None:
    assert handle(event) == {"warm": True, "model": "cola", "version": "7"}


def test_a_failing_model_is_a_500_over_http_and_an_error_of_the_function_without() -> None:
    failing = {"sentence": "fail", "age": 1}
    assert handle(v2(body=json.dumps(failing)))["statusCode"] == 500
    with pytest.raises(RuntimeError):
        handle(failing)


class Wordy(Rows):
    """Predictions with a label of that text, repeated."""

    def __init__(self, text: str, times: int) -> None:
        self.label = text * times

    def compute(self, prepared: Any, alone: bool = True) -> Any:
        return [{"label": self.label, "score": 1.0, "probabilities": {}} for _ in prepared]


@pytest.mark.parametrize(
    ("text", "times", "status", "direct"),
    [("x", 7_000_000, 413, 413), ("x", 5_000_000, 200, 200), ('"', 2_500_000, 413, 200), ("é", 1_500_000, 413, 200)],
    ids=["too large", "fits", "too large as a JSON string", "too large when escaped"],
)
def test_an_answer_larger_than_lambda_returns_is_refused_and_logged_as_refused(
    text: str, times: int, status: int, direct: int, capsys: pytest.CaptureFixture[str]
) -> None:
    wordy = Service(Wordy(text, times), Contract("cola", "1", {"sentence": "text"}, ("no", "yes")))
    encoder = RecordEncoder(wordy.contract, LogPolicy("cola"), "lambda")
    wordy.log = PredictionLog(encoder, [LogOutput()], LogCounts(wordy.contract, {}, 0.5))
    handler = handler_for(wordy)
    answer = handler(v2(body='{"sentence": "a"}'), None)
    assert answer["statusCode"] == status
    assert "answer-too-large" in answer["body"] or status == 200
    result = handler({"sentence": "a"}, None)
    assert (result.get("code") == "answer-too-large") == (direct == 413)
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    outcomes = {200: ("success", None), 413: ("refused", "answer-too-large")}
    logged = [(record["route"], record["status"], (record["outcome"], record["error"])) for record in records]
    assert logged == [("/predict", status, outcomes[status]), ("invoke", direct, outcomes[direct])]
    assert f'route="/predict",status="{status}"' in wordy.counters.text()


def test_each_invocation_writes_the_labels_it_gave(capsys: pytest.CaptureFixture[str]) -> None:
    messages = {"AWS_LAMBDA_FUNCTION_NAME": "cola", "AWS_LAMBDA_FUNCTION_VERSION": "12", "HOME": "/"}
    handler = handler_for(service(), dimensions(messages))
    handler([ROW, ROW, {"sentence": "no", "age": 1}], Context())
    handler(v2(), Context())
    handler(v2(body="{"), Context())
    handler({"warmup": True}, Context())
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["Predictions.yes"], first["Predictions.no"]) == (2, 1)
    assert (second["FunctionName"], second["ExecutedVersion"], second["Predictions.yes"]) == ("cola", "12", 1)
    assert "Predictions.no" not in second
    (described,) = first["_aws"]["CloudWatchMetrics"]
    assert (described["Namespace"], described["Dimensions"]) == ("mlspec", [["FunctionName", "ExecutedVersion"]])
    assert all(first[metric["Name"]] for metric in described["Metrics"])
    assert first["_aws"]["Timestamp"] > 1.7e12


def test_outside_of_lambda_no_such_line_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert dimensions({"HOME": "/"}) is None
    handle(ROW)
    assert capsys.readouterr().out == ""


def test_a_line_has_no_more_than_a_hundred_metrics() -> None:
    created = list(lines({f"label {n}": n for n in range(1, 151)}, {"FunctionName": "f", "ExecutedVersion": "1"}, 1.0))
    results = [json.loads(line)["_aws"]["CloudWatchMetrics"][0]["Metrics"] for line in created]
    assert [len(metrics) for metrics in results] == [100, 50]


def test_a_cold_start_says_what_it_cost(tmp_path: Path) -> None:
    code = "from mlspec.runtime.aws_lambda import make_handler; make_handler()"
    messages = {
        "AWS_LAMBDA_FUNCTION_NAME": "cola",
        "AWS_LAMBDA_FUNCTION_VERSION": "12",
        "MODEL_BUNDLE": str(text_bundle(tmp_path / "bundle")),
    }
    environment = {**os.environ, **messages, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    line = json.loads(done.stdout)
    assert set(line["cold_start"]) == {"import_ms", "load_ms", "first_run_ms"}
    assert min(line["cold_start"].values()) > 0
    assert (line["FunctionName"], line["ExecutedVersion"]) == ("cola", "12")


def test_a_function_loads_no_server(tmp_path: Path) -> None:
    code = (
        "import sys, mlspec.runtime.aws_lambda; print({'asyncio', 'httptools', 'uvloop', 'torch'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
