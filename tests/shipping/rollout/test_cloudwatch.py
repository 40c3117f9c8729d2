"""Numbers out of an emulated CloudWatch, which has no percentiles: those come from an answer in AWS's own shape."""

from __future__ import annotations

import io
import json
import time
from datetime import UTC, datetime

import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from mlspec.aws.aws_target import AwsTarget
from mlspec.errors import StageError
from mlspec.shipping.rollout.cloudwatch import CloudWatch, LambdaInvoker
from tests.conftest import CHECKOUT


def put(target: AwsTarget, namespace: str, metric: str, value: float, **where: str) -> None:
    dimensions = [{"Name": name, "Value": value} for name, value in where.items()]
    data = {"MetricName": metric, "Dimensions": dimensions, "Value": value, "Timestamp": datetime.now(UTC)}
    target.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[data])


@pytest.fixture
def split(target: AwsTarget, monkeypatch: pytest.MonkeyPatch) -> AwsTarget:
    """An alias that splits calls between 1 and 2."""
    answer = {"Name": "live", "FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}}}
    stub = Stubber(target.client("lambda"))
    for _ in range(4):
        stub.add_response("get_alias", answer, {"FunctionName": "cola", "Name": "live"})
    stub.activate()
    return target


def test_each_version_has_its_own_numbers(split: AwsTarget) -> None:
    for version, calls, errors in (("1", 90, 1), ("2", 10, 4)):
        where = {"FunctionName": "cola", "Resource": "cola:live", "ExecutedVersion": version}
        put(split, "AWS/Lambda", "Invocations", calls, **where)
        put(split, "AWS/Lambda", "Errors", errors, **where)
        put(split, "mlspec", "Predictions.yes", calls / 2, FunctionName="cola", ExecutedVersion=version)
    meter = CloudWatch(split, "cola", "live", ["no", "yes"])
    new = meter.read("2", time.time() - 30)
    assert (new.calls, new.errors, new.throttles, dict(new.labels)) == (10, 4, 0, {"yes": 5})
    old = meter.read("1", time.time() - 30)
    assert (old.calls, old.errors, dict(old.labels)) == (90, 1, {"yes": 45})


def test_times_are_the_worst_of_the_window(target: AwsTarget) -> None:
    results = [("calls", [60.0, 60.0]), ("errors", []), ("throttles", []), ("p50", [8.0]), ("p95", [20.0, 310.0])]
    answer = [{"Id": id + "_ms" * (id[0] == "p"), "Values": values, "Timestamps": []} for id, values in results]
    stub = Stubber(target.client("cloudwatch"))
    expected = {"MetricDataQueries": ANY, "StartTime": ANY, "EndTime": ANY}
    stub.add_response("get_metric_data", {"MetricDataResults": answer}, expected)
    stub.activate()
    result = CloudWatch(target, "cola", "live").read("1", time.time() - 90)
    assert (result.calls, result.p50_ms, result.p95_ms, result.p99_ms) == (120, 8.0, 310.0, None)


def test_a_version_is_called_by_its_number_and_its_failure_has_its_words(target: AwsTarget) -> None:
    def body(value: object) -> StreamingBody:
        raw = json.dumps(value).encode()
        return StreamingBody(io.BytesIO(raw), len(raw))

    stub = Stubber(target.client("lambda"))
    requested = {"FunctionName": "cola", "Qualifier": "7", "Payload": b'{"sentence": "a cat"}'}
    stub.add_response("invoke", {"StatusCode": 200, "Payload": body({"label": "yes"})}, requested)
    failed = {"errorMessage": "Runtime exited with error: exit status 1", "errorType": "Runtime.ExitError"}
    stub.add_response("invoke", {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": body(failed)}, requested)
    stub.activate()
    prober = LambdaInvoker(target, "cola")
    assert prober.invoke("7", {"sentence": "a cat"}) == {"label": "yes"}
    with pytest.raises(StageError, match="version 7 of cola failed: Runtime exited with error"):
        prober.invoke("7", {"sentence": "a cat"})


def test_the_metric_names_are_those_that_the_handler_writes() -> None:
    text = (CHECKOUT / "docs" / "architecture" / "04-model-to-endpoint.md").read_text(encoding="utf-8")
    assert "Predictions." in text
