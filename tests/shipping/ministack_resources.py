"""What MiniStack's CloudFormation leaves out of the resources it creates: run with the Python of its environment.

Of a function, its reserved concurrency, and the digest of an image, which AWS reports as that of the code; of an HTTP
API, the origins of other pages, which it keeps by names that its answers lack; of a bucket, its tags (and its lifecycle,
encryption and ownership, which no test needs).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import apigateway, lambda_svc, s3
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as HANDLERS

Created = tuple[str, dict[str, Any]]


def completed(change: Callable[..., Created], position: int) -> Callable[..., Created]:
    """A handler that also sets of a function what MiniStack leaves out; the properties are its argument at `position`."""

    def handler(*arguments: Any, **named: Any) -> Created:
        name, attributes = change(*arguments, **named)
        properties, function = arguments[position], lambda_svc._functions[name]
        function["concurrency"] = properties.get("ReservedConcurrentExecutions")
        _, _, digest = properties["Code"].get("ImageUri", "").partition("@sha256:")
        if digest:
            function["config"]["CodeSha256"] = digest
        return name, attributes

    return handler


def tagged(change: Callable[..., Created], position: int) -> Callable[..., Created]:
    """A handler that also gives a bucket its tags."""

    def handler(*arguments: Any, **named: Any) -> Created:
        name, attributes = change(*arguments, **named)
        s3._bucket_tags[name] = {tag["Key"]: tag["Value"] for tag in arguments[position].get("Tags", ())}
        return name, attributes

    return handler


def with_cors(change: Callable[..., Created]) -> Callable[..., Created]:
    """A handler that names the parts of an HTTP API's CORS as its answers do."""

    def handler(*arguments: Any, **named: Any) -> Created:
        id, attributes = change(*arguments, **named)
        cors = apigateway._apis[id].get("corsConfiguration")
        if cors:
            apigateway._apis[id]["corsConfiguration"] = {key[0].lower() + key[1:]: each for key, each in cors.items()}
        return id, attributes

    return handler


def extend() -> None:
    """Replace the handlers."""
    function, bucket = HANDLERS["AWS::Lambda::Function"], HANDLERS["AWS::S3::Bucket"]
    bucket |= {"create": tagged(bucket["create"], 1), "update": tagged(bucket["update"], 2)}
    api = HANDLERS["AWS::ApiGatewayV2::Api"]
    api |= {name: with_cors(api[name]) for name in ("create", "update")}
    function["create"] = completed(function["create"], 1)
    function["update"] = completed(function["update"], 2)
