"""Operations that fail, or end as a kill does, at a step of one's choice."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

from mlspec.workspace.operations import Operations

CALLS = frozenset(name for name, value in vars(Operations).items() if isinstance(value, staticmethod))
Verdict = Callable[[int, str, tuple[Any, ...]], BaseException | None]


class Killed(BaseException):
    """The process is no more: nothing that it would still do is done."""


class Faulty(Operations):
    """Counts its calls, and raises in place of each what `verdict` says. A write that fails has written half.

    Nothing is flushed: no test cuts the power, and flushing would take most of the time.
    """

    def __init__(self, verdict: Verdict = lambda *_: None) -> None:
        self.verdict = verdict
        self.steps: list[str] = []
        for name in CALLS:
            setattr(self, name, self._watched(name, getattr(self, name)))

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.steps.append(name)
            raised = self.verdict(len(self.steps), name, arguments)
            if raised is not None and name == "write":
                os.write(arguments[0], arguments[1][: len(arguments[1]) // 2])
            result = None
            if name == "close" or (raised is None and name != "fsync"):
                result = real(*arguments, **named)
            if raised is not None:
                raise raised
            return result

        return call


def fault(code: int, arguments: tuple[Any, ...]) -> OSError:
    return OSError(code, os.strerror(code), *(a for a in arguments[:1] if isinstance(a, str)))


def failing(step: int, code: int, *, lasting: bool = False) -> Verdict:
    """Call number `step` fails, and where it is `lasting` every call after it."""
    return lambda count, _, arguments: fault(code, arguments) if count == step or (lasting and count > step) else None


def killed(step: int) -> Verdict:
    return lambda count, *_: Killed() if count >= step else None


def failing_below(part: str, code: int) -> Verdict:
    """Every change of what lies below `part` fails; it can be looked at."""
    changes = {"mkdir", "rmdir", "unlink", "rename", "link"}

    def verdict(_: int, name: str, arguments: tuple[Any, ...]) -> BaseException | None:
        touched = any(isinstance(a, str) and part in a and ".mlspec/" not in a for a in arguments)
        return fault(code, arguments) if name in changes and touched else None

    return verdict


def apart(verdict: Verdict) -> Verdict:
    """As `verdict`, with mlspec's state on another file system than the rest, one that knows no hard links."""

    def both(count: int, name: str, arguments: tuple[Any, ...]) -> BaseException | None:
        if name == "link":
            code = errno.EEXIST if os.path.lexists(arguments[1]) else errno.EXDEV
            return verdict(count, name, arguments) or fault(code, arguments)
        if name == "rename" and len({"/.mlspec/" in path for path in arguments[:2]}) == 2:
            return verdict(count, name, arguments) or fault(errno.EXDEV, arguments)
        return verdict(count, name, arguments)

    return both
