"""The stage `train` in a process of its own that a test ends by a signal."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from multiprocessing import spawn
from pathlib import Path

from tests.forked import CONTEXT
from tests.parts.projects import Applied


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, negative for a signal, and its output."""

    code: int | None
    output: str


def run(project: Applied, step: int = -1, number: signal.Signals = signal.SIGKILL) -> Ended:
    """Run `train`; with a `step`, the process gets the signal just before the optimizer's step of that number."""
    log = project.root / "train.log"
    process = CONTEXT.Process(target=_body, args=(str(project.root), step, number, str(log), spawn.get_executable()))
    process.start()
    process.join()
    return Ended(process.exitcode, log.read_text(encoding="utf-8"))


def _body(root: str, step: int, number: signal.Signals, log: str, python: bytes) -> None:
    import multiprocessing

    import pytorch_lightning as pl

    # Workers of a data loader are children of this process, as they are outside of tests, and end with it.
    multiprocessing.set_start_method("fork", force=True)
    spawn.set_executable(python)
    from mlspec.errors import MlspecError

    before = pl.LightningModule.on_before_optimizer_step
    left = [step]

    # A hook that every module has: all but the end of the killed run is real.
    def end(module: pl.LightningModule, optimizer: object) -> None:
        if module.global_step == left[0]:
            left[0] = -1
            os.kill(os.getpid(), number)
        before(module, optimizer)  # type: ignore[arg-type]

    pl.LightningModule.on_before_optimizer_step = end  # type: ignore[method-assign, assignment]
    with Path(log).open("w", encoding="utf-8", buffering=1) as out:
        os.dup2(out.fileno(), 2)
        with contextlib.redirect_stdout(out):
            try:
                Applied(Path(root)).run("train")
            except MlspecError as error:
                print(error.message, error.help, sep="\n")
                os._exit(4)
            except KeyboardInterrupt:
                os._exit(130)
