"""Checks of `monitor.log`, and of its options that were options of `monitor.elasticsearch` before. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_lowercase, ascii_uppercase

from mlspec.diagnostics import Finding
from mlspec.sections.data import DataSpec
from mlspec.sections.monitor import Monitor
from mlspec.spec.names import suggest
from mlspec.spec.types import duration_seconds

_AT = ("monitor", "log")
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
"""As column names are compared in SQL: other letters are equal only to themselves."""
_BEFORE = ("monitor", "elasticsearch")


def check(monitor: Monitor, data: DataSpec) -> Iterator[Finding]:
    """Unknown inputs, names that are one column, times that are too short, and options that have moved."""
    for name in monitor.log.columns:
        if name not in data.columns:
            message = f"input not found: `{name}`, so nothing of it is stored or hidden"
            yield _unknown(name, data, (*_AT, "columns", name), message, "key")
    if duration_seconds(monitor.log.flush) < 1:
        message = "the log cannot be flushed every 0 seconds"
        yield Finding("bad-format", (*_AT, "flush"), message, "for example 1s")
    if duration_seconds(monitor.log.retention) < 86400:
        message = f"predictions are deleted by the day, so {monitor.log.retention} would store none"
        yield Finding("bad-format", (*_AT, "retention"), message, "use at least 1d")
    yield from _same_columns(data)
    yield from _moved(monitor, data)


def _same_columns(data: DataSpec) -> Iterator[Finding]:
    """Inputs and labels that are one column of the prediction store, where names differ in more than case."""
    labels = data.target.labels or ()
    inputs = [(("data", "inputs", name), "inputs", name) for name in data.inputs]
    targets = [(("data", "target", "labels", index), "labels", str(label)) for index, label in enumerate(labels)]
    known: dict[tuple[str, str], str] = {}
    for at, kind, name in (*inputs, *targets):
        first = known.setdefault((kind, name.translate(_LOWER)), name)
        if first != name:
            message = f"`{name}` and `{first}` differ only in case; the prediction store has one column for both"
            help = f"rename one of the {kind}"
            yield Finding("same-column", at, message, help, on="key" if kind == "inputs" else "value")


def _moved(monitor: Monitor, data: DataSpec) -> Iterator[Finding]:
    options = monitor.elasticsearch
    if options is None:
        return
    for index, name in enumerate(options.redact):
        if name not in data.columns:
            message = f"input not found: `{name}`, so `redact` hides nothing of it"
            yield _unknown(name, data, (*_BEFORE, "redact", index), message, "value")
    if options.redact:
        columns = ", ".join(f"{name}: redacted" for name in options.redact)
        yield _deprecated("redact", f"columns: {{{columns}}}")
    for key, value in (("sample", options.sample), ("low_confidence", options.low_confidence)):
        if value is not None:
            yield _deprecated(key, f"{key}: {value:g}")
            if key in monitor.log.model_fields_set and getattr(monitor.log, key) != value:
                message = f"`{key}` has two values: {value:g} here and {getattr(monitor.log, key):g} in monitor.log"
                yield Finding("conflicting-options", (*_BEFORE, key), message, "remove this one", on="key")


def _deprecated(key: str, instead: str) -> Finding:
    message = f"`{key}` is an option of the prediction log now, and applies to every store of predictions"
    help = f"replace it by monitor.log: {{{instead}}}"
    return Finding("deprecated-key", (*_BEFORE, key), message, help, on="key", severity="warning")


def _unknown(name: str, data: DataSpec, at: tuple[str | int, ...], message: str, on: str) -> Finding:
    help = suggest(name, data.columns, "the inputs are")
    return Finding("unknown-input", at, message, help, on="key" if on == "key" else "value")
