"""The page of `mlspec --help` that is made without click."""

from __future__ import annotations

import click
import pytest

from mlspec.cli.command_line import group
from mlspec.cli.help_page import NARROWEST, help_page


@pytest.mark.parametrize("columns", [NARROWEST, 80, 93, 100, 101, 200])
def test_it_is_the_page_of_click(columns: int) -> None:
    context = click.Context(
        group, info_name="mlspec", terminal_width=min(columns, 100) - 2, help_option_names=["-h", "--help"]
    )
    assert help_page(columns) == group.get_help(context)


def test_a_narrower_terminal_would_wrap_a_table() -> None:
    assert max(len(line) for line in help_page(NARROWEST).splitlines()) <= NARROWEST - 2
