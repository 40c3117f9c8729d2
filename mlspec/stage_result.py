"""What a stage's process reports: warnings, decisions and how it ended, in `.mlspec/results/STAGE.json`.

The body of a stage calls `warn` and `decide`; they print a line for the log and keep it. The entry of the process
writes the file, and the engine reads it: nothing is taken from the text of a log.
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
    "failed", "crashed", "locked", "missing-input", "stopped", "killed", "",
]  # fmt: skip
"""Why a stage runs (first two rows), does not run (third), or did not end well (fourth); `""` is not known."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a stage runs, was skipped or failed: `kind` for programs, `text` (part of a sentence) for people."""

    kind: ReasonKind = ""
    text: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A version that was taken out of service, and the one that receives all traffic since."""

    version: str
    live: str


@dataclass(frozen=True, slots=True)
class StageResult:
    """How a stage's process ended. `reason` and `help` are empty where it ended well."""

    status: Ended
    reason: Reason = field(default_factory=Reason)
    help: str = ""
    warnings: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
    rolled_back: RolledBack | None = None


@dataclass
class Messages:
    """What the stage of this process has reported so far. Plain values: it crosses to other processes."""

    warnings: list[str] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    stopped: str = ""
    rolled_back: RolledBack | None = None
    started: bool = False
    """Whether the stage's body was called: the process may only have been asked for its configuration."""


_messages = Messages()


def messages() -> Messages:
    """What was reported in this process."""
    return _messages


def add(reported: Messages) -> None:
    """Take over what another process of this stage reported; its lines are in the log already."""
    _messages.warnings += reported.warnings
    _messages.decisions += reported.decisions


def started() -> None:
    """Report that the stage's body is called now."""
    _messages.started = True


def warn(text: str, help: str = "") -> None:
    """Report a doubt about a stage that goes on; `help` says what to do about it."""
    print(f"warning: {text}" + (f"\n  help: {help}" if help else ""), flush=True)
    _messages.warnings.append(text)


def decide(text: str) -> None:
    """Report how the stage interpreted what the spec leaves open."""
    print(f"decision: {text}", flush=True)
    _messages.decisions.append(text)


def stopped_with(text: str) -> None:
    """Report in which state an interrupted stage leaves the world outside the project."""
    _messages.stopped = text


def rolled_back(version: str, live: str) -> None:
    """Report that `version` was rolled back to `live`."""
    _messages.rolled_back = RolledBack(version, live)


@contextmanager
def reported(root: Path, stage: str) -> Iterator[None]:
    """Write the result of the stage that runs in the block, whatever ends it. `stage` is one that exists."""
    global _messages
    _messages = Messages()
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
    if _messages.started:
        _write(root, stage, "done", Reason())


def _failure(error: MlspecError) -> tuple[Reason, str]:
    """The first line of the first fault, and the first line of its help."""
    message, help = error.message, error.help
    if isinstance(error, SpecError) and error.diagnostics:
        first = next((d for d in error.diagnostics if d.severity == "error"), error.diagnostics[0])
        message, help = first.message, first.help
    return Reason("failed", _first_line(message).removesuffix(":")), _first_line(help)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _write(root: Path, stage: str, status: Ended, reason: Reason, help: str = "") -> None:
    found = _messages
    result = StageResult(status, reason, help, _once(found.warnings), _once(found.decisions), found.rolled_back)
    with suppress(OSError):  # the stage's own result counts; without this file the engine has the exit code
        write_json(_file(root, stage), asdict(result))


def _once(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(lines))


def forget(root: Path, stage: str) -> None:
    """Remove the result of an earlier run, before the stage runs again."""
    with suppress(NotADirectoryError):
        _file(root, stage).unlink(missing_ok=True)


def read(root: Path, stage: str) -> StageResult | None:
    """The result that the stage's process wrote; None where it wrote none, or not a whole one."""
    try:
        return _parsed(json.loads(_file(root, stage).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _parsed(found: Mapping[str, object]) -> StageResult:
    known = {
        name: tuple(str(line) for line in lines) if isinstance(lines := found[name], list) else ()
        for name in ("warnings", "decisions")
    }
    status = next(s for s in get_args(Ended) if s == found["status"])
    back = found["rolled_back"]
    return StageResult(
        status,
        reason_of(found["reason"]),
        str(found["help"]),
        known["warnings"],
        known["decisions"],
        RolledBack(str(back["version"]), str(back["live"])) if isinstance(back, dict) else None,
    )


def reason_of(found: object) -> Reason:
    """A Reason from JSON: `{"kind": ..., "text": ...}`. One of an unknown kind keeps its text."""
    values = found if isinstance(found, dict) else {"text": found or ""}
    kind: ReasonKind = next((k for k in get_args(ReasonKind) if k == values.get("kind")), "")
    return Reason(kind, str(values.get("text", "")))


def _file(root: Path, stage: str) -> Path:
    return root / FOLDER / f"{stage}.json"
