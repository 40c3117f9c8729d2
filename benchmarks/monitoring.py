"""The report of the prediction store: from raw Parquet files and from hourly profiles, against Evidently.

    nice python -m benchmarks.monitoring --rows 10_000_000 --evidently 1_000_000

Each measured step is a process of its own on at most two cores: 15 columns (8 numbers, 6 categories, a text). Evidently
has an environment of its own, the folder `--environment`; without it the comparison is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

START = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 30
END = START + timedelta(days=DAYS)
NUMBERS = tuple(f"number_{at}" for at in range(8))
CATEGORIES = tuple(f"category_{at}" for at in range(6))
SIZES = (3, 10, 50, 200, 1000, 20)
WORDS = np.array([f"word{at}" for at in range(5000)])
BATCH = 250_000
MOST_ROWS, MEMORY, SECONDS = 10_000_000, 1e9 / 2**20, {"raw": 60.0, "profiles": 2.0}
"""The rows for which the memory in MiB and the seconds of two steps are asked."""
STEPS = ("fill", "raw", "seal", "profiles", "export")


def columns(rng: np.random.Generator, rows: int) -> dict[str, pa.Array]:
    """Values of 14 columns, 1 % of them missing, and a text of three to twelve words."""
    values: dict[str, pa.Array] = {}
    for at, name in enumerate(NUMBERS):
        numbers = rng.lognormal(size=rows) if at % 2 else rng.normal(size=rows)
        values[name] = pa.array(numbers, mask=rng.random(rows) < 0.01)
    for name, size in zip(CATEGORIES, SIZES, strict=True):
        codes = np.minimum(rng.zipf(1.5, rows) - 1, size - 1).astype(np.int32)
        values[name] = pa.DictionaryArray.from_arrays(pa.array(codes), [f"{name}_{c}" for c in range(size)]).cast(
            pa.string()
        )
    lengths = rng.integers(3, 13, rows)
    words = rng.choice(WORDS, int(lengths.sum()))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values["text"] = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(words)), " ")
    return values


def artifacts(folder: Path, rows: int = 50_000) -> None:
    """The artifacts of a project, from which the reference is computed."""
    import pyarrow.parquet as pq

    rng = np.random.default_rng(1)
    kinds = {**dict.fromkeys(NUMBERS, "number"), **dict.fromkeys(CATEGORIES, "category"), "text": "text"}
    schema = {
        "inputs": {name: {"type": kind} for name, kind in kinds.items()},
        "target": {"column": "label", "type": "class", "labels": ["no", "yes"]},
    }
    for name in ("data", "evaluate", "bundle"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "data" / "schema.json").write_text(json.dumps(schema))
    for split in ("train", "test"):
        labels = rng.integers(0, 2, rows)
        pq.write_table(pa.table(columns(rng, rows) | {"label": labels}), folder / "data" / f"{split}.parquet")
    yes = rng.beta(2, 2, rows)
    names = np.array(["no", "yes"])
    predicted = {
        "actual": names[labels],
        "predicted": names[(yes >= 0.5).astype(int)],
        "confidence": np.maximum(yes, 1 - yes),
        "probabilities": np.stack([1 - yes, yes], axis=1).tolist(),
    }
    pq.write_table(pa.table(predicted), folder / "evaluate" / "predictions.parquet")
    signature = {
        "version": 1,
        "name": "benchmark",
        "task": "classification",
        "inputs": [{"name": name, "type": kind} for name, kind in kinds.items()],
        "output": {"labels": ["no", "yes"]},
        "graph": {"inputs": ["x"], "output": "logits"},
    }
    (folder / "bundle" / "signature.json").write_text(json.dumps(signature))


def predictions(rng: np.random.Generator, first: int, rows: int, total: int) -> pa.Table:
    """Predictions `first`, … of `total`, spread over DAYS."""
    numbers = np.arange(first, first + rows)
    micros = int(START.timestamp() * 1e6) + numbers * (DAYS * 86_400_000_000 // total)
    inputs = columns(rng, rows)
    yes = rng.beta(2, 2, rows)
    texts = inputs["text"]
    words = pc.add(pc.count_substring(texts, " "), 1)
    return pa.table(
        {
            "id": pa.array([f"{n:032x}" for n in numbers]),
            "time": pa.array(micros, pa.timestamp("us", "UTC")),
            "request_id": pa.array(numbers).cast(pa.string()),
            "row": pa.array(np.zeros(rows), pa.int32()),
            "version": pa.array(np.where(rng.random(rows) < 0.1, "8", "7")),
            "status": pa.array(np.full(rows, 200), pa.int32()),
            "outcome": pa.array(["success"] * rows),
            "latency_ms": rng.lognormal(2, 0.5, rows),
            "weight": np.ones(rows),
            **{f"input.{name}": values for name, values in inputs.items()},
            "characters.text": pc.utf8_length(texts).cast(pa.float64()),
            "words.text": words.cast(pa.float64()),
            "label": np.where(yes >= 0.5, "yes", "no"),
            "score": np.maximum(yes, 1 - yes),
            "probability.no": 1 - yes,
            "probability.yes": yes,
        }
    )


def fill(folder: Path, rows: int) -> None:
    """A store with `rows` predictions in Parquet files by day, as sealing writes them."""
    from mlspec.monitoring.data_files import write_rows
    from mlspec.monitoring.duckdb_session import QueryLimits, session
    from mlspec.monitoring.log_table import days_of, rows_of

    rng = np.random.default_rng(2)
    artifacts(folder / "artifacts")
    with session(QueryLimits()) as connection:
        for first in range(0, rows, BATCH):
            table = predictions(rng, first, min(BATCH, rows - first), rows)
            for day in sorted(days_of(table)):
                write_rows(connection, folder / "store" / "data" / day.isoformat(), rows_of(table, day), ())
            print(f"\r{first + table.num_rows:,} of {rows:,} rows", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def step(name: str, folder: Path) -> None:
    """One step, in a process of its own: the peak memory of a process includes that of its parent when it started."""
    if name == "fill":
        fill(folder, int(folder.name))
        return
    if name == "export":
        export(folder)
        return
    from mlspec.monitoring.compute_reference import project_reference
    from mlspec.monitoring.duckdb_session import QueryLimits
    from mlspec.monitoring.prediction_store import PredictionStore
    from mlspec.monitoring.profile_report import report
    from mlspec.records.bundle_signature import BundleSignature

    reference = project_reference(folder / "artifacts", folder / "store" / "state")
    signature = BundleSignature.read(folder / "artifacts")
    store = PredictionStore(folder / "store", signature, reference=reference, limits=QueryLimits(threads=2))
    if name == "seal":
        store.seal()
        return
    profiles = store.profile(START, END) if name == "raw" else store.profiles(START, END)
    shown = report(profiles, reference)
    assert shown.predictions
    assert len(shown.columns) == 15
    assert all(c.measures[0].psi for c in shown.columns)
    stability = [c.measures[0].psi for c in shown.columns]
    print(f"{shown.predictions:,} predictions, largest net psi {max(p.net for p in stability if p):.3f}")


EVIDENTLY = """
import sys, pandas as pd
from evidently import Report, Dataset, DataDefinition
from evidently.presets import DataDriftPreset
live, known = (pd.read_parquet(path) for path in sys.argv[1:3])
numbers = [c for c in live if live[c].dtype.kind == "f"]
texts = ["text_length"]
definition = DataDefinition(numerical_columns=numbers, categorical_columns=[c for c in live if c not in numbers])
current, reference = (Dataset.from_pandas(frame, data_definition=definition) for frame in (live, known))
result = Report([DataDriftPreset()]).run(current, reference)
print(len(result.dict()["metrics"]), "metrics")
"""


def evidently(environment: Path) -> Path | None:
    """The interpreter of the environment; None, with the commands that create it, if Evidently cannot be imported."""
    python = environment / "bin" / "python"
    if python.is_file() and not subprocess.run([str(python), "-c", "import evidently"], capture_output=True).returncode:
        return python
    print(
        f"Evidently cannot be imported in {environment}; the comparison is left out. help: "
        f"python -m venv {environment} && {python} -m pip install evidently 'pandas<3' pyarrow"
    )
    return None


def compared(folder: Path, python: Path, times: dict[str, tuple[float, float]], rows: int) -> None:
    """Evidently on the same rows, and the ratios of its time to ours."""
    run_step("export", folder)
    (folder / "drift.py").write_text(EVIDENTLY)
    files = [str(folder / name) for name in ("drift.py", "live.parquet", "known.parquet")]
    seconds, cpu, memory = measured([str(python), *files], folder)
    print(f"{rows:>11,} rows  {'Evidently':24} {seconds:7.2f} s  {cpu:7.2f} s of CPU  {memory:6.0f} MiB")
    for name in ("raw", "profiles"):
        ratio, of_cpu = seconds / times[name][0], cpu / times[name][1]
        enough = "yes" if ratio >= 10 else "NO"
        print(f"  its time / ours, from {name:9} {ratio:6.1f} (CPU {of_cpu:.1f})   at least 10: {enough}")


def export(folder: Path) -> None:
    """The same predictions as two tables, as a user of Evidently would have them: live and reference."""
    import pyarrow.parquet as pq

    from mlspec.monitoring.prediction_store import PredictionStore
    from mlspec.records.bundle_signature import BundleSignature

    names = [*NUMBERS, *CATEGORIES]
    selected = ", ".join(f'"input.{name}" AS {name}' for name in names) + ', "characters.text" AS text_length'
    store = PredictionStore(folder / "store", BundleSignature.read(folder / "artifacts"))
    pq.write_table(store.query(f"SELECT {selected} FROM predictions"), folder / "live.parquet")
    known = pq.read_table(folder / "artifacts" / "data" / "train.parquet")
    lengths = pc.utf8_length(known["text"]).cast(pa.float64())
    pq.write_table(known.select(names).append_column("text_length", lengths), folder / "known.parquet")


def measured(command: list[str], folder: Path) -> tuple[float, float, float]:
    """Seconds on the clock, seconds of processor, and peak memory in MiB of a process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=Path(__file__).resolve().parent.parent)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} failed in {folder}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def run_step(name: str, folder: Path) -> tuple[float, float, float]:
    """Seconds on the clock, seconds of processor, and peak memory in MiB of a step."""
    return measured([sys.executable, "-m", "benchmarks.monitoring", "--step", name, "--folder", str(folder)], folder)


