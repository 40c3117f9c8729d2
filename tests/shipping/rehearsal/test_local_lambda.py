"""The rehearsal's Lambda with real containers: who gets which calls, what is counted, and the bad days of a version."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlspec.docker.client import Docker
from mlspec.errors import StageError
from mlspec.shipping.rehearsal.control_plane_client import Sandbox, TrafficSplit
from mlspec.shipping.rehearsal.function_containers import FunctionContainers
from mlspec.shipping.rehearsal.injected_faults import Faults
from mlspec.shipping.rehearsal.local_lambda import InvocationResult, LocalLambda
from tests.shipping.rehearsal.image import build

ROW = json.dumps({"answer": "yes"}).encode()
JSON = {"Content-Type": "application/json"}


@dataclass
class Plan:
    """A control plane in memory."""

    image: str
    alias: TrafficSplit | None = None
    modes: dict[str, str] = field(default_factory=dict)
    reachable: bool = True

    def split(self) -> TrafficSplit | None:
        if not self.reachable:
            raise StageError("the control plane does not answer")
        return self.alias

    def sandbox(self, version: str) -> Sandbox:
        return Sandbox(self.image, 96, {"MODE": self.modes.get(version, "good")})


@pytest.fixture(scope="module")
def image(docker: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    return build(docker, tmp_path_factory.mktemp("image"))


@pytest.fixture
def plane(image: str) -> Plan:
    return Plan(image, TrafficSplit("1"))


@pytest.fixture
def service(docker: str, plane: Plan) -> Iterator[LocalLambda]:
    containers = FunctionContainers(Docker(docker), uuid.uuid4().hex)
    created = LocalLambda(plane, containers, dice=random.Random(7))  # type: ignore[arg-type]
    yield created
    created.close()
    assert containers.existing() == []


def call(service: LocalLambda, times: int = 1) -> list[InvocationResult]:
    return [service.call("POST", "/predict", JSON, ROW) for _ in range(times)]


def test_calls_are_drawn_by_the_weight_and_counted_apart(service: LocalLambda, plane: Plan) -> None:
    plane.alias = TrafficSplit("1", "2", 0.25)
    began = time.time()
    drawn = Counter(answer.version for answer in call(service, 200))
    assert 30 <= drawn["2"] <= 70
    result = service.counts.since("2", began)
    assert (result.calls, result.errors, result.labels) == (drawn["2"], 0, {"yes": drawn["2"]})
    assert 0 < result.p50_ms <= result.p95_ms <= result.p99_ms
    assert service.counts.since("2", time.time() + 1).calls == 0


def test_a_moved_alias_is_followed_and_what_is_idle_ends(service: LocalLambda, plane: Plan) -> None:
    assert call(service)[0].version == "1"
    plane.alias = TrafficSplit("2")
    assert service.settle() == ("2",)
    assert len(service.containers.existing()) == 1
    service.read_at = 0.0  # what was read before may hold for half a second
    assert call(service)[0].version == "2"
    plane.alias = None
    assert service.settle() == ()
    assert service.containers.existing() == []


def test_clients_are_served_without_the_control_plane(service: LocalLambda, plane: Plan) -> None:
    call(service)
    plane.reachable = False
    service.read_at = 0.0
    assert call(service)[0].status == 200


def test_a_version_that_crashes_on_start_fails_its_calls_with_its_last_log_lines(
    service: LocalLambda, plane: Plan
) -> None:
    plane.modes["2"] = "crash"
    answer = service.invoke("2", ROW)
    assert answer.status == 502
    assert b"stops at its start" in answer.body
    assert b"no module named model" in answer.body
    plane.alias = TrafficSplit("1", "2", 0.5)
    with pytest.raises(StageError, match="version 2 stops at its start"):
        service.settle()
    answers = call(service, 8)
    assert {answer.status for answer in answers if answer.version == "1"} == {200}
    assert {answer.status for answer in answers if answer.version == "2"} == {502}


def test_a_leaking_version_is_ended_for_want_of_memory_and_comes_back(service: LocalLambda, plane: Plan) -> None:
    plane.modes["1"] = "leaky"
    answers = []
    for _ in range(40):
        answers += call(service)
        if answers[-1].status == 502:
            break
    assert b"lack of memory" in answers[-1].body
    assert call(service)[0].status == 200
    assert service.counts.since("1", 0).errors == 1


def test_slow_wrong_and_failing_versions_show_in_their_numbers(service: LocalLambda, plane: Plan) -> None:
    plane.modes |= {"2": "slow", "3": "wrong", "4": "failing"}
    for version in "234":
        plane.alias, service.read_at = TrafficSplit(version), 0.0
        call(service, 3)
    assert service.counts.since("2", 0).p50_ms >= 200
    assert service.counts.since("3", 0).labels == {"no": 3}
    assert service.counts.since("4", 0).errors == 3


def test_faults_affect_one_version_and_only_its_requests(service: LocalLambda, plane: Plan) -> None:
    plane.alias = TrafficSplit("1", "2", 0.5)
    service.inject("2", Faults(error_rate=1.0))
    statuses = {(answer.version, answer.status) for answer in call(service, 20)}
    assert statuses == {("1", 200), ("2", 502)}
    assert service.invoke("2", ROW).status == 200
    service.inject("2", Faults(wrong=1.0))
    assert {json.loads(a.body)["label"] for a in call(service, 20) if a.version == "2"} == {"no"}
    service.inject("2", Faults(latency_ms=150))
    began = time.time()
    call(service, 4)
    assert service.counts.since("2", began).calls == 0 or service.counts.since("2", began).p50_ms >= 150
    service.inject("", Faults())
    assert {answer.status for answer in call(service, 10)} == {200}


def test_a_crash_injected_is_an_error_and_the_next_call_starts_it_again(service: LocalLambda) -> None:
    service.inject("1", Faults(crash=2))
    statuses = [answer.status for answer in call(service, 4)]
    assert statuses[0] == 200
    assert 502 in statuses
    service.inject("", Faults())
    call(service)
    assert call(service)[0].status == 200


def test_before_the_first_deployment_clients_get_a_clear_answer(
    service: LocalLambda, plane: Plan, tmp_path: Path
) -> None:
    plane.alias = None
    with pytest.raises(StageError, match="the rehearsal has no deployed version"):
        call(service)
