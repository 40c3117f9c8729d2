"""Which alarms fire, since when: the memory between two runs, and the events that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from mlspec.job import write_text
from mlspec.monitoring.monitor_state import ActiveAlarm
from mlspec.monitoring.notifications import AlarmEvent


class RememberedAlarm(BaseModel):
    """An alarm that fired at the last run. `began` is part of the id of its events: it may fire again later."""

    model_config = ConfigDict(frozen=True)

    title: str
    since: datetime
    began: datetime


class RememberedAlarms(BaseModel):
    """The state file: alarms by id, and events that a channel may not have yet."""

    model_config = ConfigDict(frozen=True)

    alarms: Mapping[str, RememberedAlarm] = {}
    cleared: Mapping[str, RememberedAlarm] = {}


@dataclass(frozen=True, slots=True)
class AlarmChanges:
    """The alarms with the time since when they fire, and the events for the channels."""

    alarms: tuple[ActiveAlarm, ...]
    events: tuple[AlarmEvent, ...]


def remember(
    path: Path, project: str, alarms: Sequence[ActiveAlarm], now: datetime, *, store: bool = True
) -> AlarmChanges:
    """Compare the alarms with those of the last run, and store them; without `store` the next run sees no difference.

    An alarm that fired before keeps its time. An event is repeated by each run while its alarm fires, and once more
    after it cleared: a Notifier sends it once to each channel, also to one that was down.
    """
    known = _read(path)
    current = {
        alarm.id: known.alarms.get(alarm.id, RememberedAlarm(title=alarm.title, since=alarm.since, began=now))
        for alarm in alarms
    }
    cleared = {f"{id}@{old.began.isoformat()}": old for id, old in known.alarms.items() if id not in current}
    if store:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, RememberedAlarms(alarms=current, cleared=cleared).model_dump_json(indent=1) + "\n")
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    firing = [
        AlarmEvent(f"{a.id}@{current[a.id].began.isoformat()}", "firing", project, a.title, a.text, time)
        for a in alarms
    ]
    gone = [
        AlarmEvent(id, "cleared", project, old.title, f"It fired since {old.since:%Y-%m-%d %H:%M} UTC.", time)
        for id, old in {**known.cleared, **cleared}.items()
    ]
    kept = tuple(replace(alarm, since=min(current[alarm.id].since, alarm.since)) for alarm in alarms)
    return AlarmChanges(kept, (*firing, *gone))


def known_since(path: Path) -> Mapping[str, datetime]:
    """Since when the alarms of the last run fire, by id."""
    return {id: alarm.since for id, alarm in _read(path).alarms.items()}


def _read(path: Path) -> RememberedAlarms:
    try:
        return RememberedAlarms.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return RememberedAlarms()
