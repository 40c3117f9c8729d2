"""Limits of Lambda that concern more than one value, and rollouts that cannot work as configured. Pure.

Limits: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html; reserved names: configuration-envvars.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from mlspec.diagnostics import Finding, Location
from mlspec.sections.deploy import FunctionUrl, Lambda, Rollout
from mlspec.sections.package import DockerImage, Package
from mlspec.spec.types import SecretRef, bound_parts, duration_seconds, size_bytes

MAX_IMAGE: Final = "10GB"
MAX_ENVIRONMENT: Final = 4096
MAX_PAYLOAD: Final = 6 * 2**20
MAX_API_SECONDS: Final = 30
"""Integration timeout of an HTTP API, which cannot be raised (apigateway/latest/developerguide, http-api-quotas)."""
USUAL_CONCURRENCY: Final = 900
"""A new account has 1000 in a region, of which 100 remain for functions without a reservation."""
_LONGEST_WINDOW: Final = 86400
"""Seconds of an alarm's longest period (PutMetricAlarm)."""
_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]+")
_RESERVED: Final = (
    "_HANDLER _X_AMZN_TRACE_ID AWS_DEFAULT_REGION AWS_REGION AWS_EXECUTION_ENV AWS_LAMBDA_FUNCTION_NAME "
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_INITIALIZATION_TYPE "
    "AWS_LAMBDA_LOG_GROUP_NAME AWS_LAMBDA_LOG_STREAM_NAME AWS_ACCESS_KEY AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY "
    "AWS_SESSION_TOKEN AWS_LAMBDA_RUNTIME_API LAMBDA_TASK_ROOT LAMBDA_RUNTIME_DIR"
)
_OURS: Final = frozenset({"MODEL_BUNDLE", "PATH", "PYTHONPATH", "HOME"})
_AT: Final = ("deploy", "lambda")
_MAX_PSI: Final = 10.0
"""About the index of two shares of one in ten thousand that are swapped: no measured value is higher."""
_PSI_NOISE: Final = 8.0
"""Four times the index of two equal samples of one request each, so that chance alone rarely exceeds a bound."""


def check(function: Lambda, package: Package | None) -> Iterator[Finding]:
    """The function's faults."""
    yield from _environment(function)
    yield from _concurrency(function)
    yield from _alarms(function)
    if isinstance(function.url, FunctionUrl) and function.url.type == "http-api" and function.timeout > MAX_API_SECONDS:
        message = f"an HTTP API times out after {MAX_API_SECONDS} s, and the function after {function.timeout} s"
        help = f"set `timeout: {MAX_API_SECONDS}`, or `type: function-url`, which waits until the function has finished"
        yield Finding("slow-for-http-api", (*_AT, "timeout"), message, help)
    if isinstance(function.url, FunctionUrl) and function.url.auth == "none":
        message = "anyone who knows the address may invoke the function, at your cost"
        yield Finding("public-url", (*_AT, "url", "auth"), message, "use `auth: iam`", severity="warning")
    if package is None:
        return
    if package.zip is None:
        yield from _image(package.docker)
    if function.architecture not in (None, package.architecture):
        option = "package.zip.architecture" if package.zip else "package.docker.platform"
        message = f"the function runs on {function.architecture}, and its package is built for {package.architecture}"
        help = f"leave `architecture` out, or change `{option}`"
        yield Finding("architecture-mismatch", (*_AT, "architecture"), message, help)


def _image(docker: DockerImage) -> Iterator[Finding]:
    if size_bytes(docker.max_size) > size_bytes(MAX_IMAGE):
        message = f"package.docker.max_size is {docker.max_size}, and Lambda accepts images up to {MAX_IMAGE}"
        yield Finding("image-too-large", ("package", "docker", "max_size"), message, f"set it to {MAX_IMAGE} at most")
    if size_bytes(docker.max_body) > MAX_PAYLOAD:
        message = f"package.docker.max_body is {docker.max_body}, and Lambda accepts requests up to 6 MiB"
        yield Finding("payload-too-large", ("package", "docker", "max_body"), message, "set it to 6MiB at most")


def _environment(function: Lambda) -> Iterator[Finding]:
    at = (*_AT, "environment")
    for name in function.environment:
        if name in _RESERVED.split():
            yield _variable((*at, name), f"the variable `{name}` is reserved by Lambda", "choose another name")
        elif name in _OURS:
            yield _variable((*at, name), f"the variable `{name}` is set by the image", "choose another name")
        elif not _VARIABLE.fullmatch(name):
            help = "use at least two letters, digits and `_`, beginning with a letter"
            yield _variable((*at, name), f"`{name}` is not a valid name of a Lambda variable", help)
    variables = {n: "" if isinstance(v, SecretRef) else v for n, v in function.environment.items()}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())
    if size > MAX_ENVIRONMENT:
        help = "keep long values in a file of the image"
        yield _variable(at, f"the variables take {size} bytes, and Lambda allows {MAX_ENVIRONMENT} in all", help)


def _variable(at: Location, message: str, help: str) -> Finding:
    return Finding("bad-environment", at, message, help, on="key")


