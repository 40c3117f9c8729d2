"""How many records of the prediction log the servers dropped: what they counted in `dropped/DAY/`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from mlspec.monitoring.store_folders import StoreFolders
from mlspec.render.formatting import plural

_REASONS: Final = {"queue_full": "the queue was full", "write_error": "they could not be written"}


def dropped_records(folders: StoreFolders, since: datetime, until: datetime) -> Counter[str]:
    """The number by reason in `since` <= time < `until`. Damaged lines are skipped."""
    total: Counter[str] = Counter()
    for day in folders.days(folders.dropped):
        if since.date() <= day <= until.date():
            for path in sorted((folders.dropped / day.isoformat()).glob("*.jsonl")):
                for time, counts in _lines(path):
                    if since <= time < until:
                        total.update(counts)
    return total


def dropped_note(counts: Counter[str]) -> str:
    """One sentence; empty if nothing was dropped."""
    if not counts.total():
        return ""
    reasons = ", ".join(f"{count:,}: {_REASONS.get(reason, reason)}" for reason, count in counts.most_common())
    verb = "is" if counts.total() == 1 else "are"
    return (
        f"{plural(counts.total(), 'prediction')} of this range {verb} not in the log ({reasons}), and in none of the "
        "numbers. The output of the server has the cause"
    )


def _lines(path: Path) -> Iterator[tuple[datetime, dict[str, int]]]:
    for line in path.read_bytes().splitlines():
        try:
            record = json.loads(line)
            time = datetime.fromisoformat(record["time"])
            counts = {str(reason): int(count) for reason, count in record["dropped"].items()}
            yield (time.replace(tzinfo=UTC) if time.tzinfo is None else time), counts
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
