"""What a project costs in a month, line by line, from its spec and the results of earlier runs. Pure.

Not in it: the free tier, cold starts, data transfer, requests to S3, secrets, queries of logs and metrics.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

from mlspec.aws.alarm_settings import evaluated_metrics
from mlspec.costs.price_list import PriceList
from mlspec.diagnostics import Location
from mlspec.sections.bucket import BucketSpec
from mlspec.sections.budget import CostBudget, amount
from mlspec.sections.data import DataSpec
from mlspec.sections.delivery_tool import delivery_tool
from mlspec.sections.deploy import Deploy, FunctionUrl, Lambda
from mlspec.sections.monitor import Monitor
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.spec.project import Project
from mlspec.spec.types import size_bytes

HOURS: Final = 730
"""Of a month, as AWS counts it."""
_GB: Final = Decimal(1024)
"""MB: sizes of memory and of /tmp are powers of two."""
_KEY: Final = Decimal(1)
"""A key of AWS KMS for a month (https://aws.amazon.com/kms/pricing/)."""
_BYTES: Final = Decimal(1024**3)
_LOG_EVENTS: Final = 700
"""Bytes of Lambda's own log events of a request (start, report) in JSON, each with 26 bytes that CloudWatch adds:
https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html."""
_LOG_RECORD: Final = 1000
"""Bytes of a prediction in the log: the answer, times, and inputs of some hundred characters."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What earlier runs have shown; None where it is unknown."""

    image_bytes: int | None = None
    stored_bytes: int | None = None
    """Files of the last run that DVC stores."""
    training_seconds: float | None = None
    labels: int | None = None


@dataclass(frozen=True, slots=True)
class CostLine:
    """One kind of costs: its amount in US dollars a month, how it comes about, and the key that decides it."""

    name: str
    dollars: Decimal
    basis: str
    key: Location


def monthly_costs(project: Project, prices: PriceList, measured: Measured) -> tuple[CostLine, ...]:
    """The costs of the project, in the order of the pipeline."""
    budget = project.get(CostBudget) or CostBudget(monthly="0 USD")
    return (
        *_training(budget, measured),
        *_bucket(project, prices, measured),
        *_images(project, prices, measured),
        *_keys(project),
        *_function(project, budget, prices, measured),
    )


def total(lines: tuple[CostLine, ...]) -> Decimal:
    """The sum in US dollars."""
    return sum((line.dollars for line in lines), Decimal(0))


def _training(budget: CostBudget, measured: Measured) -> Iterator[CostLine]:
    training = budget.training
    if training is None:
        return
    seconds = training.hours * 3600 if training.hours is not None else measured.training_seconds
    if seconds is None:
        basis = "the duration of a training is not known yet: set budget.training.hours"
        yield CostLine("training", Decimal(0), basis, ("budget", "training"))
        return
    hours = Decimal(str(seconds)) / 3600
    dollars = hours * training.per_month * amount(training.price)
    yield CostLine(
        "training", dollars, f"{training.per_month} x {hours:.2f} h x {training.price}", ("budget", "training")
    )


def _bucket(project: Project, prices: PriceList, measured: Measured) -> Iterator[CostLine]:
    if project.get(BucketSpec) is None:
        return
    gigabytes = Decimal(measured.stored_bytes or 0) / _BYTES
    basis = f"{gigabytes:.2f} GB of the last run; each other version of data and model adds what is new in it"
    if measured.stored_bytes is None:
        basis = "what DVC stores is known after the first run"
    yield CostLine("bucket", gigabytes * prices.prices.bucket_storage, basis, ("bucket",))


def _keys(project: Project) -> Iterator[CostLine]:
    """The keys of AWS KMS that the spec names. Requests to them are few: S3 and ECR derive keys of their own."""
    bucket, registry = project.get(BucketSpec), project.get(Registry)
    first, second = bucket.kms_key if bucket else None, registry.ecr.kms_key if registry else None
    if number := len({first, second} - {None}):
        basis = f"{number} x {_KEY:.2f} USD, in every region; less where other projects use it too"
        yield CostLine("keys", number * _KEY, basis, ("bucket", "kms_key") if first else ("registry", "ecr", "kms_key"))


def _images(project: Project, prices: PriceList, measured: Measured) -> Iterator[CostLine]:
    registry, package = project.get(Registry), project.get(Package)
    if registry is None or package is None:
        return
    size = measured.image_bytes if measured.image_bytes is not None else size_bytes(package.docker.max_size)
    gigabytes = Decimal(size) / _BYTES
    keep = registry.ecr.keep
    basis = f"at most {keep} x {gigabytes:.2f} GB: shared layers and compression make it less"
    yield CostLine("images", keep * gigabytes * prices.prices.image_storage, basis, ("registry", "ecr", "keep"))


def _function(project: Project, budget: CostBudget, prices: PriceList, measured: Measured) -> Iterator[CostLine]:
    deploy, package = project.get(Deploy), project.get(Package)
    if deploy is None or deploy.lambda_ is None:
        return
    function, per = deploy.lambda_, prices.prices
    platform = "arm64" if package is not None and package.docker.platform == "linux/arm64" else "x86_64"
    arm = (function.architecture or platform) == "arm64"
    yield from _requests(function, budget, prices, arm)
    yield from _provisioned(function, prices, arm)
    yield from _logs(project, function, budget, prices)
    yield from _alarms(deploy, prices, shifts=delivery_tool(project).releases)
    data = project.get(DataSpec)
    if measured.labels is not None and data is not None and data.task == "classification":
        basis = f"{measured.labels} counts of labels, for each version that answers"
        yield CostLine("metrics", measured.labels * per.metrics, basis, ("data", "target"))


def _requests(function: Lambda, budget: CostBudget, prices: PriceList, arm: bool) -> Iterator[CostLine]:
    per, requests = prices.prices, budget.requests
    price = per.requests_arm64 if arm else per.requests_x86_64
    url, at = function.url, ("deploy", "lambda")
    yield CostLine(
        "requests", requests * price, f"{requests:,} x {price * 10**6:.2f} USD a million", ("budget", "requests")
    )
    if isinstance(url, FunctionUrl) and url.type == "http-api":
        basis = f"{requests:,} x {per.http_api_requests * 10**6:.2f} USD a million"
        yield CostLine("http api", requests * per.http_api_requests, basis, (*at, "url"))
    provisioned = function.concurrency is not None and bool(function.concurrency.provisioned)
    if provisioned:
        second = per.provisioned_duration_arm64 if arm else per.provisioned_duration_x86_64
    else:
        second = per.duration_arm64 if arm else per.duration_x86_64
    # Durations are billed in whole milliseconds.
    milliseconds = Decimal(str(budget.request_ms)).to_integral_value(ROUND_CEILING)
    seconds = requests * milliseconds / 1000
    memory = function.memory / _GB
    basis = f"{requests:,} x {milliseconds} ms x {memory:.2f} GB"
    yield CostLine("duration", seconds * memory * second, basis, (*at, "memory"))
    if function.ephemeral_storage > 512:
        extra = (function.ephemeral_storage - 512) / _GB
        price = per.storage_arm64 if arm else per.storage_x86_64
        basis = f"{requests:,} x {milliseconds} ms x {extra:.2f} GB above 512 MB"
        yield CostLine("ephemeral storage", seconds * extra * price, basis, (*at, "ephemeral_storage"))


def _provisioned(function: Lambda, prices: PriceList, arm: bool) -> Iterator[CostLine]:
    count = function.concurrency.provisioned if function.concurrency is not None else None
    if not count:
        return
    price = prices.prices.provisioned_arm64 if arm else prices.prices.provisioned_x86_64
    memory = function.memory / _GB
    dollars = count * memory * HOURS * 3600 * price
    key = ("deploy", "lambda", "concurrency", "provisioned")
    yield CostLine("provisioned concurrency", dollars, f"{count} x {memory:.2f} GB x {HOURS} h", key)


def _logs(project: Project, function: Lambda, budget: CostBudget, prices: PriceList) -> Iterator[CostLine]:
    monitor = project.get(Monitor)
    log = monitor.log if monitor is not None else None
    size = _LOG_EVENTS + (_LOG_RECORD * Decimal(str(log.sample)) if log is not None else 0)
    gigabytes = budget.requests * size / _BYTES
    months = Decimal(function.log_retention) * 24 / HOURS
    dollars = gigabytes * (prices.prices.log_ingestion + months * prices.prices.log_storage)
    basis = f"{budget.requests:,} x {size:.0f} bytes, kept {function.log_retention} days"
    yield CostLine("logs", dollars, basis, ("deploy", "lambda", "log_retention"))


def _alarms(deploy: Deploy, prices: PriceList, *, shifts: bool) -> Iterator[CostLine]:
    """Those on all requests, and those of AWS CodeDeploy on a new version."""
    own = deploy.lambda_.alarms if deploy.lambda_ is not None else None
    shifts = shifts and deploy.rollout is not None and len(deploy.rollout.percents()) > 1
    abort_if = deploy.rollout.abort_if if shifts and deploy.rollout is not None else None
    for bounds, key in ((own, ("deploy", "lambda", "alarms")), (abort_if, ("deploy", "rollout", "abort_if"))):
        metrics = sum(evaluated_metrics(measure) for measure in bounds.given()) if bounds is not None else 0
        if metrics:
            basis = f"{metrics} metrics x {prices.prices.alarm_metrics:.2f} USD"
            yield CostLine("alarms", metrics * prices.prices.alarm_metrics, basis, key)
