"""A project of one real stage whose data comes from the user's own function, which tests hold up and let go."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.warm_python import warm_python

SPEC = """\
project: {name: held}
data:
  source: "src.rows:load"
  inputs: {a: number}
  target: {column: label, type: class, labels: ["no", "yes"]}
model: {type: tabular}
"""
ROWS = """\
import pathlib, time


def load():
    pathlib.Path("began").touch()
    while pathlib.Path("hold").exists():
        time.sleep(0.02)
    if pathlib.Path("break").exists():
        raise ValueError("these rows are no good")
    return [{"a": i / 40, "label": "yes" if i % 2 else "no"} for i in range(40)]
"""
PATIENCE = 60.0


def until(true: Callable[[], object], what: str) -> None:
    """Return as soon as `true` holds."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s for {what}"
        time.sleep(0.01)


@dataclass(frozen=True)
class Line:
    """The project in `root`."""

    root: Path

    def start(
        self, *words: str, environment: Mapping[str, str] | None = None, python: str = sys.executable
    ) -> subprocess.Popen[str]:
        """`mlspec WORDS` as a person starts it: at the head of a process group of its own."""
        kept = {key: value for key, value in os.environ.items() if key != "CI"}
        return subprocess.Popen(
            [python, "-m", "mlspec", *words],
            cwd=self.root,
            env={**kept, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def mlspec(self, *words: str, environment: Mapping[str, str] | None = None) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of `mlspec WORDS`."""
        process = self.start(*words, environment=environment, python=warm_python().python)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def json(self, *words: str) -> dict[str, Any]:
        """The JSON document of `mlspec WORDS --json`."""
        _, out, err = self.mlspec(*words, "--json")
        assert out, err
        record: dict[str, Any] = json.loads(out)
        return record

    def reasons(self) -> dict[str, str | None]:
        """What is stale, and why."""
        return {row["stage"]: row["reason"] for row in self.json("status")["stages"]}

    def held(self, *words: str) -> subprocess.Popen[str]:
        """`mlspec WORDS`, at work in the middle of the data stage."""
        (self.root / "hold").touch()
        process = self.start(*words)
        until((self.root / "began").exists, "the stage to begin")
        return process

    def let_go(self) -> None:
        """Let the data stage go on."""
        (self.root / "hold").unlink(missing_ok=True)


def line(root: Path, spec: str = SPEC) -> Line:
    """The project, new."""
    for name, text in {"mlproject.yaml": spec, "src/rows.py": ROWS, "src/__init__.py": ""}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return Line(root)


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL for the process and all in its group."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
