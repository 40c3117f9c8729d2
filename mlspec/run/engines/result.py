"""The exit code, result file and log of a finished stage to its Outcome. Pure.

DVC's messages in the log are read only where the stage's process wrote no result: DVC failed before or after it,
restored its outputs or had nothing to do.
"""

from __future__ import annotations

import re

from mlspec.plan.stage import Stage
from mlspec.run.outcome import Outcome
from mlspec.stage_result import Reason, StageResult

_BUSY = re.compile(r"Unable to acquire lock|is busy, it is being blocked by")
_MISSING = re.compile(
    r"missing data '\w+': (.+)|failed to reproduce '\w+': \[Errno 2\] No such file or directory: '(.+)'"
)


def outcome_of(stage: Stage, code: int, result: StageResult | None, text: str, seconds: float, log: str) -> Outcome:
    """How the stage ended. `log` is the path of its log, `text` the log's content."""
    if code == 0:
        if result is None and not stage.effects and f"Running stage '{stage.name}'" not in text:
            return Outcome(stage.name, "cached", _not_run(text), "", seconds, log)
        warnings, decisions = (result.warnings, result.decisions) if result else ((), ())
        return Outcome(stage.name, "ran", Reason(), "", seconds, log, warnings, decisions)
    if result is not None and result.status == "interrupted":
        return Outcome(stage.name, "interrupted", result.reason, "mlspec apply", seconds, log)
    if result is not None and result.status == "failed":
        return Outcome(stage.name, "failed", result.reason, result.help, seconds, log)
    return Outcome(stage.name, "failed", *_failure(text, code), seconds, log)


def timed_out(stage: Stage, seconds: float, log: str) -> Outcome:
    """The Outcome of a stage that was stopped at its time limit."""
    reason = Reason("timed-out", f"stopped after its time limit of {stage.resources.timeout} seconds")
    return Outcome(stage.name, "failed", reason, stage.resources.timeout_help, seconds, log)


def _not_run(text: str) -> Reason:
    if "is cached - skipping run" in text:
        return Reason("restored", "an earlier run had the same inputs; its outputs were taken from DVC's cache")
    return Reason("unaffected", "none of its inputs changed")


def _failure(text: str, code: int) -> tuple[Reason, str]:
    """The reason and help: from DVC's error message, else the exit code."""
    if _BUSY.search(text):
        return Reason("locked", "another DVC command is running in this project"), (
            "wait until it has finished, then: mlspec apply"
        )
    if missing := _MISSING.search(text):
        if missing[2]:
            reason = Reason("missing-input", f"input not found: {missing[2]}")
            return reason, "create the file, correct its path in the spec, or run `dvc pull`"
        reason = Reason("missing-input", f"input not found: {missing[1]}")
        return reason, "run `mlspec apply`, which creates the outputs of earlier stages, or `dvc pull`"
    own = next((line.removeprefix("ERROR: ") for line in text.splitlines() if line.startswith("ERROR: ")), "")
    return Reason("killed", own or f"the process ended with exit code {code}"), ""
