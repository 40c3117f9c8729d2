"""Every failure mlspec raises on purpose, with the exit code it ends in. Only `cli/` catches these and exits."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from mlspec.diagnostics import Diagnostic

EXIT_OK = 0
EXIT_SPEC = 1
EXIT_USAGE = 2
EXIT_CONFLICT = 3  # with files edited by hand, with another mlspec at work, or of a saved plan with what is there now
EXIT_STAGE = 4
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


class MlspecError(Exception):
    """A failure with a message for a person: what happened, and in `help` what to do next."""

    exit_code: ClassVar[int] = EXIT_SPEC

    def __init__(self, message: str, *, help: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.code = code


_OF_THE_MACHINE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}


def of_the_machine(error: BaseException) -> MlspecError | None:
    """A full disk, a quota or a missing permission as a failure with its help; None for any other exception."""
    if not isinstance(error, OSError) or error.errno not in _OF_THE_MACHINE:
        return None
    where = f"{error.filename}: " if error.filename else ""
    help = "free disk space or fix the permissions, then run the command again"
    return MlspecError(f"{where}{error.strerror}", help=help)


class SpecError(MlspecError):
    """The spec is wrong; every fault found is in `diagnostics`, in file order."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        count = sum(d.severity == "error" for d in self.diagnostics)
        super().__init__(f"{count} error{'s' if count != 1 else ''}")


class UsageError(MlspecError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = EXIT_USAGE


class ConflictError(MlspecError):
    """A generated file was edited by hand, a file of the user's stands in its place, or a saved plan is out of date."""

    exit_code = EXIT_CONFLICT

    def __init__(self, message: str, *, paths: Sequence[str], help: str = "") -> None:
        super().__init__(message, help=help)
        self.paths = tuple(paths)


class StageError(MlspecError):
    """A stage cannot do its work, for a reason the user can mend: bad rows, a missed gate, a missing engine."""

    exit_code = EXIT_STAGE
