"""`mlspec serve`, as a person starts and ends it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bundles import text_bundle
from tests.conftest import missing

SPEC = """\
project: {name: cola}
data: {source: data.csv, inputs: {sentence: text}, target: {column: label, type: class, labels: ["no", "yes"]}}
model: {type: text-classifier}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mlproject.yaml").write_text(SPEC)
    return tmp_path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mlspec", "serve", *arguments]


def test_without_a_model_it_says_how_to_make_one(project: Path) -> None:
    done = subprocess.run(command(), cwd=project, capture_output=True, text=True)
    assert done.returncode == 4
    assert "mlspec apply --until export" in done.stderr


def test_a_damaged_model_is_reported(project: Path) -> None:
    (text_bundle(project / "artifacts" / "bundle") / "model.onnx").write_bytes(b"no graph")
    done = subprocess.run(command("--port", "0"), cwd=project, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (4, False)
    assert "cannot load" in done.stderr


def test_a_port_in_use_is_reported(project: Path) -> None:
    text_bundle(project / "artifacts" / "bundle")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(command("--port", port), cwd=project, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (4, False)
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr
    assert "mlspec serve --port 0" in done.stderr


def test_the_printed_curl_command_works_and_ctrl_c_stops_the_server(project: Path) -> None:
    if shutil.which("curl") is None:
        missing("the program curl")
    text_bundle(project / "artifacts" / "bundle")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command("--port", "0"),
        cwd=project,
        text=True,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        output = ""
        while not (result := re.search(r"^ +(curl .*)$", output, re.MULTILINE)):
            line = process.stderr.readline()
            assert line, output
            output += line
        assert "/docs" in output
        requested = subprocess.run(shlex.split(result[1]), capture_output=True, text=True)
        assert '"label":' in requested.stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.wait()
