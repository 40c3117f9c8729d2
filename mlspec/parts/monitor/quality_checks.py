"""Checks of `monitor.quality.slices`. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mlspec.diagnostics import Finding
from mlspec.sections.data import DataSpec
from mlspec.sections.monitor import Monitor
from mlspec.spec.names import suggest


def check(monitor: Monitor, data: DataSpec) -> Iterator[Finding]:
    """Unknown inputs, and inputs that cannot be divided that way."""
    for name, how in monitor.quality.slices.items():
        at, column = ("monitor", "quality", "slices", name), how.column or name
        if how.where or (how.by == "month" and not how.column):
            continue
        if column not in data.columns:
            help = suggest(column, data.columns, "the inputs are")
            yield Finding("unknown-input", at, f"input not found: `{column}`", help, on="key")
            continue
        kind = data.columns[column].type
        if how.by == "length" and kind != "text":
            message, help = f"`{column}` is a {kind}, and only a text has a length", "remove `by: length`"
        elif kind == "image" or (kind == "text" and how.by == "value"):
            message, help = f"`{column}` is a {kind}, so nearly every row would be a slice", "use another input"
        else:
            continue
        yield Finding("slice-type", at, message, help, on="key")
