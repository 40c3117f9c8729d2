"""Values of independent libraries for the tests of drift and quality, each library in an environment of its own.

python benchmarks/_drift_oracles.py [--folder /var/tmp/mlspec-ci/oracles]

Environments that are absent are created with pip; one that cannot be is named and left out (expectation needs Python
3.12: create its environment with that one first). Writes tests/monitoring/oracle_values.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

OUT = Path(__file__).resolve().parents[1] / "tests" / "monitoring" / "oracle_values.json"

E_BH = """
import json, random
from online_fdr.e_values import e_bh
draws = random.Random(0)
cases = [[round(draws.expovariate(1) ** 4, 6) for _ in range(12)] for _ in range(40)]
print(json.dumps([{"evidence": c, "alpha": a, "chosen": e_bh(c, a)} for c in cases for a in (0.05, 0.5)]))
"""
BETTING = """
import json, random
from online_fdr.e_values import BettingEProcess
draws = random.Random(1)
values = [round(draws.betavariate(3, 2), 6) for _ in range(60)]
mean, tolerance, fraction = 0.5, 0.02, 0.45
process = BettingEProcess(fraction / (mean + tolerance))
path = [process.update(v - mean - tolerance) for v in values]
print(json.dumps({"values": values, "mean": mean, "tolerance": tolerance, "fraction": fraction, "path": path}))
"""
EM = """
import json
import numpy as np
from quapy.method.aggregative import EMQ
draws = np.random.default_rng(0)
cases = []
for labels in (2, 4):
    probabilities = draws.dirichlet(np.arange(1, labels + 1) / 2, 200).round(6)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    training = np.arange(1, labels + 1) / np.arange(1, labels + 1).sum()
    shares, corrected = EMQ.EM(training, probabilities, epsilon=1e-9)
    right = corrected[np.arange(len(corrected)), probabilities.argmax(axis=1)].mean()
    case = {"probabilities": probabilities.tolist(), "training": training.tolist(), "shares": shares.tolist()}
    cases.append(case | {"accuracy": right})
print(json.dumps(cases))
"""
# Not its ConformalCUSUM: that starts at 1e-10 and never adds a start (1e-10, 2e-10, 4e-10 for e-values of 2), so that
# it is neither CUSUM (2, 4, 8) nor the sum of Shiryaev and Roberts (2, 6, 14). The sum is made of its e-processes here.
E_DETECTOR = """
import json, random
from expectation.modules.eprocessupdater import EProcessUpdater
from expectation.modules.hypothesistesting import BettingStrategy, EProcess, EProcessConfig
draws = random.Random(2)
mean, tolerance, change = 0.4, 0.02, 20
values = [round(draws.betavariate(4, 6) if row < change else draws.betavariate(8, 2), 6) for row in range(60)]
fractions, weights = (0.1, 0.25, 0.45, 0.8), (0.08, 0.27, 0.45, 0.2)
def path(e_values, fraction):
    config = EProcessConfig(betting_strategy=BettingStrategy.CONSERVATIVE, conservative_lambda=fraction)
    process, updater = EProcess(config=config), EProcessUpdater(config)
    for e in e_values:
        updater.update(process, e)
    return process.process_values[1:]
def detector(e_values):
    sums = [0.0] * len(e_values)
    for fraction, weight in zip(fractions, weights):
        for start in range(len(e_values)):
            for row, value in enumerate(path(e_values[start:], fraction), start):
                sums[row] += weight * value
    return sums
rise = [v / (mean + tolerance) for v in values]
fall = [(1 - v) / (1 - mean + tolerance) for v in values]
print(json.dumps({"values": values, "mean": mean, "tolerance": tolerance, "change": change,
    "rise": detector(rise), "fall": detector(fall)}))
"""
MEAN_RADIUS = """
import json
from expectation.modules.boundaries import normal_mixture_bound
rows, cases = [1, 2, 10, 100, 500, 5000, 1000000], []
for level in (0.01, 0.05, 0.2):
    bounds = normal_mixture_bound(rows, level, v_opt=500, alpha_opt=level, is_one_sided=False)
    cases.append({"level": level, "rows": rows, "radius": [float(b) / n for b, n in zip(bounds, rows)]})
print(json.dumps(cases))
"""
MEAN_INTERVAL = """
import json
import numpy as np
from expectation.confseq.confidencesequence import EmpiricalBernsteinConfidenceSequence
from expectation.confseq.confidenceconfig import EmpiricalBernsteinConfig
cases = []
for seed, (a, b) in enumerate([(2, 8), (5, 5), (0.5, 0.5), (30, 1)]):
    values = np.random.default_rng(seed).beta(a, b, 600).round(4)
    known = EmpiricalBernsteinConfidenceSequence(config=EmpiricalBernsteinConfig(
        alpha=0.05, v_opt=500 * a * b / (a + b) ** 2 / (a + b + 1), lower_bound=0, upper_bound=1))
    ends = [known.update(np.array([v])) for v in values]
    cases.append({"values": values.tolist(), "mean": a / (a + b), "level": 0.05,
        "ends": [[round(e.lower, 6), round(e.upper, 6)] for e in ends[49::50]]})
print(json.dumps(cases))
"""
ORACLES = {
    "e_bh": ("online-fdr", ("online-fdr==1.0.0", "numpy", "scipy"), E_BH),
    "betting": ("online-fdr", ("online-fdr==1.0.0", "numpy", "scipy"), BETTING),
    "e_detector": ("expectation", ("expectation==0.6.1",), E_DETECTOR),
    "mean_radius": ("expectation", ("expectation==0.6.1",), MEAN_RADIUS),
    "mean_interval": ("expectation", ("expectation==0.6.1",), MEAN_INTERVAL),
    "label_shift": ("quapy", ("quapy==0.2.3",), EM),
}


def python(folder: Path, requirements: tuple[str, ...]) -> Path:
    """The interpreter of an environment, which is created where it is absent."""
    executable = folder / "bin" / "python"
    if not executable.is_file():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([executable, "-m", "pip", "install", "-q", *requirements], check=True, timeout=900)
    return executable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp/mlspec-ci/oracles"))
    options = parser.parse_args()
    values = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {}
    for name, (environment, requirements, code) in ORACLES.items():
        try:
            executable = python(options.folder / environment, requirements)
            done = subprocess.run([executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
        except (subprocess.SubprocessError, OSError) as error:
            print(f"{name}: skipped, {environment} does not run: {error}")
            continue
        values[name] = {"made_by": requirements[0], "cases": json.loads(done.stdout.splitlines()[-1])}
        print(f"{name}: {requirements[0]}", flush=True)
        OUT.write_text(json.dumps(values) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
