"""Streams of values to crossings: a column whose evidence reaches the threshold, and since which row it has changed.

What is found depends on the rows alone, bit for bit, and not on the blocks in which they arrive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.drift.detector_state import Crossing, DetectorState, Origin
from mlspec.monitoring.drift.evidence import CAP, DIRECTIONS, FRACTIONS, WEIGHTS, accumulate, changed_columns
from mlspec.monitoring.drift.mean_interval import Moments
from mlspec.monitoring.drift.streams import Streams

SAMPLE: Final = 20
"""How many rows an alarm shows."""
_ORIGIN_BET: Final = 1
"""The bet whose likelihood ratio dates a change: the second of FRACTIONS."""
_AFTER_CROSSING: Final = 128
"""Rows that are taken in at first, and after a crossing: a column that has changed may cross again soon."""
_ELEMENTS: Final = 200_000
"""Factors that are in memory at once."""


@dataclass
class Detector:
    """Evidence of all columns of one group of rows. `threshold` is that of a single column among `len(columns)`."""

    streams: Streams
    threshold: float
    state: DetectorState

    def update(self, ids: Sequence[str], times: Floats, values: Floats) -> list[Crossing]:
        """Take in rows (by row and stream), and return the crossings in their order."""
        crossings: list[Crossing] = []
        size = max(1, _ELEMENTS // max(1, values.shape[1] * DIRECTIONS * len(FRACTIONS)))
        for start in range(0, len(values), size):
            part = slice(start, start + size)
            crossings += self._block(ids[part], times[part], values[part])
        return crossings

    def _block(self, ids: Sequence[str], times: Floats, values: Floats) -> list[Crossing]:
        factors = self.streams.bets.factors(values)
        crossings: list[Crossing] = []
        start, size = 0, _AFTER_CROSSING
        while start < len(values):
            rows = slice(start, min(start + size, len(values)))
            before = self.state.sums.copy()
            observed = (~np.isnan(values[rows])).astype(np.float64)
            mixtures = accumulate(self.state.sums, factors[rows], observed)
            end = self._first_crossing(mixtures)
            if end is not None:
                self.state.sums = before
                rows = slice(start, start + end + 1)
                accumulate(self.state.sums, factors[rows], observed[: end + 1])
            self._remember(ids[rows], times[rows], values[rows], factors[rows])
            if end is not None:
                crossings += self._cross(mixtures[end], float(times[start + end]))
            start, size = rows.stop, _AFTER_CROSSING if end is not None else 4 * size
        return crossings

    def evidence(self) -> Floats:
        """By column, since the detector last started again."""
        mixtures: Floats = np.minimum(self.state.sums @ WEIGHTS, CAP)
        result: Floats = self._evidence(mixtures[None])[0]
        return result

    def _evidence(self, mixtures: Floats) -> Floats:
        """By row and column."""
        result: Floats = mixtures.mean(axis=-1) @ self.streams.weights
        return result

    def _first_crossing(self, mixtures: Floats) -> int | None:
        """The first step at which any column is found to have changed."""
        evidence = self._evidence(mixtures)
        likely = np.flatnonzero(evidence.max(axis=1, initial=0.0) * evidence.shape[1] >= self.threshold)
        for step in likely:
            if changed_columns(evidence[step], self.threshold).any():
                return int(step)
        return None

    def _cross(self, mixtures: Floats, time: float) -> list[Crossing]:
        evidence = self._evidence(mixtures[None])[0]
        crossings = []
        for column in np.flatnonzero(changed_columns(evidence, self.threshold)):
            streams = np.flatnonzero(self.streams.column_of == column)
            weights = self.streams.weights[streams, column]
            best = np.unravel_index(np.argmax(mixtures[streams] * weights[:, None]), (len(streams), DIRECTIONS))
            stream, direction = int(streams[best[0]]), int(best[1])
            at = (stream, direction)
            before = Moments(*self.state.origin_moments[at])
            origin = Origin(int(self.state.origin_row[at]), float(self.state.origin_time[at]), before)
            ids = self.state.recent[stream][direction]
            row = self.state.row - 1
            counted = self.moments(stream)
            crossings.append(
                Crossing(int(column), stream, direction, float(evidence[column]), row, time, origin, ids, counted)
            )
            self.state.forget(streams)
        return crossings

    def moments(self, stream: int) -> Moments:
        """Of all values of a stream so far."""
        return Moments(*self.state.moments[stream])

    def _remember(self, ids: Sequence[str], times: Floats, values: Floats, factors: Floats) -> None:
        """Update what dates a change: running sums, continued in the order of the rows."""
        state, steps = self.state, len(values)
        paths = np.cumsum(np.concatenate([state.path[None], np.log(factors[..., _ORIGIN_BET])]), axis=0)
        present = np.nan_to_num(values)
        counted = np.stack([(~np.isnan(values)).astype(np.float64), present, present**2], axis=-1)
        moments = np.cumsum(np.concatenate([state.moments[None], counted]), axis=0)
        candidates = np.concatenate([state.lowest[None], paths[:-1]])
        last = steps - np.argmin(candidates[::-1], axis=0)
        moved = last > 0
        at = np.maximum(last - 1, 0)
        stream = np.arange(values.shape[1])[:, None]
        state.lowest = np.take_along_axis(candidates, last[None], axis=0)[0]
        state.origin_row = np.where(moved, state.row + at, state.origin_row)
        state.origin_time = np.where(moved, times[at], state.origin_time)
        state.origin_moments = np.where(moved[..., None], moments[at, stream], state.origin_moments)
        state.path, state.moments, state.row = paths[-1], moments[-1], state.row + steps
        self._keep_ids(ids, values)

    def _keep_ids(self, ids: Sequence[str], values: Floats) -> None:
        means = self.streams.bets.means
        for direction, sides in enumerate((values > means, values < means)):
            for stream in range(values.shape[1]):
                latest = np.flatnonzero(sides[:, stream])[-SAMPLE:]
                kept = (*self.state.recent[stream][direction], *(ids[i] for i in latest))
                self.state.recent[stream][direction] = kept[-SAMPLE:]
