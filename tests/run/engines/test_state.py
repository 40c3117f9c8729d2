"""What a kill can leave behind is mended."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from mlspec.run.engines.state import mend, remember


def lock(root: Path, text: str) -> Path:
    (root / ".mlspec").mkdir(exist_ok=True)
    (root / "dvc.lock").write_text(text)
    return root / "dvc.lock"


WHOLE = "schema: '2.0'\nstages:\n  a:\n    cmd: mlspec run a\n"


def test_a_torn_lock_is_taken_back_to_the_last_whole_one(tmp_path: Path) -> None:
    path = lock(tmp_path, WHOLE)
    remember(tmp_path)
    rows = "    outs:\n    - path: out/a\n      hash: md5\n"
    for torn in (
        WHOLE[:-1],
        WHOLE + "  b:\n",
        WHOLE + "    outs:\n",
        WHOLE + rows,
        "",
        "schema: '2.0'\nstages:\n  a:\n    cmd: 'mls",
        "\0\0",
        "[]",
    ):
        path.write_text(torn)
        mend(tmp_path)
        assert path.read_text() == WHOLE


def test_a_torn_lock_without_a_copy_is_removed(tmp_path: Path) -> None:
    path = lock(tmp_path, "stages: {")
    mend(tmp_path)
    assert not path.exists()


def test_a_whole_lock_is_left_alone(tmp_path: Path) -> None:
    path = lock(tmp_path, WHOLE)
    remember(tmp_path)
    path.write_text(WHOLE + "  b: {cmd: x}\n")
    mend(tmp_path)
    assert path.read_text().endswith("b: {cmd: x}\n")


def test_writers_that_are_no_more_are_struck(tmp_path: Path) -> None:
    busy = tmp_path / ".dvc" / "tmp" / "rwlock"
    busy.parent.mkdir(parents=True)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    waits = "import sys; print('here', flush=True); sys.stdin.read()"
    stranger, living = (
        subprocess.Popen([sys.executable, "-c", waits, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for name in ("other", "dvc")
    )
    for process in (stranger, living):  # until then its command line may still be empty
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
    other = {"pid": stranger.pid, "cmd": "dvc repro x"}  # a number that another program has since
    lives = {"pid": living.pid, "cmd": "dvc repro x"}
    found = {
        "write": {"/p/a": {"pid": ended.pid, "cmd": "dvc"}, "/p/b": lives},
        "read": {"/p/c": [other, lives], "/p/d": []},
    }
    busy.write_text(json.dumps(found))
    mend(tmp_path)
    assert json.loads(busy.read_text()) == {"write": {"/p/b": lives}, "read": {"/p/c": [lives]}}
    living.communicate()
    stranger.communicate()


def test_a_torn_list_of_writers_is_removed(tmp_path: Path) -> None:
    busy = tmp_path / ".dvc" / "tmp" / "rwlock"
    busy.parent.mkdir(parents=True)
    rows = "    outs:\n    - path: out/a\n      hash: md5\n"
    for torn in (
        WHOLE[:-1],
        WHOLE + "  b:\n",
        WHOLE + "    outs:\n",
        WHOLE + rows,
        "",
        '{"write": {"/p',
        "[]",
        '{"write": {"/a": {}}}',
    ):
        busy.write_text(torn)
        mend(tmp_path)
        assert not busy.exists()
