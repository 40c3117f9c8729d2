"""Lambda's limits that no single value shows, and rollouts that cannot do what they promise. Pure.

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
from mlspec.spec.types import SecretRef, bound_parts, size_bytes

MAX_IMAGE: Final = "10GB"
MAX_ENVIRONMENT: Final = 4096
MAX_PAYLOAD: Final = 6 * 2**20
MAX_API_SECONDS: Final = 30
"""Integration timeout of an HTTP API, which cannot be raised (apigateway/latest/developerguide, http-api-quotas)."""
USUAL_CONCURRENCY: Final = 900
"""Of 1000 that a new account has in a region, 100 stay for functions that reserve none."""
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
"""Shares of one in ten thousand that change places come to about this: nothing that is measured lies above."""
_PSI_NOISE: Final = 8.0
"""Four times the index of two equal samples of one call each, so that chance alone seldom crosses a bound."""


def check(function: Lambda, package: Package | None) -> Iterator[Finding]:
    """The function's faults."""
    yield from _environment(function)
    yield from _concurrency(function)
    if isinstance(function.url, FunctionUrl) and function.url.type == "http-api" and function.timeout > MAX_API_SECONDS:
        message = f"an HTTP API waits {MAX_API_SECONDS} s for an answer, and the function may take {function.timeout} s"
        help = (
            f"`timeout: {MAX_API_SECONDS}` at most, or `type: function-url`, which waits as long as the function runs"
        )
        yield Finding("slow-for-http-api", (*_AT, "timeout"), message, help)
    if isinstance(function.url, FunctionUrl) and function.url.auth == "none":
        message = "anybody who knows the address may call the function, at your cost"
        yield Finding("public-url", (*_AT, "url", "auth"), message, "use `auth: iam`", severity="warning")
    if package is None:
        return
    if package.zip is None:
        yield from _image(package.docker)
    if function.architecture not in (None, package.architecture):
        wanted = "package.zip.architecture" if package.zip else "package.docker.platform"
        message = f"the function is to run on {function.architecture}, and it is packed for {package.architecture}"
        help = f"leave `architecture` out, or change `{wanted}`"
        yield Finding("architecture-mismatch", (*_AT, "architecture"), message, help)


def _image(docker: DockerImage) -> Iterator[Finding]:
    if size_bytes(docker.max_size) > size_bytes(MAX_IMAGE):
        message = f"Lambda takes images up to {MAX_IMAGE}, and {docker.max_size} are allowed here"
        yield Finding("image-too-large", ("package", "docker", "max_size"), message, f"at most {MAX_IMAGE}")
    if size_bytes(docker.max_body) > MAX_PAYLOAD:
        message = f"Lambda takes requests up to 6 MiB, and {docker.max_body} are promised here"
        yield Finding("payload-too-large", ("package", "docker", "max_body"), message, "at most 6MiB")


def _environment(function: Lambda) -> Iterator[Finding]:
    at = (*_AT, "environment")
    for name in function.environment:
        if name in _RESERVED.split():
            yield _variable((*at, name), f"Lambda reserves `{name}` for itself", "choose another name")
        elif name in _OURS:
            yield _variable((*at, name), f"the image needs `{name}` as it is", "choose another name")
        elif not _VARIABLE.fullmatch(name):
            help = "letters, digits and `_`, a letter first, at least two"
            yield _variable((*at, name), f"`{name}` is no name of a Lambda variable", help)
    written = {n: "" if isinstance(v, SecretRef) else v for n, v in function.environment.items()}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in written.items())
    if size > MAX_ENVIRONMENT:
        help = "keep long values in a file of the image"
        yield _variable(at, f"the variables take {size} bytes, and Lambda allows {MAX_ENVIRONMENT} in all", help)


def _variable(at: Location, message: str, help: str) -> Finding:
    return Finding("bad-environment", at, message, help, on="key")


