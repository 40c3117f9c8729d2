"""`mlspec labels`: labels that arrive after their predictions."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options
from mlspec.cli.paths import PATH
from mlspec.errors import EXIT_OK

if TYPE_CHECKING:
    from mlspec.monitoring.label_store import LabelsAdded

_SHOWN_LABELS = 10


@click.group()
def command() -> None:
    """Add labels that arrive after their predictions: `mlspec labels add FILE`."""


@command.command(short_help="Add the labels in a file to their predictions.")
@click.argument("file", type=PATH)
@spec_options
@click.option("--replace", is_flag=True, help="Let labels replace stored ones that differ. Default: the first is kept.")
def add(file: str, spec: str | None, env: str | None, as_json: bool, replace: bool) -> int:
    """Add the labels in FILE (.csv, .tsv, .parquet, .jsonl) to the predictions that they belong to.

    Columns: `id`, or `request_id` (and `row`, from 0); `label` or `value`; optionally `time`.
    """
    from mlspec.cli.monitoring import served_model

    console = Console(as_json=as_json)
    model = served_model(spec, env)
    from mlspec.monitoring.label_file import read_labels
    from mlspec.monitoring.label_store import LabelStore

    added = LabelStore(model.store).add(read_labels(Path(file)), datetime.now(UTC), replace=replace)
    if as_json:
        console.document({"ok": True, **asdict(added)})
    for text in _shown(added):
        console.out(text)
    labels = model.signature.labels
    if added.invalid:
        names = ", ".join(labels[:_SHOWN_LABELS]) + (", …" if len(labels) > _SHOWN_LABELS else "")
        console.say(f"  = help: the labels of the model: {names}" if labels else "  = help: a value is a number")
    if added.unknown == added.rows > 0:
        console.say(
            "  = help: `request_id` is the X-Request-Id of an answer; predictions elsewhere: `mlspec monitor pull`"
        )
    return EXIT_OK


def _shown(added: LabelsAdded) -> list[str]:
    """What became of the rows, as lines."""
    late = f", {added.late} of them more than a day after the prediction" if added.late else ""
    lines = [f"added {added.added} of {added.rows} labels{late}"]
    counts = {
        "replaced a stored label": added.replaced,
        "already stored": added.duplicate,
        "differ from the label that is stored, which was kept (--replace stores the new one)": added.conflicting,
        "without a prediction in the store": added.unknown,
        "without a label or an id": added.missing,
        "with a label that the model does not have": added.invalid,
    }
    return [*lines, *(f"  {number} {text}" for text, number in counts.items() if number)]