def limits(name: str, rows: int, seconds: float, memory: float) -> None:
    """What is asked of 10 million rows, beside what was measured."""
    if rows < MOST_ROWS or name not in SECONDS:
        return
    bound = SECONDS[name]
    print(f"  seconds, at most {bound:g}: {'yes' if seconds <= bound else 'NO'}")
    print(f"  MiB, at most {MEMORY:g}: {'yes' if memory <= MEMORY else 'NO'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--evidently", type=int, default=0, metavar="ROWS", help="compare with Evidently on ROWS rows")
    environment = Path.home() / ".cache" / "mlspec" / "evidently"
    parser.add_argument("--environment", type=Path, default=environment, help="virtual environment with Evidently")
    parser.add_argument("--folder", type=Path, help="keep the data in this folder")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        step(options.step, options.folder)
        return
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as temporary:
        for rows in dict.fromkeys(n for n in (options.rows, options.evidently) if n):
            folder = (options.folder or Path(temporary)) / str(rows)
            if not (folder / "filled").is_file():
                run_step("fill", folder)
                (folder / "filled").touch()
            times = {}
            for name in ("raw", "seal", "profiles"):
                seconds, cpu, memory = run_step(name, folder)
                times[name] = seconds, cpu
                label = {"seal": "profiles written", "raw": "report from raw", "profiles": "report from profiles"}[name]
                print(
                    f"{rows:>11,} rows  {label:24} {seconds:7.2f} s  {cpu:7.2f} s of CPU  {memory:6.0f} MiB",
                    flush=True,
                )
                limits(name, rows, seconds, memory)
            if rows == options.evidently and (python := evidently(options.environment)):
                compared(folder, python, times, rows)
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