def _concurrency(function: Lambda) -> Iterator[Finding]:
    found, at = function.concurrency, (*_AT, "concurrency")
    if found is None or found.reserved is None:
        return
    if found.provisioned is not None and found.provisioned > found.reserved:
        message = f"{found.provisioned} copies cannot be warm where at most {found.reserved} may run"
        yield Finding("concurrency-conflict", (*at, "provisioned"), message, "provisioned is at most reserved")
    elif found.reserved == 0:
        message = "with no copy reserved, every call is turned away"
        yield Finding(
            "concurrency-over-quota", (*at, "reserved"), message, "leave it out, or at least 1", severity="warning"
        )
    elif found.reserved > USUAL_CONCURRENCY:
        message = (
            f"an AWS account can reserve {USUAL_CONCURRENCY} copies until its quota is raised, not {found.reserved}"
        )
        help = "see the quota: aws lambda get-account-settings"
        yield Finding("concurrency-over-quota", (*at, "reserved"), message, help, severity="warning")


def rollout(plan: Rollout, function: Lambda | None) -> Iterator[Finding]:
    """The rollout's faults."""
    yield from _steps(plan)
    yield from _warm(plan, function)
    bounds = plan.abort_if.given() if plan.abort_if else {}
    at = ("deploy", "rollout")
    if plan.strategy in ("canary", "linear") and not bounds:
        message = f"a {plan.strategy} rollout that nothing can end only takes longer"
        help = 'for example `abort_if: {error_rate: "> 0.01"}`'
        yield Finding("rollout-unwatched", (*at, "strategy"), message, help, severity="warning")
    timeout = (function.timeout if function else 900) * 1000
    for name, bound in bounds.items():
        yield from _bound(name, bound, plan, timeout)


def _warm(plan: Rollout, function: Lambda | None) -> Iterator[Finding]:
    """Lambda refuses to keep copies warm behind an alias while it splits the traffic."""
    split = len(plan.percents()) > 1
    if split and function is not None and function.concurrency and function.concurrency.provisioned:
        message = f"Lambda keeps no copies warm while a {plan.strategy} rollout splits the traffic"
        help = "use `strategy: blue-green`, or leave `provisioned` out"
        at = (*_AT, "concurrency", "provisioned")
        yield Finding("concurrency-conflict", at, message, help)


def _steps(plan: Rollout) -> Iterator[Finding]:
    steps, at = plan.percents(), ("deploy", "rollout", "steps")
    if steps[-1] != 100 or any(after <= before for before, after in pairwise(steps)):
        shown = ", ".join(f"{step:g}" for step in steps)
        message = f"the steps must rise to 100, and they are {shown}"
        yield Finding("rollout-steps", at, message, "for example [10, 50, 100]")
    elif plan.strategy in ("all-at-once", "blue-green") and len(steps) > 1:
        message = f"a {plan.strategy} rollout has one step, and {len(steps)} are given"
        yield Finding("rollout-steps", at, message, "use `strategy: canary`, or leave the steps out")


def _bound(name: str, bound: str, plan: Rollout, timeout_ms: float) -> Iterator[Finding]:
    at = ("deploy", "rollout", "abort_if", name)
    sign, number = bound_parts(bound)
    highest, unit = (1.0, "") if name.endswith("_rate") else (_MAX_PSI, "") if name == "psi" else (timeout_ms, " ms")
    if sign not in (">", ">="):
        message = f"`{bound}` ends the rollout when all is well"
        yield Finding("abort-bound", at, message, f'say from where on it is bad: "> {number:g}"')
    elif number < 0 or number >= highest:
        message = f"`{name}` lies between 0 and {highest:g}{unit}: `{bound}` is always or never so"
        yield Finding("abort-bound", at, message, "give a number between them")
    elif plan.min_requests < (needed := _needed(name, number)):
        message = f"{plan.min_requests} calls cannot tell whether `{name} {bound}` holds; it takes at least {needed}"
        help = f"set `min_requests: {needed}` or more"
        yield Finding("rollout-few-requests", at, message, help, severity="warning")


def _needed(name: str, number: float) -> int:
    """Calls below which one single bad call crosses the bound, or a percentile is only the slowest call."""
    if name.endswith("_rate"):
        return int(-(-1 // number)) if number > 0 else 1
    if name == "psi":  # of two samples of one distribution it is about 2 / n for two labels
        return math.ceil(_PSI_NOISE / number) if number > 0 else 1
    return {"p50_ms": 2, "p95_ms": 20, "p99_ms": 100}[name]
