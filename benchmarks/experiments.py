"""What a build costs as the spec grows: 1000 experiments against 100, in time and memory.

python benchmarks/experiments.py [--rounds N]
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from pathlib import Path

from timing import Contender, compare

SPEC = """\
project: {name: grown}
data:
  source: data.csv
  inputs: {sentence: text}
  target: {column: label, type: class, labels: ["no", "yes"]}
model: {type: text-classifier}
train: {max_epochs: 3}
experiments:
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as scratch:

        def project(experiments: int) -> Path:
            folder = Path(scratch, str(next(numbers)))
            folder.mkdir()
            lines = (f"  run-{n}: {{train.max_epochs: {n % 50 + 1}, train.seed: {n}}}\n" for n in range(experiments))
            (folder / "mlproject.yaml").write_text(SPEC + "".join(lines))
            return folder

        build = (sys.executable, "-m", "mlspec", "build")
        costs = compare(
            {str(count): Contender(build, lambda count=count: project(count)) for count in (1, 100, 1000)},
            options.rounds,
        )
    print(f"medians of {options.rounds} interleaved runs")
    for name, cost in costs.items():
        print(f"  {name:>5} experiments {cost.seconds * 1000:7.0f} ms {cost.memory:6.0f} MiB")
    ratio = costs["1000"].seconds / costs["100"].seconds
    print(f"  1000 / 100 {ratio:18.2f}    at most 12: {'yes' if ratio <= 12 else 'NO'}")


if __name__ == "__main__":
    main()
