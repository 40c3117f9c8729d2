"""The server against FastAPI, BentoML, LitServe and MLServer, and against the model in the same process.

    python benchmarks/serving.py [--data FILE.tsv] [--model FOLDER] [--only text|tabular|logging] [--rounds N]

Every server runs the same ONNX graph with the same preprocessing (`mlspec.runtime.Predictor`), one server at a time,
its callers in one process beside it; the rounds are interleaved and the medians compared, so that what else the machine
does meets all of them. A peer comes in the settings that are best for one caller and for many; the best counts at each.
The peers are installed on demand, each in an environment of its own under `--cache`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import _models
from _logged_server import on
from _servers import CORES, HERE, Contender, contenders, cpu, started
from _text_data import sentences

from mlspec.runtime import Predictor

CLIENTS = 32
SLICE = 0.5
"""Seconds for which the prediction log is on or off."""


def load(port: int, contender: Contender, rows: list[dict[str, Any]], clients: int, seconds: float) -> dict[str, float]:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump([json.dumps(contender.body(row)) for row in rows], file)
        file.flush()
        command = [
            sys.executable,
            str(HERE / "_load.py"),
            str(port),
            contender.path,
            file.name,
            str(clients),
            str(seconds),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{contender.name}: {done.stderr}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def in_process(bundle: Path, rows: list[dict[str, Any]], seconds: float) -> tuple[float, float]:
    """Milliseconds of one call after the other, and the most rows a second: both the best of several ways."""
    calls = [best_call(Predictor(bundle, threads=threads), rows, seconds / 4) for threads in {1, CORES}]
    model = Predictor(bundle, threads=1)
    return min(calls), max(rate(model, rows, size, seconds / 4) for size in (8, 16))


def best_call(model: Predictor, rows: list[dict[str, Any]], seconds: float) -> float:
    took, end, number = [], time.perf_counter() + seconds, 0
    while (began := time.perf_counter()) < end:
        model.predict([rows[number % len(rows)]])
        took.append(time.perf_counter() - began)
        number += 1
    return statistics.median(took) * 1000


def rate(model: Predictor, rows: list[dict[str, Any]], size: int, seconds: float) -> float:
    """Rows a second of one single-threaded caller for each core, in batches of like length, tokens made anew."""
    counts = [0] * CORES
    end = time.perf_counter() + seconds

    def caller(which: int) -> None:
        start = which * 7
        while time.perf_counter() < end:
            # As many rows as 32 callers can have waiting, and the batches made of those: more would be hindsight.
            some = [rows[(start + i) % len(rows)] for i in range(32)]
            start += 32
            prepared = sorted(model.prepare(some), key=lambda pair: pair[0])
            for at in range(0, 32, size):
                model.compute([feature for _, feature in prepared[at : at + size]])
            counts[which] += 32

    callers = [threading.Thread(target=caller, args=(which,)) for which in range(CORES)]
    began = time.perf_counter()
    for one in callers:
        one.start()
    for one in callers:
        one.join()
    return sum(counts) / (time.perf_counter() - began)


@dataclass
class Found:
    """What was measured, round by round."""

    one: list[float] = field(default_factory=list)
    """Milliseconds, the median of one caller."""
    many: list[float] = field(default_factory=list)
    """Answers a second, to CLIENTS callers."""
    cpu: list[float] = field(default_factory=list)
    """Milliseconds of processor for one of these: what else runs on the machine changes it least."""


def measure(
    bundle: Path, rows: list[dict[str, Any]], options: argparse.Namespace, more: dict[str, Path]
) -> tuple[dict[str, Found], Found]:
    """Each server, and the model in process, in turn; `more` are other bundles that our own server is given as well."""
    everyone = [(c, bundle) for c in contenders(bundle)]
    everyone += [(replace(contenders(other)[0], name=name), other) for name, other in more.items()]
    everyone = [
        (c, b) for c, b in everyone if options.against is None or c.name.startswith(("mlspec", *options.against))
    ]
    found, alone = {c.name: Found() for c, _ in everyone}, Found()
    for _ in range(options.rounds):
        for contender, of in everyone:
            with started(contender, of, options.cache, rows[0]) as (port, session):
                load(port, contender, rows, 8, 1)
                found[contender.name].one.append(load(port, contender, rows, 1, options.seconds)["p50"])
                before = cpu(session)
                loaded = load(port, contender, rows, CLIENTS, options.seconds)
                found[contender.name].many.append(loaded["rate"])
                found[contender.name].cpu.append((cpu(session) - before) / loaded["answers"] * 1000)
            if contender.name == "mlspec":
                milliseconds, most = in_process(bundle, rows, options.seconds * 2)
                alone.one.append(milliseconds)
                alone.many.append(most)
    return found, alone


def told(title: str, found: dict[str, Found], alone: Found) -> tuple[float, float]:
    """Print the medians; give the best peer's."""
    print(f"{title}; medians of {len(alone.one)} interleaved rounds")
    print(f"  {'':20} {'1 caller':>10} {f'{CLIENTS} callers':>12} {'CPU each':>10}")
    for name, one in {**found, "in process, best": alone}.items():
        times = f"{statistics.median(one.one):7.2f} ms {statistics.median(one.many):10.0f}/s"
        print(f"  {name:20} {times} {statistics.median(one.cpu) if one.cpu else math.nan:7.2f} ms", flush=True)
    peers = [one for name, one in found.items() if not name.startswith("mlspec")]
    if not peers:
        return math.nan, math.nan
    return min(statistics.median(p.one) for p in peers), max(statistics.median(p.many) for p in peers)


