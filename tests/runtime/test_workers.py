"""How the model is shared: alone, in batches, inline."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from mlspec.runtime.http import Background
from mlspec.runtime.limits import Limits
from mlspec.runtime.service import Service
from tests.runtime.callers import sent, status, until
from tests.runtime.served import YES, Rows, service


class Noted(Rows):
    """Notes each run: how many rows, in which thread; the first waits until it is told to go on."""

    def __init__(self) -> None:
        self.runs: list[tuple[int, str]] = []
        self.go = threading.Event()

    def compute(self, prepared: Sequence[Any], alone: bool = True) -> Sequence[Any]:
        self.runs.append((len(prepared), threading.current_thread().name))
        assert self.go.wait(60)
        return [YES for _ in prepared]


def test_requests_that_wait_while_the_model_is_busy_form_one_batch() -> None:
    model = Noted()
    server = Background(Service(model, service().contract), Limits(lull=0))
    callers = []
    while not callers or server.server.service.counters.waiting() < 20:  # type: ignore[misc]
        callers.append(sent(server.port, {"sentence": "why", "age": len(callers)}))
        until(lambda: _taken(server, model) == len(callers))
    begun = len(model.runs)
    model.go.set()
    assert [status(caller) for caller in callers] == [200] * len(callers)
    assert max(rows for rows, _ in model.runs[begun:]) > 4
    for caller in callers:
        caller.close()
    assert server.stop()


def _taken(server: Background, model: Noted) -> int:
    return server.server.service.counters.waiting() + sum(rows for rows, _ in model.runs)  # type: ignore[misc]


def test_a_model_of_microseconds_comes_to_run_in_the_loop_itself() -> None:
    model = Noted()
    model.go.set()
    server = Background(Service(model, service().contract), Limits(lull=0))
    caller = sent(server.port, [{"sentence": "why", "age": 1}])
    assert status(caller) == 200
    body = b'{"sentence": "why", "age": 1}'

    def inline() -> bool:
        caller.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        assert status(caller) == 200
        return model.runs[-1][1] == "server"

    until(inline)
    caller.close()
    assert server.stop()
