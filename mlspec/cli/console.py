"""The only printer. Results go to stdout, everything else to stderr; with `--json` stdout holds one JSON document."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence

from mlspec.diagnostics import Diagnostic, render
from mlspec.errors import ConflictError, MlspecError, SpecError

_CODES = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "dim": "2", "bold": "1"}


class Console:
    """The output of a command."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    @property
    def terminal(self) -> bool:
        """Whether a user watches: stderr is a terminal, and this does not run in CI."""
        return sys.stderr.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"

    @property
    def columns(self) -> int | None:
        """The width of the terminal that stdout is; None for a pipe or a file, whose lines are not wrapped."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else None

    def paint(self, text: str, *styles: str, stream: str = "err") -> str:
        """`text` in colour where that stream is a terminal and NO_COLOR (https://no-color.org) is not set."""
        target = sys.stderr if stream == "err" else sys.stdout
        if not target.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            return text
        return f"\033[{';'.join(_CODES[s] for s in styles)}m{text}\033[0m"

    def out(self, text: str = "") -> None:
        """A line of the result; nothing with `--json`."""
        if not self.as_json:
            print(text)

    def say(self, text: str = "") -> None:
        """A line about the work, for the person at the terminal."""
        print(text, file=sys.stderr, flush=True)

    def update(self, text: str) -> None:
        """Replace the current terminal line with `text`; nothing without a terminal."""
        if self.terminal:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def document(self, value: Mapping[str, object]) -> None:
        """The one JSON document of a `--json` run."""
        print(json.dumps(value, indent=2, ensure_ascii=False))

    def confirm(self, question: str) -> bool:
        """Ask yes or no; any answer except yes means no."""
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def ask(self, question: str, default: str) -> str:
        """Ask for a word; an empty line means the default."""
        print(f"{question} [{default}] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip() or default

    def diagnostics(self, diagnostics: Sequence[Diagnostic]) -> None:
        """Errors and warnings of a spec, as `render` formats them."""
        for diagnostic in diagnostics:
            first, *rest = render(diagnostic).split("\n")
            colour = "red" if diagnostic.severity == "error" else "yellow"
            mark = f"{diagnostic.severity}[{diagnostic.code}]"
            self.say(first.replace(mark, self.paint(mark, colour, "bold"), 1))
            for line in rest:
                self.say(self.paint(line, colour) if set(line.strip()) <= set("|^ ") and "^" in line else line)
            self.say()

    def failure(self, error: MlspecError) -> None:
        """A failure that mlspec raised on purpose."""
        if self.as_json:
            self.document(failure_json(error))
        elif isinstance(error, SpecError):
            self.diagnostics(error.diagnostics)
            self.say(f"{error.message} found")
        else:
            self.say(f"{self.paint('error', 'red', 'bold')}: {error.message}")
            for line in error.help.splitlines():
                self.say(f"  = help: {line}")
            if error.code:
                self.say(f"  = see: mlspec explain {error.code}")


def failure_json(error: MlspecError) -> dict[str, object]:
    """The stable JSON shape of a failure."""
    document: dict[str, object] = {
        "ok": False,
        "error": error.message,
        "help": error.help,
        "exit_code": error.exit_code,
    }
    if error.code:
        document["code"] = error.code
    if isinstance(error, SpecError):
        document["diagnostics"] = [d.to_json() for d in error.diagnostics]
    if isinstance(error, ConflictError):
        document["conflicts"] = list(error.paths)
    return document
