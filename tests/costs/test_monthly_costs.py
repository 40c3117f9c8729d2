"""The estimate against figures that were computed elsewhere, and against the spec's own keys."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from mlspec.costs.monthly_costs import CostLine, Measured, monthly_costs, total
from mlspec.costs.price_list import BUILT_IN
from mlspec.dvc.dvc_lock import stored_bytes
from tests.parts.targets import BASE, LAMBDA, build, codes

UNKNOWN = Measured()


def lines(folder: Path, function: str, budget: str, measured: Measured = UNKNOWN) -> dict[str, CostLine]:
    folder.mkdir(exist_ok=True)
    spec = LAMBDA.replace("{lambda: {}}", f"{{lambda: {function}}}") + f"budget: {{monthly: 1 USD, {budget}}}\n"
    return {line.name: line for line in monthly_costs(build(folder, spec).project, BUILT_IN, measured)}


@pytest.mark.parametrize(
    ("function", "budget", "name", "dollars"),
    [
        # The same functions as in the published test results of a cost estimator.
        ("{memory: 512}", "requests: 100000, request_ms: 350", "duration", "0.29"),
        ("{memory: 512, architecture: x86_64}", "requests: 100000, request_ms: 350", "requests", "0.02"),
        ("{memory: 128}", "requests: 100000, request_ms: 350", "duration", "0.07"),
        # 10 GB for 100 ms, a million times: a million GB-seconds.
        ("{memory: 10240}", "requests: 1000000, request_ms: 99.5", "duration", "16.67"),
        # 1 GB above the 512 MB that are free, for 1000 s in total.
        ("{ephemeral_storage: 1536}", "requests: 10000, request_ms: 100", "ephemeral storage", "0.00"),
        ("{url: {type: http-api}}", "requests: 300000000", "http api", "300.00"),
    ],
)
def test_a_function(tmp_path: Path, function: str, budget: str, name: str, dollars: str) -> None:
    assert round(lines(tmp_path, function, budget)[name].dollars, 2) == Decimal(dollars)


def test_provisioned_concurrency_costs_without_requests_and_makes_requests_cheaper(tmp_path: Path) -> None:
    options = "{memory: 1024, concurrency: {provisioned: 2}}"
    idle = lines(tmp_path / "idle", options, "requests: 0")
    assert round(idle["provisioned concurrency"].dollars, 2) == Decimal("21.90")  # 2 GB x 730 h x 3600 s
    assert idle["duration"].dollars == 0
    busy = lines(tmp_path / "busy", options, "requests: 1000000, request_ms: 100")
    assert round(busy["duration"].dollars, 4) == Decimal("0.9722")


def test_a_bucket_costs_what_dvc_stores_of_the_last_run(tmp_path: Path) -> None:
    base = BASE.replace("data:\n", "data:\n  remote: s3://team-models/dvc\n")
    project = build(tmp_path, "train: {}\nbucket: {region: eu-west-1}\nbudget: {monthly: 1 USD}\n", base).project
    lock = """\
schema: '2.0'
stages:
  data:
    cmd: mlspec run data
    deps:
    - {path: data/cola.csv, hash: md5, md5: a1, size: 1073741824}
    outs:
    - {path: artifacts/data, hash: md5, md5: b2.dir, size: 536870912, nfiles: 3}
  train:
    cmd: mlspec run train
    deps:
    - {path: artifacts/data, hash: md5, md5: b2.dir, size: 536870912, nfiles: 3}
    outs:
    - {path: artifacts/model, hash: md5, md5: c3.dir, size: 536870912, nfiles: 2}
"""
    assert stored_bytes(lock) == 2 << 30, "what one stage gives another counts once"
    [line] = monthly_costs(project, BUILT_IN, Measured(stored_bytes=stored_bytes(lock)))
    assert (line.name, line.dollars, line.key) == ("bucket", Decimal("0.046"), ("bucket",))
    [unknown] = monthly_costs(project, BUILT_IN, UNKNOWN)
    assert (unknown.dollars, unknown.basis) == (0, "what DVC stores is known after the first run")
    assert codes(tmp_path, "train: {}\nbucket: {region: eu-west-1}\nbudget: {monthly: 1 USD}\n", base) == []


def test_logs_images_metrics_and_training(tmp_path: Path) -> None:
    measured = Measured(image_bytes=1 << 30, training_seconds=1800, labels=10)
    costs = lines(
        tmp_path, "{log_retention: 365}", "requests: 1000000, training: {price: 2 USD, per_month: 4}", measured
    )
    assert costs["images"].dollars == Decimal(2), "20 images of 1 GB"
    assert costs["metrics"].dollars == Decimal(3), "10 labels"
    assert costs["training"].dollars == Decimal(4), "4 x half an hour x 2 USD"
    gigabytes = Decimal(1_000_000 * 700) / 1024**3
    assert costs["logs"].dollars == pytest.approx(gigabytes * (Decimal("0.5") + 12 * Decimal("0.03")))


def test_a_training_of_unknown_length_costs_nothing_and_says_so(tmp_path: Path) -> None:
    training = lines(tmp_path, "{}", "training: {price: 2 USD}")["training"]
    assert training.dollars == 0
    assert "budget.training.hours" in training.basis


def test_a_project_that_stays_on_this_machine_has_no_lines(tmp_path: Path) -> None:
    assert monthly_costs(build(tmp_path, "").project, BUILT_IN, UNKNOWN) == ()
    assert total(()) == 0


ROLLOUT = 'rollout: {strategy: canary, steps: [10, 100], abort_if: {throttle_rate: "> 0.1", p99_ms: "> 900"}}'


@pytest.mark.parametrize(
    ("iac", "expected"),
    [
        ("none", {"lambda.alarms": "0.30"}),
        ("terraform", {"lambda.alarms": "0.30"}),
        ("sam", {"lambda.alarms": "0.30", "rollout.abort_if": "0.30"}),
    ],
)
def test_an_alarm_costs_by_the_metrics_that_it_evaluates(tmp_path: Path, iac: str, expected: dict[str, str]) -> None:
    """A rate is computed of two. AWS CodeDeploy has alarms of its own; mlspec reads the metrics itself."""
    deploy = f'{{iac: {iac}, lambda: {{alarms: {{error_rate: "> 0.05", p95_ms: "> 300"}}}}, {ROLLOUT}}}'
    spec = LAMBDA.replace("deploy: {lambda: {}}", f"deploy: {deploy}")
    costs = monthly_costs(build(tmp_path, spec).project, BUILT_IN, UNKNOWN)
    alarms = {".".join(map(str, one.key[1:])): one.dollars for one in costs if one.name == "alarms"}
    assert alarms == {key: Decimal(dollars) for key, dollars in expected.items()}
