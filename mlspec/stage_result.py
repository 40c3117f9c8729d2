"""The report of a stage's process: warnings, decisions and status, in `.mlspec/results/STAGE.json`.

The body of a stage calls `warn` and `decide`, which print a line to the log and store it. The entry point of the
process writes the file, and the engine reads it: the text of a log is never parsed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

from mlspec.errors import MlspecError, SpecError, of_the_machine
from mlspec.job import write_json

FOLDER = ".mlspec/results"
Ended = Literal["done", "failed", "interrupted"]
ReasonKind = Literal[
    "never-ran", "command-changed", "code-changed", "settings-changed", "input-changed", "output-changed",
    "remote-differs", "not-compared", "upstream", "forced",
    "up-to-date", "restored", "unaffected", "lacks", "blocked", "interrupted-before", "dry-run",
    "failed", "crashed", "locked", "missing-input", "stopped", "killed", "timed-out", "",
]  # fmt: skip
"""Why a stage runs (first two rows), does not run (third), or failed (fourth); `""` is unknown."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a stage runs, was skipped or failed: `kind` for programs, `text` (part of a sentence) for people."""

    kind: ReasonKind = ""
    text: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A version that was rolled back, and the version that receives all traffic since."""

    version: str
    live: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check of a stage, with what it measured."""

    name: str
    passed: bool
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StageResult:
    """The outcome of a stage's process. `reason` and `help` are empty if it succeeded."""

    status: Ended
    reason: Reason = field(default_factory=Reason)
    help: str = ""
    warnings: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
    rolled_back: RolledBack | None = None
    checks: tuple[CheckResult, ...] = ()


@dataclass
class Messages:
    """The reports of the stage in this process so far. Plain values that can be sent to another process."""

    warnings: list[str] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    stopped: str = ""
    rolled_back: RolledBack | None = None
    checks: list[CheckResult] = field(default_factory=list)
    started: bool = False
    """Whether the stage's body was called; the process may only print its configuration."""
    each_once: bool = False
    """Whether repetitions are dropped: within the run of a stage."""


_messages = Messages()


def messages() -> Messages:
    """The reports of this process."""
    return _messages


def add(reported: Messages) -> None:
    """Add the reports of another process of this stage; its lines are in the log already."""
    _messages.warnings += reported.warnings
    _messages.decisions += reported.decisions
    _messages.checks += reported.checks


def started() -> None:
    """Report that the stage's body is called."""
    _messages.started = True


def warn(text: str, help: str = "") -> None:
    """Report a warning, in a stage each once; the stage continues. `help` is the fix."""
    if _messages.each_once and text in _messages.warnings:
        return
    print(f"warning: {text}" + (f"\n  help: {help}" if help else ""), flush=True)
    _messages.warnings.append(text)


def say(text: str) -> None:
    """Print a line to the log."""
    print(text, flush=True)


def decide(text: str) -> None:
    """Report a decision of the stage that the spec leaves open, each once."""
    if _messages.each_once and text in _messages.decisions:
        return
    print(f"decision: {text}", flush=True)
    _messages.decisions.append(text)


def check_result(name: str, *, passed: bool, figures: Mapping[str, float]) -> None:
    """Report the result of one of the checks of the stage."""
    _messages.checks.append(CheckResult(name, passed, figures))


def stopped_with(text: str) -> None:
    """Report the external state that an interrupted stage leaves."""
    _messages.stopped = text


def rolled_back(version: str, live: str) -> None:
    """Report that `version` was rolled back to `live`."""
    _messages.rolled_back = RolledBack(version, live)


@contextmanager
def reported(root: Path, stage: str) -> Iterator[None]:
    """Write the result of the stage that runs in the block, also after an exception. `stage` must exist."""
    global _messages
    _messages = Messages(each_once=True)
    try:
        yield
    except MlspecError as error:
        _write(root, stage, "failed", *_failure(error))
        raise
    except KeyboardInterrupt:
        _write(root, stage, "interrupted", Reason("stopped", _messages.stopped or "it was stopped"))
        raise
    except Exception as error:
        crash = Reason("crashed", f"this is a bug in mlspec: {type(error).__name__}: {error}")
        failure = of_the_machine(error)
        _write(root, stage, "failed", *(_failure(failure) if failure else (crash, "")))
        raise
    finally:
        _messages.each_once = False
    if _messages.started:
        _write(root, stage, "done", Reason())


def _failure(error: MlspecError) -> tuple[Reason, str]:
    """The first line of the first error, and the first line of its help."""
    message, help = error.message, error.help
    if isinstance(error, SpecError) and error.diagnostics:
        first = next((d for d in error.diagnostics if d.severity == "error"), error.diagnostics[0])
        message, help = first.message, first.help
    return Reason("failed", _first_line(message).removesuffix(":")), _first_line(help)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _write(root: Path, stage: str, status: Ended, reason: Reason, help: str = "") -> None:
    warnings, decisions = _once(_messages.warnings), _once(_messages.decisions)
    result = StageResult(status, reason, help, warnings, decisions, _messages.rolled_back, tuple(_messages.checks))
    with suppress(OSError):  # without this file the engine uses the exit code
        write_json(_file(root, stage), asdict(result))


def _once(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(lines))


def forget(root: Path, stage: str) -> None:
    """Remove the result of an earlier run, before the stage runs again."""
    with suppress(NotADirectoryError):
        _file(root, stage).unlink(missing_ok=True)


def read(root: Path, stage: str) -> StageResult | None:
    """The result that the stage's process wrote; None if the file is missing or invalid."""
    try:
        return _parsed(json.loads(_file(root, stage).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _parsed(document: Mapping[str, object]) -> StageResult:
    lists = {
        name: tuple(str(line) for line in lines) if isinstance(lines := document[name], list) else ()
        for name in ("warnings", "decisions")
    }
    status = next(s for s in get_args(Ended) if s == document["status"])
    back = document["rolled_back"]
    return StageResult(
        status,
        reason_of(document["reason"]),
        str(document["help"]),
        lists["warnings"],
        lists["decisions"],
        RolledBack(str(back["version"]), str(back["live"])) if isinstance(back, dict) else None,
        tuple(_checks(document.get("checks"))),
    )


def _checks(rows: object) -> Iterator[CheckResult]:
    for row in rows if isinstance(rows, list) else ():
        figures = {str(name): float(value) for name, value in row["figures"].items()}
        yield CheckResult(str(row["name"]), row["passed"] is True, figures)


def reason_of(value: object) -> Reason:
    """A Reason from JSON: `{"kind": ..., "text": ...}`. An unknown kind becomes `""`."""
    values = value if isinstance(value, dict) else {"text": value or ""}
    kind: ReasonKind = next((k for k in get_args(ReasonKind) if k == values.get("kind")), "")
    return Reason(kind, str(values.get("text", "")))


def _file(root: Path, stage: str) -> Path:
    return root / FOLDER / f"{stage}.json"
