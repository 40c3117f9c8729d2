"""A served model with a store of synthetic predictions that are as in the reference of `references`, or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from mlspec.monitoring.baseline.reference import Reference
from mlspec.monitoring.observation import Observation, Observer
from mlspec.monitoring.panel_data import ViewedRange
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.sections.monitor import Monitor
from tests.monitoring.log_lines import DAY, REGRESSION, SIGNATURE, failure, line, segment
from tests.monitoring.references import REFERENCE


class Service:
    """Predictions arrive one second after the other; `now` is the time of the next one."""

    def __init__(
        self, folder: Path, start: datetime = DAY, *, reference: Reference = REFERENCE, **options: Any
    ) -> None:
        defaults = {"drift": {"traffic": "1000 per 1d"}, "alerts": {"error_rate": "> 0.05", "min_requests": 20}}
        self.options = Monitor.model_validate(defaults | options)
        self.folder, self.start = folder, start
        self.count = 0
        self.signature = SIGNATURE if reference.classes is not None else REGRESSION
        self._random = np.random.default_rng(0)
        state = folder / "state"
        state.mkdir(parents=True, exist_ok=True)
        (state / f"reference-{reference.digest}.json").write_text(reference.model_dump_json(), encoding="utf-8")

    @property
    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.count)

    @property
    def model(self) -> WatchedModel:
        return WatchedModel("shop", "", self.options, self.folder / "artifacts", self.folder, self.signature)

    def answer(
        self,
        rows: int,
        *,
        age: float = 40.0,
        version: str = "7",
        sentence: str = "as in training",
        towns: Mapping[str, str] | None = None,
    ) -> None:
        """Rows as in the reference, but for the mean of `age` and the text; `towns` has other names of towns."""
        self._log(self._prediction(age, version, sentence, towns or {}) for _ in range(rows))

    def fail(self, requests: int, version: str = "7", **values: Any) -> None:
        """Requests that the model fails on; `values` replace keys of their records."""
        self._log(failure(self._next(), version=version, time=self._time(), **values) for _ in range(requests))

    def observe(self, last: timedelta = timedelta(hours=6)) -> Observation:
        """An observation once all rows have settled."""
        now = self.now + timedelta(seconds=10)
        return Observer(self.model, now, ViewedRange(now - last, now)).observe()

    def labels(self, first: int, rows: int, right: float) -> list[dict[str, object]]:
        """Labels of the predictions from number `first` on, of which that share is as predicted."""
        random = np.random.default_rng(first)
        return [
            {"request_id": f"r{first + i}", "label": "yes" if random.random() < right else "no"} for i in range(rows)
        ]

    def _log(self, records: Iterator[dict[str, Any]]) -> None:
        begun = f"{self.now:%Y-%m-%d}"
        segment(self.folder, list(records), f"host-1-{self.count}-0", day=begun)

    def _next(self) -> int:
        self.count += 1
        return self.count

    def _time(self) -> str:
        return self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _prediction(self, age: float, version: str, sentence: str, towns: Mapping[str, str]) -> dict[str, Any]:
        number, draw = self._next(), self._random
        town = draw.choice(["Bonn", "Köln", "Trier"], p=[0.6, 0.38, 0.02])
        value = draw.normal(300_000, 90_000) if self.signature is REGRESSION else None
        yes = float(np.clip(draw.normal(0.7, 0.05), 0.5, 1))
        label = "yes" if draw.random() < 0.6 else "no"
        return line(
            number,
            self.now,
            version=version,
            inputs={
                "age": None if draw.random() < 0.02 else draw.normal(age, 10),
                "town": towns.get(str(town), str(town)),
                "sentence": sentence,
            },
            lengths={"sentence": {"characters": draw.normal(30, 5), "words": draw.normal(6, 1)}},
            prediction={"value": value}
            if value is not None
            else {
                "label": label,
                "score": yes,
                "probabilities": {label: yes, ("no" if label == "yes" else "yes"): 1 - yes},
            },
        )
