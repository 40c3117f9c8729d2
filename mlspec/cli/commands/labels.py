"""`mlspec labels`: labels that arrive after their predictions."""

from __future__ import annotations

import click

from mlspec.cli.console import Console
from mlspec.cli.options import spec_options
from mlspec.cli.paths import PATH


@click.group()
def command() -> None:
    """Add labels that arrive after their predictions: `mlspec labels add FILE`."""


@command.command(short_help="Add the labels in a file to their predictions.")
@click.argument("file", type=PATH, required=False)
@spec_options
@click.option("--replace", is_flag=True, help="Let labels replace stored ones that differ. Default: the first is kept.")
def add(file: str | None, spec: str | None, env: str | None, as_json: bool, replace: bool) -> int:
    """Add the labels in FILE (.csv, .tsv, .parquet, .jsonl) to the predictions that they belong to.

    Columns: `id`, or `request_id` (and `row`, from 0); `label` or `value`; optionally `time`. Without FILE the labels
    come from `monitor.labels` in the spec.
    """
    from mlspec.cli.labelling import add_labels

    return add_labels(Console(as_json=as_json), spec, env, file, replace=replace)
