"""`mlspec completion`: the script that makes a shell complete commands, options and names of the project."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from mlspec.cli.console import Console
from mlspec.errors import EXIT_OK

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> int:
    """Print the completion script of SHELL: for commands, options, stages, environments, error codes and keys.

    \b
    bash, in ~/.bashrc:  eval "$(mlspec completion bash)"   (4.4 or newer)
    zsh, in ~/.zshrc:    eval "$(mlspec completion zsh)"
    fish:                mlspec completion fish > ~/.config/fish/completions/mlspec.fish
    """
    from mlspec.cli.command_line import group

    kind = get_completion_class(shell)
    if kind is None:  # the choices are the shells that click knows
        raise ValueError(shell)
    script = kind(group, {}, "mlspec", "_MLSPEC_COMPLETE").source().rstrip()
    # click splits `TYPE,VALUE` at each comma, and so cuts a description at its first one.
    Console().out(script.replace('string split ","', 'string split --max 1 ","'))
    return EXIT_OK