def verdict(name: str, value: float, bound: float, least: bool = True) -> None:
    good = value >= bound if least else value <= bound
    print(f"  {name:58} {value:6.2f}   at {'least' if least else 'most '} {bound}: {'yes' if good else 'NO'}")


def text(options: argparse.Namespace) -> None:
    texts = sentences(options.data, 512)
    bundle = _models.text(options.cache / f"text-{'given' if options.model else 'random'}", texts, options.model)
    small = _models.int8(options.cache / f"int8-{'given' if options.model else 'random'}", bundle)
    found, alone = measure(bundle, [{"sentence": one} for one in texts], options, {"mlspec, int8": small})
    _, most = told("Transformer of 22M parameters", found, alone)
    ours, eight = found["mlspec"], statistics.median(found["mlspec, int8"].many)
    over = statistics.median(a - b for a, b in zip(ours.one, alone.one, strict=True))
    verdict("1 caller: milliseconds over the call in process", over, 0.5, least=False)
    many = statistics.median(ours.many)
    verdict(f"{CLIENTS} callers: answers / those of the best peer", many / most, 1.2)
    share = statistics.median(a / b for a, b in zip(ours.many, alone.many, strict=True))
    verdict(f"{CLIENTS} callers: answers / the most in process", share, 0.8)
    verdict(f"{CLIENTS} callers, int8: answers / the best peer's in fp32", eight / most, 2.0)


def tabular(options: argparse.Namespace) -> None:
    rows = _models.made_rows(256)
    bundle = _models.tabular(options.cache / "tabular", rows)
    found, alone = measure(bundle, rows, options, {})
    least, most = told("Small network on 8 numbers and 2 categories", found, alone)
    ours = found["mlspec"]
    verdict("1 caller: the best peer's time / ours", least / statistics.median(ours.one), 1.5)
    verdict(f"{CLIENTS} callers: answers / those of the best peer", statistics.median(ours.many) / most, 1.5)


def logging(options: argparse.Namespace) -> None:
    """The prediction log against none: one server switches it on and off twice a second; neighbours are compared."""
    rows = _models.made_rows(256)
    tabular_bundle = _models.tabular(options.cache / "tabular", rows)
    texts = sentences(options.data, 512) if options.data else ["a sentence of some words to log"] * 64
    text_bundle = _models.text(options.cache / f"text-{'given' if options.model else 'random'}", texts, options.model)
    for name, bundle, some in (
        ("tabular", tabular_bundle, rows),
        ("text", text_bundle, [{"sentence": one} for one in texts]),
    ):
        with tempfile.TemporaryDirectory() as folder:
            _log_ratios(name, bundle, some, options, Path(folder))


