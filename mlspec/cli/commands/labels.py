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
from mlspec.monitoring.project_store import FOLDER, needed_packages, project_store
from mlspec.workspace.spec_file import find_spec

if TYPE_CHECKING:
    from mlspec.monitoring.label_store import LabelsAdded


@click.group()
def command() -> None:
    """Labels that arrive after their predictions."""


@command.command()
@click.argument("file", type=PATH)
@spec_options
@click.option("--replace", is_flag=True, help="Let labels replace stored ones that differ. Default: the first is kept.")
@click.option("--folder", default=FOLDER, show_default=True, metavar="DIR", help="The prediction store.")
def add(file: str, spec: str | None, env: str | None, as_json: bool, replace: bool, folder: str) -> int:
    """Add the labels in FILE (.csv, .tsv, .parquet, .jsonl) to the predictions that they belong to.

    Columns: `id`, or `request_id` (and `row`, from 0); `label` or `value`; optionally `time`.
    """
    console = Console(as_json=as_json)
    where = find_spec(spec, env)
    store = project_store(where.root, folder)
    with needed_packages():
        from mlspec.monitoring.label_file import read_labels
        from mlspec.monitoring.label_store import LabelStore
    added = LabelStore(store).add(read_labels(Path(file)), datetime.now(UTC), replace=replace)
    if as_json:
        console.document({"ok": True, **asdict(added)})
    for text in _shown(added):
        console.out(text)
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
