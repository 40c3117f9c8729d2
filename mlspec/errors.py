"""The errors that mlspec raises on purpose, with their exit codes. Only `cli/` catches them and exits."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from mlspec.diagnostics import Diagnostic

EXIT_OK = 0
EXIT_SPEC = 1
EXIT_USAGE = 2
EXIT_CONFLICT = 3  # manually edited files, another running mlspec, or a saved plan that is out of date
EXIT_STAGE = 4
EXIT_UNOBSERVABLE = 5  # `mlspec monitor` has no model to observe; 4 is an alarm there
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


class MlspecError(Exception):
    """An error with a message for the user: what is wrong, and in `help` the next step."""

    exit_code: ClassVar[int] = EXIT_SPEC

    def __init__(self, message: str, *, help: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.code = code


_OF_THE_MACHINE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}


def of_the_machine(error: BaseException) -> MlspecError | None:
    """A full disk, an exceeded quota or a missing permission as an MlspecError; None for other exceptions."""
    if not isinstance(error, OSError) or error.errno not in _OF_THE_MACHINE:
        return None
    where = f"{error.filename}: " if error.filename else ""
    help = "free disk space or fix the permissions, then run the command again"
    return MlspecError(f"{where}{error.strerror}", help=help)


class SpecError(MlspecError):
    """The spec has errors; `diagnostics` has all of them, in file order."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        count = sum(d.severity == "error" for d in self.diagnostics)
        super().__init__(f"{count} error{'s' if count != 1 else ''}")


class UsageError(MlspecError):
    """An argument or option names something that does not exist, or options contradict each other."""

    exit_code = EXIT_USAGE


class ConflictError(MlspecError):
    """A generated file was edited manually, its path has a file of the user, or a saved plan is out of date."""

    exit_code = EXIT_CONFLICT

    def __init__(self, message: str, *, paths: Sequence[str], help: str = "") -> None:
        super().__init__(message, help=help)
        self.paths = tuple(paths)


class StageError(MlspecError):
    """A stage failed for a reason that the user can fix: invalid rows, a failed gate, a missing tool."""

    exit_code = EXIT_STAGE


class UnobservableError(StageError):
    """No model can be observed: none is exported, or a section, a package or a file is missing."""

    exit_code = EXIT_UNOBSERVABLE
