"""Values of independent libraries for the tests of drift and quality, each library in an environment of its own.

python benchmarks/_drift_oracles.py [--folder /var/tmp/mlspec-ci/oracles]

Environments that are absent are created with pip; one that cannot be is named and left out. Writes
tests/monitoring/oracle_values.json.
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
    cases.append({"probabilities": probabilities.tolist(), "training": training.tolist(), "shares": shares.tolist()})
print(json.dumps(cases))
"""
ESTIMATES = """
import json
import numpy as np
from nannyml.performance_estimation.confidence_based.metrics import estimate_roc_auc, estimate_f1
import pandas as pd
draws = np.random.default_rng(0)
chances = draws.beta(2, 2, 300).round(6)
print(json.dumps({"chances": chances.tolist(), "auroc": float(estimate_roc_auc(pd.Series(chances), pd.Series(chances))),
    "f1": float(estimate_f1(pd.Series(chances), pd.Series((chances >= 0.5).astype(int))))}))
"""
ORACLES = {
    "e_bh": ("online-fdr", ("online-fdr==1.0.0", "numpy", "scipy"), E_BH),
    "betting": ("online-fdr", ("online-fdr==1.0.0", "numpy", "scipy"), BETTING),
    "label_shift": ("quapy", ("quapy==0.2.3",), EM),
    "estimates": ("nannyml", ("nannyml==0.13.1",), ESTIMATES),
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
