"""Commands in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from mlspec.child_process import Terminated, TimeLimitError, follow, last_lines

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {child!r}])
print("parent up", flush=True)
child.wait()
sys.exit(5)
"""
CHILD = "import signal, sys\nprint('pid', __import__('os').getpid(), flush=True)\n{more}\nsignal.pause()"


def test_lines_come_as_they_are_written_and_stay_in_the_log(tmp_path: Path) -> None:
    seen: list[str] = []
    code = "print('one'); import sys; print('two', file=sys.stderr); print('10%\\r20%\\rdone', end=''); sys.exit(3)"
    log = tmp_path / "logs" / "x.log"
    assert follow([sys.executable, "-c", code], tmp_path, log, seen.append) == 3
    assert [line for line in seen if line] == ["one", "two", "10%", "20%", "done"]
    assert last_lines(log, 2) == ["20%", "done"]


def test_the_log_of_the_last_run_replaces_the_one_before(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    for word in ("first, and long", "second"):
        follow([sys.executable, "-c", f"print({word!r})"], tmp_path, log, lambda _: None)
    assert log.read_text() == "second\n"


def test_a_process_that_exceeds_its_time_is_stopped_with_its_descendants(tmp_path: Path) -> None:
    results: list[int] = []

    def watch(line: str) -> None:
        if line.startswith("pid "):
            results.append(int(line.split()[1]))

    command = [sys.executable, "-c", PARENT.format(child=CHILD.format(more=""))]
    with pytest.raises(TimeLimitError):
        follow(command, tmp_path, tmp_path / "x.log", watch, limit=3)
    assert [psutil.pid_exists(pid) for pid in results] == [False]


@pytest.mark.parametrize("stubborn", [False, True], ids=["obedient", "deaf"])
def test_an_interruption_leaves_no_process_behind(
    tmp_path: Path, stubborn: bool, request: pytest.FixtureRequest
) -> None:

    from mlspec import child_process

    grace, child_process.GRACE = child_process.GRACE, 2.0
    request.addfinalizer(lambda: setattr(child_process, "GRACE", grace))
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)" if stubborn else ""
    results: list[int] = []

    def watch(line: str) -> None:
        if line.startswith("pid "):
            results.append(int(line.split()[1]))
            raise Terminated

    command = [sys.executable, "-c", PARENT.format(child=CHILD.format(more=deaf))]
    with pytest.raises(KeyboardInterrupt):
        follow(command, tmp_path, tmp_path / "x.log", watch)
    assert not psutil.pid_exists(results[0]) or psutil.Process(results[0]).status() == psutil.STATUS_ZOMBIE


def test_a_terminal_interrupt_is_left_to_reach_the_child_itself(tmp_path: Path) -> None:
    """Ctrl-C goes to the whole group: the child has it already and ends by itself."""
    code = (
        "import signal, sys, time\n"
        "def stop(*_):\n    print('saved', flush=True); sys.exit(130)\n"
        "signal.signal(signal.SIGINT, stop)\nprint('pid', __import__('os').getpid(), flush=True)\n"
        "while True: time.sleep(1)"
    )

    def watch(line: str) -> None:
        if line.startswith("pid "):
            os.kill(int(line.split()[1]), signal.SIGINT)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow([sys.executable, "-c", code], tmp_path, tmp_path / "x.log", watch)
    assert last_lines(tmp_path / "x.log", 1) == ["saved"]


def test_a_program_that_runs_itself_is_asked_before_it_is_killed(tmp_path: Path) -> None:
    """SIGTERM comes to the runner alone; the program brings back what it has begun outside."""
    code = (
        "import signal, sys, time\n"
        "def stop(*_):\n    print('brought back', flush=True); sys.exit(130)\n"
        "signal.signal(signal.SIGTERM, stop)\nprint('ready', flush=True)\n"
        "while True: time.sleep(1)"
    )

    seen: list[str] = []

    def watch(line: str) -> None:
        seen.append(line)
        if line == "ready":
            raise Terminated

    with pytest.raises(KeyboardInterrupt):
        follow([sys.executable, "-c", code], tmp_path, tmp_path / "x.log", watch, runs_itself=True)
    assert last_lines(tmp_path / "x.log", 1) == ["brought back"]
    assert seen[-1] == "brought back"


def test_an_interrupt_of_mlspec_alone_is_passed_to_a_program_that_runs_itself(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """As where a job is cancelled: there is no terminal to tell the program."""
    from mlspec import child_process

    grace, child_process.GRACE = child_process.GRACE, 120.0
    request.addfinalizer(lambda: setattr(child_process, "GRACE", grace))
    code = (
        "import signal, sys, time\n"
        "def stop(*_):\n    print('brought back', flush=True); sys.exit(130)\n"
        "signal.signal(signal.SIGTERM, stop)\nprint('ready', flush=True)\n"
        "time.sleep(60)\nprint('nobody asked', flush=True)"
    )

    def watch(line: str) -> None:
        if line == "ready":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow([sys.executable, "-c", code], tmp_path, tmp_path / "x.log", watch, runs_itself=True)
    assert last_lines(tmp_path / "x.log", 1) == ["brought back"]


def test_a_stage_is_stopped_by_the_first_word_and_not_broken_off_by_the_second(tmp_path: Path) -> None:
    code = (
        "import os, signal, time\n"
        "from mlspec.cli.commands import run\n"
        "signal.signal(signal.SIGTERM, run.stop_once)\n"
        "try:\n    os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)\n"
        "except KeyboardInterrupt:\n    os.kill(os.getpid(), signal.SIGTERM); print('brought back', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "brought back\n")


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_child_does_not_outlive_a_killed_runner(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    runner = (
        "import sys; from pathlib import Path; from mlspec.child_process import follow\n"
        f"follow([sys.executable, '-c', {CHILD.format(more='')!r}], Path({str(tmp_path)!r}), Path({str(log)!r}), print)"
    )
    killed = subprocess.Popen([sys.executable, "-uc", runner], stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    line = next(line for line in killed.stdout if line.startswith("pid "))
    child = psutil.Process(int(line.split()[1]))
    killed.kill()
    killed.wait()
    gone = threading.Event()
    psutil.wait_procs([child], timeout=60, callback=lambda _: gone.set())
    assert gone.is_set()
