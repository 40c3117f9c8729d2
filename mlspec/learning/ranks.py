"""Distributed training: starts one process for each device, stops all when one fails, and all save when asked to stop.

Lightning's own launcher runs sys.argv again, which is not a program here; it does not start processes if LOCAL_RANK is
set (https://lightning.ai/docs/pytorch/2.6.0/clouds/cluster.html).
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context, get_start_method, set_start_method
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, TypeVar

from mlspec import stage_result, watch
from mlspec.errors import MlspecError, StageError
from mlspec.job import Job
from mlspec.sections.train import TrainSpec

Body = Callable[[Job], float | None]
Value = TypeVar("Value")
_MOMENT: Final = 2.0
"""Seconds for a process that was killed to be noticed, after the failure of another."""
_ENDING: Final = 10.0
"""Seconds for a process to end by itself once it is asked to, after the failure of another."""


def world(train: TrainSpec) -> int:
    """The number of processes to start for this training; 1 if it runs in this process."""
    if "LOCAL_RANK" in os.environ or "spawn" in train.strategy or "fork" in train.strategy:
        return 1
    if train.devices != "auto":
        return train.devices
    import torch

    return max(1, torch.cuda.device_count()) if train.accelerator in ("auto", "gpu") else 1


def together(body: Body, job: Job, count: int) -> float | None:
    """Run `body` in `count` processes. Returns the result of the first; raises the StageError of any of them."""
    context = get_context("spawn")
    port, method = _free_port(), get_start_method()
    pipes: list[Connection] = []
    stop = _Stop()
    with stop.forwarded():
        try:
            for rank in range(count):
                ours, theirs = context.Pipe(duplex=False)
                # A daemonic process may not start the worker processes of a DataLoader.
                arguments = (body, job, rank, count, port, method, theirs)
                process = context.Process(target=_follow, args=arguments, daemon=False)
                stop.start(process)
                theirs.close()
                pipes.append(ours)
            return _collect(pipes)
        except (StageError, RuntimeError):
            if stop.requested:  # a process that ends before it trains makes others fail
                raise KeyboardInterrupt from None
            raise
        finally:
            _end(stop.processes)


class _Stop:
    """Asks the processes to stop: the first signal lets them save their state, the second kills them."""

    def __init__(self) -> None:
        self.processes: list[BaseProcess] = []
        self.requested = False

    @contextmanager
    def forwarded(self) -> Iterator[None]:
        """Forward Ctrl-C and SIGTERM, which raise no exception meanwhile: the processes report that they stopped."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._request) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def start(self, process: BaseProcess) -> None:
        """Start a process that ignores the terminal's Ctrl-C until it trains: it reaches all processes of a command."""
        main = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
        process.start()
        if main:
            signal.signal(signal.SIGINT, before)
        self.processes.append(process)
        if self.requested:
            process.terminate()

    def _request(self, *_: object) -> None:
        again, self.requested = self.requested, True
        for process in self.processes:
            process.kill() if again else process.terminate()


def _end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(_ENDING)
        if process.is_alive():
            process.kill()
            process.join()


def _collect(pipes: list[Connection]) -> float | None:
    result: float | None = None
    waiting = list(pipes)
    while waiting:
        for pipe in wait(waiting):
            assert isinstance(pipe, Connection)
            rank = pipes.index(pipe)
            try:
                kind, value, help, reported = pipe.recv()
            except EOFError:
                raise _crash(rank) from None
            if kind == "error":
                raise StageError(value, help=help)
            if kind == "bug":
                # The connections of a process that is killed close before its pipe does, and make others fail.
                for other in wait([each for each in waiting if each is not pipe], _MOMENT):
                    if _ends_without_result(other):
                        raise _crash(pipes.index(other))  # type: ignore[arg-type]
                error = RuntimeError(f"training process {rank} failed: {value.splitlines()[-1]}")
                error.add_note(value)
                raise error
            if kind == "interrupt":
                raise KeyboardInterrupt
            if rank == 0:
                result = value
                stage_result.add(reported)
            waiting.remove(pipe)
    return result


def _crash(rank: int) -> StageError:
    message = f"training process {rank} was killed or crashed"
    return StageError(message, help="if it ran out of memory, lower train.batch_size")


def _ends_without_result(pipe: Any) -> bool:
    try:
        pipe.recv()
    except EOFError:
        return True
    return False


def _follow(body: Body, job: Job, rank: int, count: int, port: int, method: str, answer: Connection) -> None:
    # Not spawn: worker processes of a DataLoader would inherit it and would have to unpickle the dataset.
    set_start_method(method, force=True)
    os.environ |= {
        "LOCAL_RANK": str(rank),
        "RANK": str(rank),
        "WORLD_SIZE": str(count),
        "NODE_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    watch.join()
    answered: tuple[str, Any, str]
    try:
        answered = ("done", body(job), "")
    except MlspecError as error:
        answered = ("error", error.message, error.help)
    except KeyboardInterrupt:
        answered = ("interrupt", None, "")
    except Exception:  # noqa: BLE001 - raised again in the process that started this one
        answered = ("bug", traceback.format_exc(), "")
    answer.send((*answered, stage_result.messages()))


def count() -> int:
    """The number of training processes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Whether this is the process that writes files."""
    return os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0"


def number() -> int:
    """The number of this process among those of the training, from 0. Lightning may have started them by itself."""
    import torch

    started = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_rank() if started else 0


def gathered(value: Value) -> list[Value]:
    """The values of all processes, by their number. All of them have to call it."""
    import torch

    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [value]
    values: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


def most(value: int, device: Any) -> int:
    """The largest value of all processes, by a single number copied from the device. All of them have to call it."""
    import torch

    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return value
    largest = torch.full((), value, dtype=torch.int64, device=device)
    torch.distributed.all_reduce(largest, op=torch.distributed.ReduceOp.MAX)
    return int(largest)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