def _concurrency(function: Lambda) -> Iterator[Finding]:
    options, at = function.concurrency, (*_AT, "concurrency")
    if options is None or options.reserved is None:
        return
    if options.provisioned is not None and options.provisioned > options.reserved:
        message = f"provisioned concurrency ({options.provisioned}) exceeds reserved concurrency ({options.reserved})"
        yield Finding("concurrency-conflict", (*at, "provisioned"), message, "set `provisioned` to `reserved` at most")
    elif options.reserved == 0:
        message = "with a reserved concurrency of 0, Lambda throttles every request"
        help = "leave `reserved` out, or set it to 1 or more"
        yield Finding("concurrency-over-quota", (*at, "reserved"), message, help, severity="warning")
    elif options.reserved > USUAL_CONCURRENCY:
        message = f"a new AWS account can reserve a concurrency of {USUAL_CONCURRENCY}, not {options.reserved}"
        help = "check the quota of the account: aws lambda get-account-settings"
        yield Finding("concurrency-over-quota", (*at, "reserved"), message, help, severity="warning")


def rollout(plan: Rollout, function: Lambda | None) -> Iterator[Finding]:
    """The rollout's faults."""
    yield from _steps(plan)
    yield from _provisioned(plan, function)
    bounds = plan.abort_if.given() if plan.abort_if else {}
    at = ("deploy", "rollout")
    if plan.strategy in ("canary", "linear") and not bounds:
        message = f"a {plan.strategy} rollout without abort_if never rolls back"
        help = 'add for example `abort_if: {error_rate: "> 0.01"}`'
        yield Finding("rollout-unwatched", (*at, "strategy"), message, help, severity="warning")
    timeout = (function.timeout if function else 900) * 1000
    for name, bound in bounds.items():
        yield from _bound(name, bound, plan, timeout)


def _provisioned(plan: Rollout, function: Lambda | None) -> Iterator[Finding]:
    """Lambda refuses provisioned concurrency for an alias that splits traffic."""
    split = len(plan.percents()) > 1
    if split and function is not None and function.concurrency and function.concurrency.provisioned:
        message = f"a {plan.strategy} rollout splits traffic, and Lambda has no provisioned concurrency while it does"
        help = "use `strategy: blue-green`, or leave `provisioned` out"
        at = (*_AT, "concurrency", "provisioned")
        yield Finding("concurrency-conflict", at, message, help)


def _steps(plan: Rollout) -> Iterator[Finding]:
    steps, at = plan.percents(), ("deploy", "rollout", "steps")
    if steps[-1] != 100 or any(after <= before for before, after in pairwise(steps)):
        shown = ", ".join(f"{step:g}" for step in steps)
        message = f"rollout steps must increase up to 100, not {shown}"
        yield Finding("rollout-steps", at, message, "for example `steps: [10, 50, 100]`")
    elif plan.strategy in ("all-at-once", "blue-green") and len(steps) > 1:
        message = f"a {plan.strategy} rollout has one step, not {len(steps)}"
        yield Finding("rollout-steps", at, message, "use `strategy: canary`, or leave the steps out")


def _bound(name: str, bound: str, plan: Rollout, timeout_ms: float) -> Iterator[Finding]:
    at = ("deploy", "rollout", "abort_if", name)
    faults = list(_direction(at, name, bound, timeout_ms, "rolls back"))
    yield from faults
    needed = _needed(name, bound_parts(bound)[1])
    if not faults and plan.min_requests < needed:
        message = f"min_requests is {plan.min_requests}, and `{name} {bound}` takes at least {needed} requests to check"
        help = f"set `min_requests: {needed}` or more"
        yield Finding("rollout-few-requests", at, message, help, severity="warning")


def _direction(at: Location, name: str, bound: str, timeout_ms: float, does: str) -> Iterator[Finding]:
    """A bound that is always or never exceeded, or exceeded by what is good. `does` says what a bound does then."""
    sign, number = bound_parts(bound)
    highest, unit = (1.0, "") if name.endswith("_rate") else (_MAX_PSI, "") if name == "psi" else (timeout_ms, " ms")
    if sign not in (">", ">="):
        message = f"`{bound}` {does} while `{name}` is good"
        yield Finding("abort-bound", at, message, f'write the condition that aborts the rollout: `"> {number:g}"`')
    elif number < 0 or number >= highest:
        message = f"`{bound}` is always or never true: {name} lies between 0 and {highest:g}{unit}"
        yield Finding("abort-bound", at, message, f"use a number between 0 and {highest:g}")


def _alarms(function: Lambda) -> Iterator[Finding]:
    alarms, at = function.alarms, (*_AT, "alarms")
    if alarms is None:
        return
    for name, bound in alarms.given().items():
        yield from _direction((*at, name), name, bound, function.timeout * 1000, "fires")
    if not alarms.given():
        yield Finding("alarm-without-bound", at, "`alarms` has no bound", 'add `error_rate: "> 0.05"`', on="key")
    seconds = duration_seconds(alarms.window)
    if seconds % 60 or not 60 <= seconds <= _LONGEST_WINDOW:
        message = f"CloudWatch evaluates whole minutes up to a day, not {alarms.window}"
        yield Finding("alarm-window", (*at, "window"), message, "use for example `window: 5m`")


def _needed(name: str, number: float) -> int:
    """The number of requests below which a single bad one exceeds the bound, or a percentile is just the slowest."""
    if name.endswith("_rate"):
        return int(-(-1 // number)) if number > 0 else 1
    if name == "psi":  # of two samples of one distribution it is about 2 / n for two labels
        return math.ceil(_PSI_NOISE / number) if number > 0 else 1
    return {"p50_ms": 2, "p95_ms": 20, "p99_ms": 100}[name]