def _log_ratios(name: str, bundle: Path, rows: list[dict[str, Any]], options: argparse.Namespace, folder: Path) -> None:
    log = {"folder": "log", "sample": 1, "flush_seconds": 1, "low_confidence": 0.5, "columns": {}}
    policy = folder / "monitoring.json"
    policy.write_text(json.dumps({"version": 1, "project": "benchmark", "log": log}))
    one = _slices(bundle, policy, rows, 1, options)
    many = _slices(bundle, policy, rows, CLIENTS, options)
    lines = sum(file.read_bytes().count(b"\n") for file in folder.rglob("*.jsonl"))
    load = f"load {os.getloadavg()[0]:.1f} on {CORES} cores"
    print(f"Prediction log, {name}: {lines} records; medians of {len(many)} pairs of {SLICE} s, log / none; {load}")
    verdict("1 caller: p50", statistics.median(pair["p50"] for pair in one), 1.03, least=False)
    verdict(f"{CLIENTS} callers: answers", statistics.median(pair["rate"] for pair in many), 0.95)
    print(f"  {'processor for an answer':58} {statistics.median(pair['cpu'] for pair in many):6.2f}")


def _slices(
    bundle: Path, policy: Path, rows: list[dict[str, Any]], clients: int, options: argparse.Namespace
) -> list[dict[str, float]]:
    """The ratios, with the log to without, of each pair of neighbouring slices."""
    seconds, port = options.rounds * options.seconds, policy.with_name(f"port-{clients}")
    bodies = policy.with_name("bodies.json")
    bodies.write_text(json.dumps([json.dumps(row) for row in rows]))
    command = [sys.executable, str(HERE / "_logged_server.py"), str(bundle), str(policy), str(port), str(SLICE)]
    with subprocess.Popen([*command, str(seconds + 1)], stdout=subprocess.PIPE) as server:
        while not port.exists() or not port.read_text():
            time.sleep(0.05)
        caller = [sys.executable, str(HERE / "_load.py"), port.read_text(), "/predict", str(bodies), str(clients)]
        answers = json.loads(subprocess.check_output([*caller, str(seconds), "each"]))
        assert server.stdout is not None
        measured = json.loads(server.stdout.read())
    by_slice: dict[int, list[float]] = {}
    for at, latency in answers:
        by_slice.setdefault(int(at / SLICE), []).append(latency)
    counted = sorted(by_slice)[2:-2]  # the others are not whole, or warm up
    values = {
        number: {
            "p50": statistics.median(by_slice[number]),
            "rate": len(by_slice[number]),
            "cpu": measured["cpu"][number - measured["first"]] / len(by_slice[number]),
        }
        for number in counted
        if 0 <= number - measured["first"] < len(measured["cpu"])
    }
    pairs = [(n, n + 1) for n in values if n % 2 == 0 and n + 1 in values]
    ordered = [pair if on(pair[0]) else pair[::-1] for pair in pairs]
    return [{key: values[a][key] / values[b][key] for key in values[a]} for a, b in ordered]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="tab-separated file whose last column is a sentence: the CoLA corpus, say")
    parser.add_argument("--model", help="folder of a transformers encoder; random weights without it")
    parser.add_argument("--only", choices=["text", "tabular", "logging"])
    parser.add_argument("--against", nargs="*", metavar="NAME", help="only these peers; none: no peer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "mlspec-bench")
    options = parser.parse_args()
    if options.only in (None, "text"):
        text(options)
    if options.only in (None, "tabular"):
        tabular(options)
    if options.only in (None, "logging"):
        logging(options)


if __name__ == "__main__":
    main()
