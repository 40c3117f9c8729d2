"""What `mlspec labels add` does, and `mlspec monitor` with the labels of the spec; what became of the rows, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlspec.cli.console import Console
from mlspec.cli.monitoring import served_model
from mlspec.errors import EXIT_OK, MlspecError, UsageError

if TYPE_CHECKING:
    from mlspec.monitoring.label_file import GivenLabels
    from mlspec.monitoring.label_problems import LabelProblem
    from mlspec.monitoring.label_store import LabelsAdded
    from mlspec.monitoring.watched_model import WatchedModel

_SHOWN_LABELS: Final = 10
_SHOWN_ROWS: Final = 5
"""Rows of each kind that are shown."""
_SHOWN_TEXT: Final = 60
"""Characters of a value that are shown."""


def add_labels(console: Console, spec: str | None, env: str | None, file: str | None, *, replace: bool) -> int:
    """Add the labels of a file, or those that the spec names. Gives the exit code."""
    model = served_model(spec, env)
    from mlspec.monitoring.label_file import labels_of_file, labels_of_source
    from mlspec.monitoring.label_store import LabelStore

    options = model.options.labels
    if file is None and options is None:
        help = "name a file, or set monitor.labels.source in the spec"
        raise UsageError("no labels to add: neither FILE nor monitor.labels is given", help=help)
    source = (
        labels_of_source(options.source, options.query, model.root)
        if file is None and options is not None
        else labels_of_file(Path(file or ""))
    )
    with source as given:
        added = LabelStore(model.store).add(given.table, datetime.now(UTC), replace=replace)
        if console.as_json:
            counts = {key: value for key, value in asdict(added).items() if key != "problems"}
            console.document({"ok": True, **counts, "problems": [_json(each, given) for each in added.problems]})
        for text in _shown(added, given):
            console.out(text)
    _help(console, model, added)
    return EXIT_OK


def take_labels(console: Console, model: WatchedModel) -> None:
    """Add the labels that the spec names, before the model is observed; what prevents it is reported."""
    from mlspec.monitoring.label_file import labels_of_source
    from mlspec.monitoring.label_store import LabelStore

    options = model.options.labels
    if options is None:
        return
    try:
        with labels_of_source(options.source, options.query, model.root) as given:
            added = LabelStore(model.store).add(given.table, datetime.now(UTC))
    except MlspecError as error:
        console.say(f"{console.paint('warning', 'yellow')}: no labels were added: {error.message}")
        console.say(f"  = help: {error.help}")
        return
    refused = added.invalid + added.missing + added.conflicting
    if added.added or refused:
        text = f"added {added.added} of {added.rows} labels from monitor.labels"
        console.say(text + (f"; {refused} cannot be: `mlspec labels add` lists them" if refused else ""))


def _help(console: Console, model: WatchedModel, added: LabelsAdded) -> None:
    labels = model.signature.labels
    if added.invalid:
        names = ", ".join(labels[:_SHOWN_LABELS]) + (", …" if len(labels) > _SHOWN_LABELS else "")
        console.say(f"  = help: the labels of the model: {names}" if labels else "  = help: a value is a number")
    if added.unknown == added.rows > 0:
        console.say(
            "  = help: `request_id` is the X-Request-Id of an answer; predictions elsewhere: `mlspec monitor pull`"
        )


def _shown(added: LabelsAdded, given: GivenLabels) -> Iterator[str]:
    """What became of the rows, as lines; the first rows of each kind with their places."""
    late = f", {added.late} of them more than a day after the prediction" if added.late else ""
    yield f"added {added.added} of {added.rows} labels{late}"
    counts = {
        "replaced a stored label": added.replaced,
        "already stored": added.duplicate,
        "differ from the label that is stored or stands before, which was kept (--replace replaces a stored one)":
            added.conflicting,
        "without a prediction in the store": added.unknown,
        "without a label or an id": added.missing,
        "with a label that the model does not have": added.invalid,
    }  # fmt: skip
    yield from (f"  {number} {text}" for text, number in counts.items() if number)
    shown: Counter[str] = Counter()
    for each in added.problems:
        shown[each.kind] += 1
        if shown[each.kind] <= _SHOWN_ROWS:
            yield f"{given.place(each.row)}: {_words(each, given)}"
    total = added.conflicting + added.unknown + added.missing + added.invalid
    if rest := total - sum(min(count, _SHOWN_ROWS) for count in shown.values()):
        yield f"{rest} more rows like these (the first 100 of each kind: --json)"


def _words(each: LabelProblem, given: GivenLabels) -> str:
    """What is wrong with a row."""
    labelled = f"{_value(each.key)} is labelled {_value(each.answer)}, and {_value(each.kept)}"
    match each.kind:
        case "missing":
            return "no label" if each.answer is None else "no id"
        case "invalid":
            return f"{_value(each.answer)} is not a label of the model"
        case "unknown":
            return f"no prediction {_value(each.key)} in the store"
        case "repeated":
            first = given.place(each.first_row or 1)
            where = first.within if first.source == given.place(each.row).source else str(first)
            return f"{labelled} in {where}, which counts"
        case "conflicting":
            return f"{labelled} is stored, which was kept"


def _value(text: str | None) -> str:
    line = " ".join((text or "").split())
    return f"`{line if len(line) <= _SHOWN_TEXT else line[: _SHOWN_TEXT - 3] + '...'}`"


def _json(each: LabelProblem, given: GivenLabels) -> dict[str, object]:
    place = given.place(each.row)
    kept = {"kept": each.kept} if each.kept is not None else {}
    first = {"first": asdict(given.place(each.first_row))} if each.first_row is not None else {}
    return {"kind": each.kind, **asdict(place), "key": each.key, "label": each.answer, **kept, **first}
