"""Pages of the documentation as tests read them: their commands with the output they show, their files, a shell."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import CHECKOUT
from tests.warm_python import WarmPython

NUMBER = r"\d+(?:\.\d+)?(?:e-\d+)?"


@dataclass(frozen=True)
class PageFile:
    """A file that a page shows in full: a block with `title="PATH"`."""

    path: str
    text: str


@dataclass
class PageCommand:
    """A `$ ` line of a console block with its `> ` lines, and the output that the page shows below it."""

    text: str
    output: list[str] = field(default_factory=list)

    @property
    def fails(self) -> bool:
        """Whether the output that the page shows is that of a failure."""
        return any(re.search(r"\berror\b(: |\[)", line) for line in self.output)


def steps(page: Path) -> Iterator[PageFile | PageCommand]:
    """Files and commands of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for info, body in re.findall(r"^```(\S[^\n]*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if title := re.search(r'title="([^"]+)"', info):
            yield PageFile(title[1], body)
        elif info == "console":
            yield from _commands(body)


def commands(page: Path) -> list[PageCommand]:
    """The commands of all console blocks of a page."""
    return [step for step in steps(page) if isinstance(step, PageCommand)]


def _commands(block: str) -> Iterator[PageCommand]:
    command: PageCommand | None = None
    for line in block.splitlines():
        if line.startswith("$ "):
            if command is not None:
                yield command
            command = PageCommand(line[2:])
        elif command is not None and (line == ">" or line.startswith("> ")) and not command.output:
            command.text += f"\n{line[2:]}"
        elif command is not None:
            command.output.append(line)
    if command is not None:
        yield command


def like(lines: list[str]) -> str:
    """A pattern for output: numbers, durations, digests and gaps may differ; `...` stands for any text or lines."""
    pattern = ""
    for line in lines:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
            continue
        for piece in re.split(
            r"(\.{3}|\b[0-9a-f]{12}\b|\d+(?:\.\d+)?(?:e-\d+)?(?: (?:s|min|h)\b)?| {2,})", line.rstrip()
        ):
            duration = re.fullmatch(r".*\d (s|min|h)", piece)
            if piece == "...":
                pattern += ".*"
            elif re.fullmatch("[0-9a-f]{12}", piece):
                pattern += "[0-9a-f]{12}"
            elif piece[:1].isdigit():
                pattern += NUMBER + (" (?:s|min|h)" if duration else "")
            else:
                pattern += " +" if piece.startswith("  ") else re.escape(piece)
        pattern += r" *\n"
    return pattern


class Shell:
    """One bash in which the commands of a page run, with its folder, its variables and its jobs."""

    def __init__(self, folder: Path, warm: WarmPython | None = None) -> None:
        environment = {
            **{k: v for k, v in os.environ.items() if k not in ("CI", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(CHECKOUT),
            "NO_COLOR": "1",
        }
        environment = warm.variables(environment) if warm else environment
        self._bash = subprocess.Popen(
            ["bash"], cwd=folder, env=environment, stdin=-1, stdout=-1, stderr=subprocess.STDOUT, text=True
        )

    def run(self, command: str) -> tuple[int, str]:
        """Exit code and output of a command; its standard input is empty."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        grouped = command if command.endswith("&") else f"{{ {command}\n}} < /dev/null"
        self._bash.stdin.write(f"{grouped}\nprintf '\\nEND OF COMMAND %s\\n' $?\n")
        self._bash.stdin.flush()
        lines: list[str] = []
        for line in self._bash.stdout:
            if ended := re.fullmatch(r"END OF COMMAND (\d+)\n", line):
                text = "".join(lines)
                return int(ended[1]), text[:-1] if text.endswith("\n\n") or text == "\n" else text
            lines.append(line)
        raise AssertionError(f"the shell ended in: {command}\n{''.join(lines)}")

    def close(self) -> None:
        """End the shell and what it still runs in the background."""
        if self._bash.poll() is None:
            self.run("kill $(jobs -p) 2> /dev/null; wait")
            assert self._bash.stdin is not None
            self._bash.stdin.close()
            self._bash.wait()


def follow(page: Path, folder: Path, shell: Shell) -> None:
    """Write the files of a page and run its commands, in order. Asserts that each prints what the page shows.

    A server listens on a free port instead of the one that the page has.
    """
    ports = {port: free_port() for port in re.findall(r"--port (\d+)", page.read_text(encoding="utf-8"))}
    for step in steps(page):
        if isinstance(step, PageFile):
            (folder / step.path).parent.mkdir(parents=True, exist_ok=True)
            (folder / step.path).write_text(step.text, encoding="utf-8")
        else:
            check(PageCommand(with_ports(step.text, ports), [with_ports(line, ports) for line in step.output]), shell)


def free_port() -> str:
    """A port of 127.0.0.1 that no process listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def with_ports(text: str, ports: Mapping[str, str]) -> str:
    """`text` with each port of a page replaced by the one to use."""
    for shown, used in ports.items():
        text = re.sub(rf"(--port |127\.0\.0\.1:){shown}\b", rf"\g<1>{used}", text)
    return text


def check(command: PageCommand, shell: Shell) -> None:
    """Run a command. Asserts that it prints what its page shows, and fails only where the page shows that."""
    code, printed = shell.run(command.text)
    shown = "\n".join(command.output)
    assert re.fullmatch(like(command.output), printed), f"$ {command.text}\n{printed}\n--- the page shows ---\n{shown}"
    assert (code != 0) == command.fails, f"$ {command.text}\nexit code {code}\n{printed}"
