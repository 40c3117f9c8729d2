"""Columns of a reference and of live data, and the report of the prediction log on them: for comparisons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlspec.monitoring.baseline.quantile_grid import QuantileGrid
from mlspec.monitoring.baseline.reference import CategoryReference, NumberReference, Reference
from mlspec.monitoring.drift.column_reference import ColumnReference
from mlspec.monitoring.drift.detector import Detector
from mlspec.monitoring.drift.detector_state import Crossing, DetectorState
from mlspec.monitoring.drift.live_rows import LiveRows
from mlspec.monitoring.drift.streams import Streams
from mlspec.monitoring.prediction_store import PredictionStore
from mlspec.monitoring.profile_report import ColumnReport, report
from mlspec.records.bundle_signature import BundleSignature, SignatureGraph, SignatureInput, SignatureOutput
from tests.monitoring.log_lines import DAY, line, segment

KNOWN, LIVE = 4000, 1000


class Case(NamedTuple):
    """A column: numbers have NaN and categories the empty text where a value is missing."""

    known: np.ndarray
    live: np.ndarray


def numbers() -> dict[str, Case]:
    draw = np.random.default_rng(0)
    normal, counts = draw.normal(size=KNOWN), draw.poisson(3, KNOWN).astype(float)
    zeros = np.where(draw.random(KNOWN) < 0.6, 0.0, draw.exponential(1, KNOWN))
    few = np.full(LIVE, np.nan)
    few[:137] = draw.normal(0.2, 1, 137)
    return {
        "unchanged": Case(normal, draw.normal(size=LIVE)),
        "shifted": Case(normal, draw.normal(0.3, 1, LIVE)),
        "wider": Case(normal, draw.normal(0, 1.5, LIVE)),
        "few_rows": Case(normal, few),
        "missing": Case(holes(draw, normal, 0.3), holes(draw, draw.normal(0.2, 1, LIVE), 0.5)),
        "ties": Case(counts, draw.poisson(4, LIVE).astype(float)),
        "half_numbers": Case(counts, draw.poisson(3, LIVE) + 0.5),
        "zeros": Case(zeros, np.where(draw.random(LIVE) < 0.4, 0.0, draw.exponential(1, LIVE))),
        "below_the_zeros": Case(zeros, np.where(draw.random(LIVE) < 0.6, -0.001, draw.exponential(1, LIVE))),
        "limit": Case(np.minimum(normal, 0.3), draw.normal(size=LIVE)),
        "constant": Case(np.full(KNOWN, 5.0), np.full(LIVE, 5.0)),
        "constant_rose": Case(np.full(KNOWN, 5.0), np.full(LIVE, 6.0)),
        "constant_fell": Case(np.full(KNOWN, 5.0), np.full(LIVE, 4.0)),
        "heavy_tails": Case(draw.standard_cauchy(KNOWN), 2 * draw.standard_cauchy(LIVE)),
        "huge": Case(1e12 * normal, 1e12 * draw.normal(0.1, 1, LIVE)),
    }


def categories() -> dict[str, Case]:
    draw = np.random.default_rng(1)
    towns, many = np.array(["Bonn", "Köln", "Ulm"]), np.array([f"shop {n}" for n in range(40)])

    def drawn(names: np.ndarray, rows: int, weights: object) -> np.ndarray:
        shares = np.asarray(weights, dtype=float)
        return draw.choice(names, rows, p=shares / shares.sum())

    known, wide = drawn(towns, KNOWN, [6, 3, 1]), np.append(towns, "Trier")
    absent = draw.random((2, KNOWN)) < 0.2
    return {
        "same": Case(known, drawn(towns, LIVE, [6, 3, 1])),
        "slightly": Case(known, drawn(towns, LIVE, [60, 32, 8])),
        "mixed": Case(known, drawn(towns, LIVE, [1, 3, 6])),
        "two": Case(drawn(towns[:2], KNOWN, [6, 4]), drawn(towns[:2], LIVE, [4, 6])),
        "gone": Case(known, drawn(towns[:2], LIVE, [6, 3])),
        "unseen": Case(known, drawn(wide, LIVE, [6, 2, 1, 1])),
        "empty": Case(np.where(absent[0], "", known), np.where(absent[1, :LIVE], "", drawn(wide, LIVE, [6, 3, 2, 1]))),
        "many": Case(drawn(many, KNOWN, np.arange(1, 41)), drawn(many, LIVE, np.arange(40, 0, -1))),
        "one": Case(np.full(KNOWN, "Bonn"), drawn(wide, LIVE, [90, 5, 3, 2])),
    }


def holes(draw: np.random.Generator, values: np.ndarray, share: float) -> np.ndarray:
    return np.where(draw.random(len(values)) < share, np.nan, values)


def reference(numeric: Mapping[str, Case], named: Mapping[str, Case]) -> Reference:
    columns: dict[str, NumberReference | CategoryReference] = {
        name: NumberReference(missing=int(np.isnan(case.known).sum()), values=QuantileGrid.of(case.known))
        for name, case in numeric.items()
    }
    for name, case in named.items():
        counted = Counter(case.known.tolist())
        absent = counted.pop("", 0)
        columns[name] = CategoryReference(missing=absent, counts=dict(counted.most_common()))
    return Reference(digest="of these cases", rows=KNOWN, columns=columns)


def reported(folder: Path, numeric: Mapping[str, Case], named: Mapping[str, Case]) -> dict[str, ColumnReport]:
    """By column: written as a server logs it, sealed, counted and read again."""
    signature = BundleSignature(
        name="cases",
        task="classification",
        inputs=(
            *(SignatureInput(name=name, type="number") for name in numeric),
            *(SignatureInput(name=name, type="category") for name in named),
        ),
        output=SignatureOutput(labels=("no", "yes")),
        graph=SignatureGraph(inputs=("x",), output="logits"),
    )
    live = {name: [None if np.isnan(v) else v for v in case.live.tolist()] for name, case in numeric.items()}
    live |= {name: [v or None for v in case.live.tolist()] for name, case in named.items()}
    rows = [
        line(n, DAY + timedelta(seconds=n), inputs={name: values[n] for name, values in live.items()}, lengths={})
        for n in range(LIVE)
    ]
    segment(folder, rows, "a-1-1-0")
    known = reference(numeric, named)
    store = PredictionStore(folder, signature, reference=known)
    store.seal()
    shown = report(store.profiles(DAY, DAY + timedelta(days=1)), known)
    return {column.name: column for column in shown.columns}


def crossings(known: np.ndarray, live: np.ndarray, budget: float, tolerance: float = 0.015) -> list[Crossing]:
    """Where a detector of one column finds a change, at most one false in `budget` rows."""
    streams = Streams((ColumnReference.of_numbers("x", known),), tolerance)
    detector = Detector(streams, budget, DetectorState.empty(len(streams.streams)))
    ids, times = [str(row) for row in range(len(live))], np.arange(len(live), dtype=np.float64)
    return detector.update(ids, times, streams.values(LiveRows(ids, times, {"x": live}), 0))
