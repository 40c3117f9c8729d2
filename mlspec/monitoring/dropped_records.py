"""How many predictions the servers could not store: what they counted in `dropped/DAY/`, and what waits in `spool/`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, TypeAlias

from mlspec.monitoring.store_folders import StoreFolders
from mlspec.render.formatting import plural

Place: TypeAlias = Literal["log", "elasticsearch"]
"""Where predictions are missing."""
DroppedRecords: TypeAlias = dict[Place, Counter[str]]
"""Their number by place and reason."""
_KEYS: Final[dict[str, Place]] = {"dropped": "log", "elasticsearch": "elasticsearch"}
"""What a server writes, by place."""
_REASONS: Final = {
    "queue_full": "the queue was full",
    "write_error": "they could not be written",
    "dropped": "spool and memory were full",
    "refused": "Elasticsearch refused them",
    "failure_store": "they do not fit its fields",
}
_LATE: Final = timedelta(minutes=5)
"""A prediction that waits for Elasticsearch for longer is reported."""
_SHOWN: Final = {
    "log": "not in the log ({}), and in none of the numbers. The output of the server has the cause",
    "elasticsearch": "not in the data stream of Elasticsearch ({}), so Kibana does not show them. The numbers here "
    "have them if the log does",
}


def dropped_records(folders: StoreFolders, since: datetime, until: datetime) -> DroppedRecords:
    """The number by place and reason in `since` <= time < `until`. Damaged lines are skipped."""
    total: DroppedRecords = {}
    for day in folders.days(folders.dropped):
        if since.date() <= day <= until.date():
            for path in sorted((folders.dropped / day.isoformat()).glob("*.jsonl")):
                for time, place, counts in _lines(path):
                    if since <= time < until:
                        total.setdefault(place, Counter()).update(counts)
    return total


def dropped_notes(dropped: DroppedRecords) -> Iterator[str]:
    """One sentence for each place."""
    for place, counts in sorted(dropped.items(), reverse=True):
        reasons = ", ".join(f"{count:,}: {_REASONS.get(reason, reason)}" for reason, count in counts.most_common())
        verb = "is" if counts.total() == 1 else "are"
        yield f"{plural(counts.total(), 'prediction')} of this range {verb} {_SHOWN[place].format(reasons)}"


def waiting_note(folders: StoreFolders, now: datetime) -> str:
    """That predictions have not reached Elasticsearch for a while; empty if none waits."""
    waiting = [path for path in folders.spool.iterdir() if ".jsonl" in path.name] if folders.spool.is_dir() else []
    since = min((moment for path in waiting if (moment := _spooled_at(path))), default=None)
    if since is None or now - since < _LATE:
        return ""
    return (
        f"predictions since {since:%Y-%m-%d %H:%M} UTC wait for Elasticsearch, which does not accept them. The "
        "output of the server has the cause"
    )


def _spooled_at(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(path.name.partition("-")[0]) / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _lines(path: Path) -> Iterator[tuple[datetime, Place, dict[str, int]]]:
    for line in path.read_bytes().splitlines():
        try:
            record = json.loads(line)
            time = datetime.fromisoformat(record["time"])
            for key, place in _KEYS.items():
                counts = {str(reason): int(count) for reason, count in record.get(key, {}).items()}
                if counts:
                    yield (time.replace(tzinfo=UTC) if time.tzinfo is None else time), place, counts
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
