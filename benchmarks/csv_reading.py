"""Time and peak memory of reading a large csv file, as ratios to pandas and pyarrow:
`python -m benchmarks.csv_reading --megabytes 200`. Each reader has a process of its own."""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

READERS = ("mlspec", "pandas", "pyarrow")
MEGABYTE = 1024 * 1024
_QUOTED = 5
"""One text of so many has quotes and a comma in it."""


def write(file: Path, megabytes: int, quotes: bool) -> None:
    """A table of a number, a category, a text and a label."""
    dice = random.Random(0)
    words = ["".join(dice.choices("abcdefghij", k=dice.randint(2, 9))) for _ in range(2000)]
    with file.open("w", encoding="utf-8") as out:
        out.write("size,town,sentence,label\n")
        row = 0
        while row % 10_000 or out.tell() < megabytes * MEGABYTE:
            text = " ".join(dice.choices(words, k=12))
            text = f'"{text}, ""so"" it is"' if quotes and row % _QUOTED == 0 else text
            out.write(f"{dice.random() * 100:.4f},{words[row % 50]},{text},{'yes' if row % 3 else 'no'}\n")
            row += 1


def read(reader: str, file: Path) -> None:
    """Read the file with one of the readers, and print seconds and the peak of resident memory in bytes."""
    if reader == "mlspec":
        from mlspec.parts.data import separated
        from mlspec.sections.data import DataSpec

        inputs = {"size": "number", "town": "category", "sentence": "text"}
        spec = DataSpec.model_validate({"source": file.name, "inputs": inputs, "target": {"column": "label"}})
        started = time.perf_counter()
        rows = separated.read(spec, file, file.name).table.num_rows
    elif reader == "pandas":
        import pandas

        started = time.perf_counter()
        rows = len(pandas.read_csv(file))
    else:
        import pyarrow.csv

        started = time.perf_counter()
        options = pyarrow.csv.ReadOptions(use_threads=False)
        rows = pyarrow.csv.read_csv(file, options, pyarrow.csv.ParseOptions(newlines_in_values=True)).num_rows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(time.perf_counter() - started, peak, rows)


def measured(reader: str, file: Path) -> tuple[float, float, int]:
    """Seconds, bytes and rows of one reader, in a process of its own."""
    command = [sys.executable, __file__, "--reader", reader, "--file", str(file)]
    seconds, peak, rows = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(peak), int(rows)


def compare(file: Path) -> None:
    """Print a line for each reader."""
    size = file.stat().st_size
    found = {reader: measured(reader, file) for reader in READERS}
    assert len({rows for _, _, rows in found.values()}) == 1, found
    seconds, peak, _ = found["mlspec"]
    for reader, (other, memory, rows) in found.items():
        ratio = f"mlspec takes {seconds / other:.2f} of its time, {peak / memory:.2f} of its memory"
        print(f"{reader:8} {other:6.2f} s  {memory / size:5.2f} bytes a byte  {rows:,} rows  {ratio}", flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--megabytes", type=int, default=200)
    asked.add_argument("--folder", type=Path)
    asked.add_argument("--reader", choices=READERS)
    asked.add_argument("--file", type=Path)
    given = asked.parse_args()
    if given.reader:
        read(given.reader, given.file)
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for quotes in (False, True):
            file = Path(folder) / "rows.csv"
            write(file, given.megabytes, quotes)
            print(f"{file.stat().st_size / MEGABYTE:.0f} MB {'with quotes' if quotes else 'without quotes'}")
            compare(file)


if __name__ == "__main__":
    main()
