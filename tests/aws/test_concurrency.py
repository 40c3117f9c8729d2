"""Reserved and provisioned concurrency; what an emulated Lambda does not know of them is stubbed."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.stub import Stubber

from mlspec.aws.action import lines
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.concurrency import ProvisionedConcurrencyProvider, ReservedConcurrencyProvider
from mlspec.errors import StageError
from tests.aws.functions import OFFLINE, changes, converge, function

WHICH = {"FunctionName": "cola", "Qualifier": "live"}
READ, PUT = "get_provisioned_concurrency_config", "put_provisioned_concurrency_config"


def test_provisioned_concurrency_is_set_waited_for_and_removed(tmp_path: Path) -> None:
    existing = {"RequestedProvisionedConcurrentExecutions": 2}
    provider = ProvisionedConcurrencyProvider(OFFLINE, "live")
    desired = function(OFFLINE, tmp_path, "{concurrency: {provisioned: 5}}").spec.provisioned()
    with Stubber(OFFLINE.client("lambda")) as stub:
        stub.add_response(READ, existing, WHICH)
        (action,) = changes(provider, "cola", desired)
        assert lines([action]) == ["~ lambda alias live provisioned concurrency: 2 -> 5"]
        request = {**WHICH, "ProvisionedConcurrentExecutions": 5}
        stub.add_response(PUT, {}, request)
        stub.add_response(READ, {"Status": "IN_PROGRESS"}, WHICH)
        stub.add_response(READ, {"Status": "READY"}, WHICH)
        provider.apply(action)
        stub.add_response(PUT, {}, request)
        stub.add_response(READ, {"Status": "FAILED", "StatusReason": "FUNCTION_ERROR_INIT_FAILURE"}, WHICH)
        with pytest.raises(StageError, match="cannot keep 5 instances initialised: FUNCTION_ERROR_INIT_FAILURE"):
            provider.apply(action)
        stub.add_response(READ, existing, WHICH)
        (action,) = changes(provider, "cola", None)
        assert lines([action]) == ["- lambda alias live provisioned concurrency: 2"]
        stub.add_response("delete_provisioned_concurrency_config", {}, WHICH)
        provider.apply(action)
        stub.add_client_error(READ, "ProvisionedConcurrencyConfigNotFoundException", http_status_code=404)
        assert changes(provider, "cola", None) == []
        stub.assert_no_pending_responses()


def test_reserved_concurrency_is_set_and_removed(target: AwsTarget, alias: str, tmp_path: Path) -> None:
    provider = ReservedConcurrencyProvider(target)
    desired = function(target, tmp_path, "{concurrency: {reserved: 3}}").spec.reserved()
    assert provider.read("none") is None
    assert converge(provider, "cola", desired) == ["+ lambda function cola reserved concurrency: 3"]
    assert changes(provider, "cola", desired) == []
    assert converge(provider, "cola", None) == ["- lambda function cola reserved concurrency: 3"]
    assert changes(provider, "cola", None) == []
