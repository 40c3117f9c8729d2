"""`mlspec monitor pull`: predictions from the log group of the function, or from lines, into the store."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from mlspec.cli.console import Console
from mlspec.cli.deployed import seen, shipped
from mlspec.cli.monitoring import served_model
from mlspec.cli.options import stage_context
from mlspec.errors import EXIT_OK, UsageError
from mlspec.monitoring.pull import pull, pull_lines
from mlspec.target_facts import TargetName
from mlspec.workspace.spec_file import find_spec


def pull_predictions(
    console: Console, spec: str | None, env: str | None, target: TargetName | None, file: str | None
) -> int:
    """Store what is new, and print the counts."""
    model = served_model(spec, env)
    if file is not None:
        with _opened(file) as lines:
            pulled = pull_lines(model.store, lines)
    else:
        where = find_spec(spec, env)
        context = stage_context(where.root, target)
        with seen(context):
            desired = shipped(where, context)
            pulled = pull(model.store, desired.target, desired.spec.log_group_name, datetime.now(UTC))
    if console.as_json:
        console.document({"ok": True, **asdict(pulled)})
    repeated = f", {pulled.duplicate} were stored already" if pulled.duplicate else ""
    console.out(f"added {pulled.added} predictions{repeated}")
    if pulled.other:
        console.out(f"  {pulled.other} lines are not predictions")
    return EXIT_OK


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(file).open("rb") as lines:
            yield lines
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}", help="--file names a file of JSON lines") from None
