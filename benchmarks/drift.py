"""False alarms and power of drift detection: against the usual tests per look, on streams, sentences and a table.

python benchmarks/drift.py [--seeds 200] [--only streams|sentences|table] [--cola FOLDER]
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from scipy.special import kolmogorov

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mlspec.monitoring.baseline.quantile_grid import QuantileGrid
from mlspec.monitoring.baseline.reference import Hashes, is_known
from mlspec.monitoring.drift.arrays import Floats
from mlspec.monitoring.drift.budget import Budget
from mlspec.monitoring.drift.column_reference import ColumnReference
from mlspec.monitoring.drift.domain_classifier import text_hashes
from mlspec.monitoring.drift.drift_alarm import Alarm, RowGroup
from mlspec.monitoring.drift.drift_monitor import DriftMonitor
from mlspec.monitoring.drift.live_rows import LiveRows
from mlspec.monitoring.drift.streams import Streams

COLUMNS, LOOKS, ROWS, REFERENCE = 20, 30, 1000, 5000
TOLERANCE = 0.015
BUDGET = Budget.of(1, 90, ROWS)
Look = Callable[[Floats, Floats], bool]
"""Whether one window raises an alarm: the sorted reference and the rows of the window."""


def p_values(reference: Floats, window: Floats) -> Floats:
    """Of the Kolmogorov-Smirnov test, by column (asymptotic)."""
    live = np.sort(window, axis=0)
    n, m = len(reference), len(live)
    steps = np.arange(1, m + 1) / m
    distances = []
    for known, values in zip(reference.T, live.T, strict=True):
        cdf = np.searchsorted(known, values, "right") / n
        distances.append(max(np.max(np.abs(steps - cdf)), np.max(np.abs(steps - 1 / m - cdf))))
    result: Floats = kolmogorov(np.array(distances) * np.sqrt(n * m / (n + m)))
    return result


def stability(reference: Floats, window: Floats) -> float:
    """The largest population stability index of any column, in ten bins."""
    indices = []
    for known, values in zip(reference.T, window.T, strict=True):
        edges = known[(len(known) * np.arange(1, 10)) // 10]
        share = np.maximum(np.bincount(np.searchsorted(edges, values), minlength=10) / len(values), 1e-4)
        indices.append(float(np.sum((share - 0.1) * np.log(share / 0.1))))
    return max(indices)


PER_LOOK: dict[str, Look] = {
    "KS p < 0.05 per look": lambda r, w: bool(np.min(p_values(r, w)) < 0.05),
    "KS Bonferroni per look": lambda r, w: bool(np.min(p_values(r, w)) < 0.05 / COLUMNS),
    "KS Bonferroni, all looks": lambda r, w: bool(np.min(p_values(r, w)) < 0.05 / COLUMNS / LOOKS),
    "PSI > 0.2 per look": lambda r, w: stability(r, w) > 0.2,
    "PSI > 0.1 per look": lambda r, w: stability(r, w) > 0.1,
}


@dataclass(frozen=True)
class Outcome:
    """Of one stream: the rows at the first alarm, or None."""

    method: str
    rows: int | None


def monitor(reference: Floats, tolerance: float = TOLERANCE) -> DriftMonitor:
    columns = tuple(ColumnReference.of_numbers(str(i), c) for i, c in enumerate(reference.T))
    return DriftMonitor({"": Streams(columns, tolerance)}, BUDGET)


def first_alarm(watched: DriftMonitor, values: Floats) -> int | None:
    for start in range(0, len(values), ROWS):
        part = values[start : start + ROWS]
        numbers = {str(i): c for i, c in enumerate(part.T)}
        watched.update(RowGroup(), LiveRows([""] * len(part), np.zeros(len(part)), numbers))
        if alarms := watched.alarms():
            return min(a.row for a in alarms) + 1
    return None


def stream(seed: int, rows: int, shift: float) -> Iterator[Outcome]:
    draws = np.random.default_rng(seed)
    reference, values = draws.normal(size=(REFERENCE, COLUMNS)), draws.normal(size=(rows, COLUMNS))
    values[:, 0] += shift
    yield Outcome("e-detectors, 1 per 90d", first_alarm(monitor(reference), values))
    known = np.sort(reference, axis=0)
    for name, look in PER_LOOK.items():
        looks = (end for end in range(ROWS, rows + 1, ROWS) if look(known, values[end - ROWS : end]))
        yield Outcome(name, next(looks, None))


def table(title: str, outcomes: list[Outcome], seeds: int) -> None:
    print(f"\n{title}\n{'':28}{'streams with an alarm':>22}{'median rows':>13}{'90 %':>8}")
    for name in dict.fromkeys(o.method for o in outcomes):
        rows = [o.rows for o in outcomes if o.method == name]
        seen = np.array([np.inf if r is None else r for r in rows])
        share = f"{np.mean(np.isfinite(seen)):.1%}"
        middle, most = np.quantile(seen, [0.5, 0.9], method="higher")
        print(f"{name:28}{share:>22}{middle:>13,.0f}{most:>8,.0f}")
    print(f"({seeds} seeds)", flush=True)


def streams(seeds: int) -> None:
    print(f"{COLUMNS} normal columns, reference {REFERENCE:,} rows, tolerance {TOLERANCE}")
    print(f"budget {BUDGET.rows:,.0f} rows: at most {LOOKS * ROWS / BUDGET.rows:.0%} of streams with a false alarm")
    for shift, rows in ((0.5, 2000), (0.3, 3000), (0.2, 5000)):
        found = [o for seed in range(seeds) for o in stream(1000 + seed, rows, shift)]
        table(f"one column shifted by {shift} sd from the first row", found, seeds)
    found = [o for seed in range(seeds) for o in stream(seed, LOOKS * ROWS, 0.0)]
    table(f"no change, {LOOKS} looks of {ROWS} rows", found, seeds)


BATCHES = 250
SHIFTED = ("ks08", "l-93")


@dataclass(frozen=True)
class Sentence:
    """What drift detection reads of one sentence."""

    source: str
    characters: int
    words: int
    hashes: Hashes


def corpus(folder: Path) -> list[Sentence]:
    """CoLA: source, label, mark, sentence."""
    lines = (folder / "in_domain_train.tsv").read_text(encoding="utf-8").splitlines()
    fields = [line.split("\t") for line in lines]
    return [Sentence(f[0], len(f[3]), len(f[3].split()), text_hashes(f[3])) for f in fields]


def unknown(texts: Sequence[Sentence], vocabulary: Hashes) -> Floats:
    return np.array([1 - is_known(t.hashes, vocabulary).mean() if len(t.hashes) else 0.0 for t in texts])


def text_streams(train: Sequence[Sentence], test: Sequence[Sentence]) -> tuple[Streams, Hashes]:
    vocabulary = np.unique(np.concatenate([t.hashes for t in train]))
    columns = (
        ColumnReference.of_numbers("characters.sentence", np.array([float(t.characters) for t in train])),
        ColumnReference.of_numbers("words.sentence", np.array([float(t.words) for t in train])),
        ColumnReference.of_share("unseen.sentence", QuantileGrid.of(unknown(test, vocabulary))),
        ColumnReference.of_pairs("domain.sentence", len(test)),
    )
    return Streams(columns, TOLERANCE, {"sentence": [t.hashes for t in test]}), vocabulary


def sentences_stream(train: Sequence[Sentence], test: Sequence[Sentence], live: Sequence[Sentence]) -> list[Alarm]:
    """The alarms of a stream of sentences, up to the first batch that raises one."""
    streams, vocabulary = text_streams(train, test)
    watched = DriftMonitor({"": streams}, BUDGET)
    for start in range(0, len(live), BATCHES):
        part = live[start : start + BATCHES]
        numbers = {
            "characters.sentence": np.array([float(t.characters) for t in part]),
            "words.sentence": np.array([float(t.words) for t in part]),
            "unseen.sentence": unknown(part, vocabulary),
        }
        texts = {"sentence": [t.hashes for t in part]}
        watched.update(RowGroup(), LiveRows([""] * len(part), np.zeros(len(part)), numbers, texts=texts))
        if alarms := watched.alarms():
            return alarms
    return []


def sentences(seeds: int) -> None:
    every = corpus(COLA)
    there = [t for t in every if t.source in SHIFTED]
    here = [t for t in every if t.source not in SHIFTED]
    print(f"\nCoLA: {len(here):,} sentences of 15 sources, then {len(there):,} of {' and '.join(SHIFTED)}; 1 per 90d")
    found: list[Outcome] = []
    for seed in range(seeds):
        draws = np.random.default_rng(seed)
        a, b = ([group[i] for i in draws.permutation(len(group))] for group in (here, there))
        alarms = sentences_stream(a[:2500], a[2500:4000], [*a[4000:5000], *b[:3000]])
        late = {alarm.column: alarm.row + 1 - 1000 for alarm in alarms}
        found.append(Outcome("sources change", min(late.values(), default=None)))
        found += [Outcome(f"  {column}", rows) for column, rows in late.items()]
        mixed = [every[i] for i in draws.permutation(len(every))]
        calm = sentences_stream(mixed[:2500], mixed[2500:4000], mixed[4000:])
        found.append(Outcome("random order", min((alarm.row + 1 for alarm in calm), default=None)))
    table("rows after the change (random order: from the first row)", found, seeds)


def penguins() -> tuple[dict[str, Floats], dict[str, list[str | None]]]:
    """The number and the category columns of the table of the starter."""
    path = Path(__file__).resolve().parents[1] / "templates" / "init" / "tabular" / "data" / "penguins.csv"
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    measured = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
    numbers = {n: np.array([float(r[n]) if r[n] not in ("", "NA") else np.nan for r in rows]) for n in measured}
    return numbers, {n: [r[n] if r[n] not in ("", "NA") else None for r in rows] for n in ("island", "sex")}


INCIDENTS: dict[str, Callable[[dict[str, Floats]], dict[str, Floats]]] = {
    "no change": lambda n: n,
    "a column in other units (1/1000)": lambda n: n | {"body_mass_g": n["body_mass_g"] / 1000},
    "a column scaled by 1.05": lambda n: n | {"bill_length_mm": n["bill_length_mm"] * 1.05},
    "two columns swapped": lambda n: n | {"bill_length_mm": n["bill_depth_mm"], "bill_depth_mm": n["bill_length_mm"]},
    "a column missing": lambda n: n | {"flipper_length_mm": np.full(len(n["flipper_length_mm"]), np.nan)},
}


def penguin_stream(seed: int, name: str) -> Outcome:
    numbers, categories = penguins()
    draws = np.random.default_rng(seed)
    known, rows = draws.permutation(344)[:260], draws.integers(0, 344, LOOKS * 100)
    columns = [ColumnReference.of_numbers(n, v[known]) for n, v in numbers.items()]
    columns += [ColumnReference.of_categories(n, [v[i] for i in known]) for n, v in categories.items()]
    watched = DriftMonitor({"": Streams(tuple(columns), TOLERANCE)}, BUDGET)
    live = INCIDENTS[name]({n: v[rows] for n, v in numbers.items()})
    texts = {n: [v[i] for i in rows] for n, v in categories.items()}
    whole = LiveRows([""] * len(rows), np.zeros(len(rows)), live, texts)
    for start in range(0, len(rows), 100):
        at = np.arange(len(rows)) // 100 == start // 100
        watched.update(RowGroup(), whole.where(at))
        if alarms := watched.alarms():
            return Outcome(name, min(a.row + 1 for a in alarms))
    return Outcome(name, None)


def penguins_table(seeds: int) -> None:
    print("\nPenguins: 260 reference rows, live rows drawn from all 344; 4 number and 2 category columns; 1 per 90d")
    found = [penguin_stream(seed, name) for name in INCIDENTS for seed in range(seeds)]
    table(f"{LOOKS * 100:,} rows each", found, seeds)


PARTS: dict[str, Callable[[int], None]] = {"streams": streams, "sentences": sentences, "table": penguins_table}
COLA = Path("cola")


def main() -> None:
    global COLA
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--only", choices=sorted(PARTS))
    parser.add_argument("--cola", type=Path, help="folder with in_domain_train.tsv")
    options = parser.parse_args()
    if options.cola is None:
        PARTS.pop("sentences")
    else:
        COLA = options.cola
    for name, part in PARTS.items():
        if options.only in (None, name):
            start = perf_counter()
            part(options.seeds)
            print(f"{name}: {perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
