"""TextAttack's side of an attack, as far as it needs no TextAttack; the rest is in tests/integration/test_textattack.py."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from mlspec.parts.test import attack_program
from mlspec.parts.test.attack_program import Channel, offline


def test_messages_are_lines() -> None:
    out = io.StringIO()
    channel = Channel(io.StringIO('{"a": "ü"}\n'), out)
    assert channel.read() == {"a": "ü"}
    channel.write(ask=[["x"]], row=3)
    assert json.loads(out.getvalue()) == {"ask": [["x"]], "row": 3}
    with pytest.raises(SystemExit):  # the other process is gone
        channel.read()


def test_a_library_that_connects_is_refused() -> None:
    offline("open", ("file", "r", 0))
    with pytest.raises(ConnectionRefusedError, match=r"a library tried socket\.connect"):
        offline("socket.connect", (None, ("127.0.0.1", 9)))
    code = (
        f"import runpy, socket, sys; sys.addaudithook(runpy.run_path({attack_program.__file__!r})['offline'])\n"
        "try: socket.create_connection(('localhost', 9))\n"
        "except ConnectionRefusedError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "a library tried socket.getaddrinfo" in done.stdout
