"""The rights that requests take, where MiniStack's own reading of a request differs from AWS's: run with the Python of its
environment."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.loaders import Loader
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region


def lambda_routes() -> list[tuple[str, re.Pattern[str], str]]:
    """Method, path and operation of Lambda's requests; the most exact path first, of equal ones that without a query."""
    model = Loader().load_service_model("lambda", "service-2")["operations"].values()
    requests = [(one["http"]["method"], *one["http"]["requestUri"].partition("?")[::2], one["name"]) for one in model]
    return [
        (method, re.compile(re.sub(r"{\w+}", "[^/]+", path.rstrip("/"))), name)
        for method, path, _, name in sorted(requests, key=lambda one: (-len(one[1]), one[2]))
    ]


def lambda_right(
    method: str, path: str, routes: Sequence[tuple[str, re.Pattern[str], str]] = lambda_routes()
) -> str | None:
    """The right that a request takes: the name of its operation. MiniStack itself takes `GetAlias` for `ListAliases`."""
    fits = (name for verb, pattern, name in routes if verb == method and pattern.fullmatch(path.rstrip("/")))
    name = next(fits, None)
    return "InvokeFunction" if name == "Invoke" else name


ALL: Mapping[str, str] = {"monitoring": "cloudwatch:{}:alarm:*", "logs": "logs:{}:log-group::log-stream:"}
"""Service to the resource that AWS's refusals name for a request that lists, also here for one with names."""
NAMED: Mapping[str, tuple[str, str]] = {
    "lambda": ("FunctionName", "lambda:{}:function:"),
    "ecr": ("repositoryNames", "ecr:{}:repository/"),
    "monitoring": ("AlarmNames", "cloudwatch:{}:alarm:"),
}
"""Service to the key in a body that names the resource where neither the path nor another key does."""


def resource(service: str, method: str, path: str, headers: Any, body: bytes, *request: Any) -> str:
    """The resource of a request, also where MiniStack itself takes a request for one about all resources."""
    arn = known_resource(service, method, path, headers, body, *request)
    if arn != "*":
        return arn
    if tagged := re.search(rb"arn:aws:(?:cloudwatch|ecr):[\w-]+:\d+:(?:alarm:|repository/)[\w./-]+", body):
        return tagged[0].decode("ascii")
    if service in ALL and ".Describe" in headers.get("x-amz-target", ""):
        return "arn:aws:" + ALL[service].format(f"{get_region()}:{get_account_id()}")
    key, start = NAMED.get(service, ("", ""))
    name = json.loads(body).get(key) if key and body.startswith(b"{") else None
    name = name[0] if isinstance(name, list) else name
    return f"arn:aws:{start.format(f'{get_region()}:{get_account_id()}')}{name}" if name else arn


known_resource: Callable[..., str] = iam_actions.extract_resource_arn


def condition(key: str, context: Any, known: Callable[..., Any] = iam_evaluator._resolve_condition_key) -> Any:
    """A condition's value: a request on the machine itself counts as one over TLS, which policies of buckets demand."""
    return "true" if key.lower() == "aws:securetransport" else known(key, context)


def extend() -> None:
    """Replace these readings."""
    iam_evaluator._resolve_condition_key = condition
    iam_actions._lambda_action = lambda_right
    iam_actions.extract_resource_arn = resource
