"""Checks of `monitor.drift.slices` and `monitor.quality.slices`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlspec.diagnostics import Finding
from mlspec.sections.data import DataSpec
from mlspec.sections.monitor import Monitor
from mlspec.sections.monitor_slice import LiveSlice, named_slices
from mlspec.spec.names import suggest


def check(monitor: Monitor, data: DataSpec) -> Iterator[Finding]:
    """Unknown inputs, and rows that cannot be divided that way."""
    if monitor.drift:
        yield from _check("drift", monitor.drift.slices, data)
    yield from _check("quality", monitor.quality.slices, data)


def may_be_judged(monitor: Monitor, data: DataSpec) -> bool:
    """Whether the quality of a slice can have an alarm: of a declared one, or of a category input with few values."""
    stored = monitor.storage(data.columns)
    declared = named_slices(monitor.quality.slices) or named_slices(monitor.drift.slices if monitor.drift else [])
    if not declared:
        return any(kind.type == "category" and stored[name] == "full" for name, kind in data.columns.items())
    return any(_in_the_log(how, stored.get(how.column or name, "full")) for name, how in declared.items())


def _in_the_log(how: LiveSlice, storage: str) -> bool:
    """Whether rows of the log can be divided that way, and compared with others."""
    by_value = how.by == "value" and not how.bins
    return not how.of_answer_time and (bool(how.where) or storage == "full" or (storage == "hashed" and by_value))


def _check(key: str, slices: list[str] | Mapping[str, LiveSlice], data: DataSpec) -> Iterator[Finding]:
    for index, (name, how) in enumerate(named_slices(slices).items()):
        listed = isinstance(slices, list)
        at = ("monitor", key, "slices", index if listed else name)
        column = how.column or name
        if how.where or (how.of_answer_time and key == "quality"):
            continue
        if how.of_answer_time:
            message = "rows of the training data have no time of an answer, so no month has rows to be compared with"
            help = f"name an input with a date: {name}: {{column: INPUT, by: month}}"
        elif column not in data.columns:
            help = suggest(column, data.columns, "the inputs are")
            yield Finding("unknown-input", at, f"input not found: `{column}`", help, on="value" if listed else "key")
            continue
        else:
            kind = data.columns[column].type
            if how.by == "length" and kind != "text":
                message, help = f"`{column}` is a {kind}, and only a text has a length", "remove `by: length`"
            elif kind == "image" or (kind == "text" and how.by == "value"):
                message = f"`{column}` is a {kind}, so nearly every row would be a slice"
                help = "use another input" if kind == "image" else "slice by its length: {by: length, bins: [20, 40]}"
            else:
                continue
        yield Finding("slice-type", at, message, help, on="value" if listed else "key")
