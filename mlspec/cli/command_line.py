"""The `mlspec` program: a lazy group of commands, and the one place where an error becomes an exit code."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

import mlspec
from mlspec.cli.console import Console
from mlspec.cli.help_page import ABOUT, COMMANDS, INSTEAD, WIDEST
from mlspec.errors import EXIT_BUG, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE, MlspecError, of_the_machine

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_LASTING = {"init", "apply", "destroy", "run", "report", "serve"}
"""Commands that run others' code, or for long."""


class _Lazy(click.Group):
    """Imports a command's module only when that command is run: `mlspec --help` imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"mlspec.cli.commands.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands with their lines of the help page, and the options; imports no command."""
        from click.shell_completion import CompletionItem

        own = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return [*own, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            from mlspec.spec.names import suggest

            instead = INSTEAD.get(args[0].lower())
            hint = f"instead: {instead}" if instead else suggest(args[0], COMMANDS, "the commands are")
            message = f"unknown command `{args[0]}`; {hint}"
            raise click.UsageError(message, ctx)  # no help: click has no place for one, the message contains it
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Lazy,
    help="\n\n".join(ABOUT),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST},
)
@click.version_option(mlspec.__version__, message="mlspec %(version)s")
def group() -> None:
    """All commands."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. Without `arguments` the process is this command's alone."""
    if arguments is not None:
        return _run(arguments)
    _hasten(sys.argv[1:])
    code = _run(sys.argv[1:])
    gc.freeze()  # what is left goes with the process; looking through it first takes longer than a build's own work
    return code


def _hasten(arguments: Sequence[str]) -> None:
    """Save a short-lived command what costs it more than its work: collecting garbage, and looking for plugins of
    pydantic in every installed package."""
    if not _LASTING & set(arguments):
        gc.disable()
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def _run(arguments: Sequence[str]) -> int:
    try:
        code = _outcome(Console(as_json="--json" in arguments), arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has gone. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    return code


def _outcome(console: Console, arguments: Sequence[str]) -> int:
    try:
        code = group.main(list(arguments), prog_name="mlspec", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        console.say(error.format_message())
        return EXIT_USAGE
    except click.ClickException as error:
        return _usage(console, error, arguments)
    except MlspecError as error:
        console.failure(error)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        console.say("interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - everything else that is raised is a bug in mlspec
        from mlspec.cli.bug_report import report
        from mlspec.cli.missing_package import missing_package

        if (failure := of_the_machine(error) or missing_package(error, arguments)) is not None:
            console.failure(failure)
            return failure.exit_code

        report(console, error, arguments)
        return EXIT_BUG
    return code if isinstance(code, int) else EXIT_OK


def _usage(console: Console, error: click.ClickException, arguments: Sequence[str]) -> int:
    if isinstance(error, click.NoSuchOption) and error.possibilities == ["--help"]:
        # Every command has it, so it is the closest one to any option.
        error = click.NoSuchOption(error.option_name, ctx=error.ctx)
    context = getattr(error, "ctx", None)
    command = next((name for name in arguments if name in COMMANDS), "")
    shown = context.command_path if context else f"mlspec {command}".rstrip()
    console.failure(MlspecError(error.format_message(), help=f"see `{shown} --help`"))
    return EXIT_USAGE
