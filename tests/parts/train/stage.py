"""The stage `train` in a process of its own that a test ends by a signal."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, spawn
from pathlib import Path
from typing import Literal, TypeAlias

from mlspec.job import Job
from tests.parts.projects import Applied
from tests.warm_python import warm_python


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, negative for a signal, and its output."""

    code: int | None
    output: str


Receiver: TypeAlias = Literal["process", "parent", "group"]
"""Who gets a signal: the process (the last of several), the one that started it, or all, as by a terminal."""


def run(
    project: Applied,
    step: int = -1,
    number: signal.Signals = signal.SIGKILL,
    devices: int = 1,
    to: Receiver = "process",
) -> Ended:
    """Run `train`; with a `step`, `to` gets the signal just before the optimizer's step of that number."""
    log = project.root / "train.log"
    # Processes that were started beforehand have another parent, and are in another group.
    warm = warm_python().python
    python = warm if to == "process" else sys.executable
    arguments = (str(project.root), partial(_send, to, number), step, devices, str(log), python)
    before = spawn.get_executable()
    spawn.set_executable(warm)
    process = get_context("spawn").Process(target=_body, args=arguments)
    try:
        process.start()
    finally:
        spawn.set_executable(before)
    process.join()
    return Ended(process.exitcode, log.read_text(encoding="utf-8"))


def _send(to: Receiver, number: signal.Signals) -> None:
    if to == "group":
        os.killpg(0, number)
    else:
        os.kill(os.getpid() if to == "process" else os.getppid(), number)


def _body(root: str, send: Callable[[], None], step: int, devices: int, log: str, python: str) -> None:
    import multiprocessing

    os.setsid()  # a signal to the group reaches no other test

    # Workers of a data loader are children of this process, as they are outside of tests, and end with it.
    multiprocessing.set_start_method("fork", force=True)
    spawn.set_executable(python)
    from mlspec.errors import MlspecError
    from mlspec.parts.train.work import train_in_processes

    if devices == 1:
        _end_before(step, send)
    with Path(log).open("w", encoding="utf-8", buffering=1) as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
        with contextlib.redirect_stdout(out):
            try:
                if devices == 1:
                    Applied(Path(root)).run("train")
                else:
                    train_in_processes(Applied(Path(root)).job(), devices, partial(_one_of_several, step, send))
            except MlspecError as error:
                print(error.message, error.help, sep="\n")
                os._exit(4)
            except KeyboardInterrupt:
                os._exit(130)


def _one_of_several(step: int, send: Callable[[], None], job: Job) -> float | None:
    from mlspec.learning import ranks
    from mlspec.parts.train.work import train_here

    if os.environ["RANK"] == str(ranks.count() - 1):
        _end_before(step, send)
    return train_here(job)


def _end_before(step: int, send: Callable[[], None]) -> None:
    """Send this process a signal before that step of the optimizer: all but the end of the killed run is real."""
    import pytorch_lightning as pl

    before = pl.LightningModule.on_before_optimizer_step
    left = [step]

    def end(module: pl.LightningModule, optimizer: object) -> None:
        if module.global_step == left[0]:
            left[0] = -1
            send()
        before(module, optimizer)  # type: ignore[arg-type]

    pl.LightningModule.on_before_optimizer_step = end  # type: ignore[method-assign, assignment]
