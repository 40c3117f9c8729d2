"""Processes that have the heavy imports done: forks of one server, each of which starts in a moment and not in seconds."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.forked_imports"])


@dataclass(frozen=True)
class Done:
    """How a process ended, and what it wrote to stdout and stderr."""

    returncode: int | None
    stdout: str


def pytest_in(folder: Path, *arguments: str, environment: Mapping[str, str]) -> Done:
    """`python -m pytest ARGUMENTS` in `folder`, with its modules read from there alone."""
    log = folder / "pytest.log"
    process = CONTEXT.Process(target=_pytest, args=(str(folder), arguments, dict(environment), str(log)))
    process.start()
    process.join()
    text = log.read_text(encoding="utf-8")
    log.unlink()
    return Done(process.exitcode, text)


def _pytest(folder: str, arguments: tuple[str, ...], environment: dict[str, str], log: str) -> None:
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path.insert(0, folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    import pytest

    sys.exit(pytest.main(list(arguments)))
