"""A finished stage's exit code and log to its Outcome. Pure."""

from __future__ import annotations

import re

from mlspec.errors import EXIT_INTERRUPTED
from mlspec.plan.stage import Stage
from mlspec.run.outcome import Outcome

_ERROR = re.compile(r"^(?:\S+: )?error(?:\[[\w-]+\])?: (.+)$")
_WARNING = re.compile(r"^warning: (.+)$", re.MULTILINE)
_DECISION = re.compile(r"^decision: (.+)$", re.MULTILINE)
_HELP = re.compile(r"^\s*= help: (.+)$")
_BUSY = re.compile(r"Unable to acquire lock|is busy, it is being blocked by")
_MISSING = re.compile(
    r"missing data '\w+': (.+)|failed to reproduce '\w+': \[Errno 2\] No such file or directory: '(.+)'"
)


def judge(stage: Stage, code: int, text: str, seconds: float, log: str) -> Outcome:
    """What became of the stage. `log` is its log's path, `text` what stands in it."""
    if code == 0:
        status, reason = _done(stage, text)
        warnings = tuple(dict.fromkeys(_WARNING.findall(text))) if status == "ran" else ()
        decisions = tuple(dict.fromkeys(_DECISION.findall(text))) if status == "ran" else ()
        return Outcome(stage.name, status, reason, "", seconds, log, warnings, decisions)  # type: ignore[arg-type]
    if f"exited with {EXIT_INTERRUPTED}" in text:
        return Outcome(stage.name, "interrupted", "it was stopped", "mlspec apply", seconds, log)
    reason, help = _why(text, code)
    return Outcome(stage.name, "failed", reason, help, seconds, log)


def _done(stage: Stage, text: str) -> tuple[str, str]:
    if stage.effects or f"Running stage '{stage.name}'" in text:
        return "ran", ""
    if "is cached - skipping run" in text:
        return "cached", "an earlier run had the same inputs; its outputs were taken from DVC's cache"
    return "cached", "nothing it depends on changed"


def _why(text: str, code: int) -> tuple[str, str]:
    """The stage program's own words first, then DVC's, then the exit code."""
    if _BUSY.search(text):
        return "another DVC command is at work in this project", "wait until it has ended, then: mlspec apply"
    if missing := _MISSING.search(text):
        if missing[2]:
            return f"there is no {missing[2]}", "put it there, correct the path in the spec, or `dvc pull`"
        return f"missing input: {missing[1]}", "mlspec apply, which makes what can be made; or `dvc pull`"
    lines = text.splitlines()
    for index, line in enumerate(lines):
        if found := _ERROR.match(line):
            help = next((h[1] for later in lines[index + 1 :] if (h := _HELP.match(later))), "")
            return found[1].removesuffix(":"), help
    own = next((line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")), "")
    return own or f"it ended with exit code {code}", ""
