"""One mlspec at a time."""

from __future__ import annotations

import fcntl
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlspec.errors import EXIT_CONFLICT, MlspecError
from mlspec.workspace.mutex import BusyError, hold, hold_or_serve
from mlspec.workspace.roots import Roots

HOLDER = """
import sys
from pathlib import Path
from mlspec.workspace.mutex import hold
from mlspec.workspace.roots import Roots
with hold(Roots(Path(sys.argv[1]), Path(sys.argv[1])), "mlspec apply"):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(project: Path) -> subprocess.Popen[bytes]:
    other = subprocess.Popen([sys.executable, "-c", HOLDER, project], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    return other


def test_the_second_says_who_holds_it(roots: Roots, project: Path) -> None:
    with holder(project) as other:
        with (
            pytest.raises(BusyError, match=rf"`mlspec apply` \(process {other.pid}\)") as caught,
            hold(roots, "mlspec build", wait=False),
        ):
            raise AssertionError
        assert caught.value.exit_code == EXIT_CONFLICT
        messages: list[str] = []
        with pytest.raises(BusyError), hold(roots, "mlspec build", patience=0.01, on_wait=messages.append):
            raise AssertionError
        assert messages == [f"waiting for `mlspec apply` (process {other.pid})"]


def test_the_second_continues_when_the_first_has_finished_or_died(roots: Roots, project: Path) -> None:
    for end in (lambda other: other.stdin.close(), lambda other: other.send_signal(signal.SIGKILL)):
        with holder(project) as other, hold(roots, "mlspec build", on_wait=lambda _, end=end, other=other: end(other)):
            assert b"mlspec build" in (project / ".mlspec" / "lock").read_bytes()


def test_a_lock_file_that_says_nothing_sensible(roots: Roots, project: Path) -> None:
    (project / ".mlspec").mkdir()
    for text in ("", "[]", '{"pid": "x"}', "\xff"):
        with (project / ".mlspec" / "lock").open("w+") as file:
            file.write(text)
            file.flush()
            fcntl.flock(file, fcntl.LOCK_EX)
            with pytest.raises(BusyError, match="another mlspec"), hold(roots, "mlspec build", wait=False):
                raise AssertionError


def test_state_is_hidden_from_git(roots: Roots, project: Path) -> None:
    with hold(roots, "mlspec build"):
        assert "\n*\n" in (project / ".mlspec" / ".gitignore").read_text()


def test_a_link_or_a_file_in_the_states_place_is_refused(roots: Roots, project: Path, tmp_path: Path) -> None:
    (project / ".mlspec").symlink_to(tmp_path)
    with pytest.raises(MlspecError, match="is not a folder"), hold(roots, "mlspec build"):
        raise AssertionError
    assert not (tmp_path / "lock").exists()
    (project / ".mlspec").unlink()
    (project / ".mlspec").write_text("")
    with pytest.raises(MlspecError, match="is not a folder"), hold(roots, "mlspec build"):
        raise AssertionError


def test_a_link_in_the_lock_files_place_is_refused(roots: Roots, project: Path, tmp_path: Path) -> None:
    (project / ".mlspec").mkdir()
    (tmp_path / "precious").write_text("x")
    (project / ".mlspec" / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(MlspecError, match="cannot write the state"), hold(roots, "mlspec build"):
        raise AssertionError
    assert (tmp_path / "precious").read_text() == "x"


STAGE = """
import os, subprocess, sys
from pathlib import Path
from mlspec.workspace.mutex import hold, hold_or_serve
from mlspec.workspace.roots import Roots
roots = Roots(Path(sys.argv[1]), Path(sys.argv[1]))
if sys.argv[2] == "apply":
    with hold(roots, "mlspec apply"):
        command = [sys.executable, "-c", sys.argv[3], sys.argv[1], "stage", str(os.getpid())]
        sys.exit(subprocess.run(command).returncode)
with hold_or_serve(roots, "mlspec run train", int(sys.argv[3])):
    print("the stage ran")
"""


def test_a_stage_of_the_lock_holder_runs_and_any_other_is_refused(roots: Roots, project: Path) -> None:
    served = subprocess.run([sys.executable, "-c", STAGE, project, "apply", STAGE], capture_output=True, text=True)
    assert (served.returncode, served.stdout) == (0, "the stage ran\n"), served.stderr
    with (
        holder(project) as other,
        pytest.raises(BusyError, match=rf"`mlspec apply` \(process {other.pid}\)"),
        hold_or_serve(roots, "mlspec run train", None),
    ):
        raise AssertionError
    with (
        hold_or_serve(roots, "mlspec run train", None),
        pytest.raises(BusyError, match="`mlspec run train`"),
        hold(roots, "mlspec build", wait=False),
    ):
        raise AssertionError


def test_a_lock_that_cannot_be_written_is_reported(roots: Roots) -> None:
    with hold(roots, "mlspec build"):
        pass
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with (
            pytest.raises(MlspecError, match=r"cannot write \.mlspec/lock: File too large"),
            hold(roots, "mlspec build"),
        ):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
