"""The live page of a served model, over HTTP."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from mlspec.cli.monitor_server import REFRESH, LatestState, monitor_server
from mlspec.errors import StageError
from mlspec.monitoring.monitor_state import MonitorState
from tests.report.monitor_states import full_state


class Clock:
    """A clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def measured_states() -> list[str]:
    return []


@pytest.fixture
def address(clock: Clock, measured_states: list[str]) -> Iterator[str]:
    """A server whose states are counted in `measured_states`; the third fails."""

    def make() -> MonitorState:
        measured_states.append("state")
        if len(measured_states) == 3:
            raise StageError("the store is damaged", help="restore it")
        return full_state(f"cola {len(measured_states)}")

    server = monitor_server(LatestState(make, clock), "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_state_is_shared_until_it_is_old(address: str, clock: Clock, measured_states: list[str]) -> None:
    assert "cola 1" in get(f"{address}/")[1]
    assert json.loads(get(f"{address}/state.json")[1])["project"] == "cola 1"
    assert len(measured_states) == 1
    clock.now += REFRESH
    assert "cola 2" in get(f"{address}/?x=1")[1]


def test_a_state_that_cannot_be_created_is_reported_and_the_next_one_is_created(address: str, clock: Clock) -> None:
    for _ in range(2):
        get(address)
        clock.now += REFRESH
    assert get(address) == (503, "the store is damaged\nrestore it\n")
    assert get(address)[0] == 200


def test_other_paths_are_not_found(address: str) -> None:
    assert get(f"{address}/other") == (404, "not found: the paths are /, /state.json and /metrics\n")
