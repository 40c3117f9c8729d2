"""Runs stages through `dvc repro`, so that `dvc.lock` and DVC's cache are those of any DVC project."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlspec.errors import StageError
from mlspec.plan.stage import Stage
from mlspec.run import staleness
from mlspec.run.engines.protocol import Sink
from mlspec.run.hashes import Hashes
from mlspec.run.outcome import Outcome
from mlspec.run.parent import die_with_parent

GRACE = 15
"""Seconds that an interrupted stage has to end by itself."""


class DvcEngine:
    """DVC in the project's folder `root`; `values` are the spec's completed sections."""

    def __init__(self, root: Path, values: Mapping[str, Any], raw: Sequence[str] = ()) -> None:
        self.root = root
        self.values = values
        self.raw = tuple(raw)

    def reasons(self, stages: Sequence[Stage]) -> Mapping[str, str | None]:
        """Read from dvc.lock and the disk, without starting DVC."""
        return staleness.reasons(stages, self.values, self.root)

    def run(self, stage: Stage, sink: Sink, *, force: bool) -> Outcome:
        """`dvc repro --single-item`, its lines to `sink` and to the stage's log."""
        self._track()
        log = Path(".mlspec", "logs", f"{stage.name}.log")
        (self.root / log).parent.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        lines: list[str] = []
        with (self.root / log).open("w", encoding="utf-8") as file:

            def keep(line: str) -> None:
                lines.append(line)
                file.write(line + "\n")
                file.flush()
                sink(line)

            code = self._dvc(["repro", "--single-item", stage.name, *(["--force"] if force else [])], keep)
        seconds = time.monotonic() - started
        if code:
            reason, help = _said(lines)
            return Outcome(stage.name, "failed", reason, help, seconds, log.as_posix())
        restored = any("is cached - skipping run" in line for line in lines)
        status, reason = ("cached", "restored from the cache") if restored else ("ran", "")
        return Outcome(stage.name, status, reason, "", seconds, log.as_posix())  # type: ignore[arg-type]

    def _track(self) -> None:
        """Put raw data under DVC's care, once and whenever it has changed, unless git keeps it."""
        for path in self.raw:
            if not (self.root / path).exists() or self._in_git(path) or self._tracked(path):
                continue
            said: list[str] = []
            if self._dvc(["add", path], said.append):
                raise StageError(
                    f"dvc cannot track {path}: {_said(said)[0]}", help="set data.track to git, or see above"
                )

    def _tracked(self, path: str) -> bool:
        pointer = self.root / f"{path}.dvc"
        digest = Hashes(self.root).of(path)
        return pointer.is_file() and f"md5: {digest}" in pointer.read_text(encoding="utf-8")

    def _in_git(self, path: str) -> bool:
        done = subprocess.run(["git", "ls-files", "--", path], cwd=self.root, capture_output=True, text=True)
        return bool(done.stdout.strip())

    def _dvc(self, arguments: Sequence[str], sink: Sink) -> int:
        folder = str(Path(sys.executable).parent)
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([folder, os.environ.get("PATH", "")]),
            "DVC_NO_ANALYTICS": "1",
            "PYTHONUNBUFFERED": "1",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "dvc", *arguments],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=die_with_parent,  # no threads are running here
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                sink(line.rstrip("\n"))
            return process.wait()
        except BaseException:
            _end(process)
            raise


def _end(process: subprocess.Popen[str]) -> None:
    """Let the stage end by itself, and make sure that it has ended."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=GRACE)
            return
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


def _said(lines: Sequence[str]) -> tuple[str, str]:
    """What a failed stage said for itself: its `error:` with the lines below it, and its help."""
    reason: list[str] = []
    help: list[str] = []
    for line in lines:
        text = line.strip()
        if text.startswith("= help: "):
            help.append(text.removeprefix("= help: "))
        elif text.startswith("error: ") or ": error[" in text:
            reason, help = [text.removeprefix("error: ")], []
        elif text.startswith("ERROR: ") and not reason:
            reason = [text.removeprefix("ERROR: ")]
        elif reason and line.startswith("  ") and not help and not text.startswith(("=", "|")):
            reason.append(line.rstrip())
    return "\n".join(reason) or "it failed", "\n".join(help)
