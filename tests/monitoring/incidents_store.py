"""A store full of incidents, observed once for all tests that read the state."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pyarrow as pa

from mlspec.monitoring.label_store import LabelStore
from mlspec.monitoring.monitor_state import ActiveAlarm, MonitorState
from mlspec.monitoring.observation import Observation
from mlspec.monitoring.watched_model import WatchedModel
from tests.monitoring.references import SLICED
from tests.monitoring.watched import Service

ALERTS = {"error_rate": "> 0.05", "min_requests": 20}


def incidents_state() -> MonitorState:
    """What is shown of it."""
    return incidents().state


@cache
def incidents_model() -> WatchedModel:
    """The model of the store."""
    return _service().model


@cache
def incidents() -> Observation:
    """The observation of the store."""
    return _service().observe()


@cache
def _service() -> Service:
    """Version 7 moves and stays right; version 8 moves, is often wrong, and fails requests. The test split has two of
    the three towns."""
    folder = Path(mkdtemp(prefix="mlspec-incidents-"))
    service = Service(folder, reference=SLICED, quality={"slices": ["town"]}, alerts=ALERTS)
    service.answer(600)
    service.answer(500, age=48)
    service.answer(500, age=48, version="8")
    service.fail(60, version="8")
    service.answer(10, age=48)  # both versions answer
    rows = service.model.store.query(
        "SELECT request_id, label, version FROM predictions WHERE label IS NOT NULL ORDER BY time"
    ).to_pylist()
    random, other = np.random.default_rng(0), {"yes": "no", "no": "yes"}
    wrong = {"7": 0.2, "8": 0.6}
    labels = [
        {
            "request_id": row["request_id"],
            "label": other[row["label"]] if draw < wrong[row["version"]] else row["label"],
        }
        for row, draw, given in zip(rows, random.random(len(rows)), random.random(len(rows)), strict=True)
        if given < 0.5
    ]
    LabelStore(service.model.store).add(pa.Table.from_pylist(labels), service.now)
    return service


def alarm(name: str) -> ActiveAlarm:
    """The alarm whose id begins with `name`."""
    return next(each for each in incidents_state().alarms if each.id.startswith(name))
