"""The starter `digits`: `mlspec run train` against a script that a person would write, with the start of the process.

    python benchmarks/starter.py [--rounds 3] [--epochs N] [--threads N] [--imports torch,pytorch_lightning]

The script below reads the same splits, trains the same network for the same epochs in the same batches, validates after
each epoch and keeps the best weights. Both are processes of their own, by turns; processor time beside wall time. On a
machine that computes something else too, several threads wait for each other while computing: use `--threads 1`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MOST = 1.5
"""The target: the largest ratio of times."""
SCRIPT = """
import io, math, sys
import numpy as np, pyarrow.parquet as pq, torch
from PIL import Image
from torch import nn

epochs = int(sys.argv[1])
torch.manual_seed(42)

def load(split):
    table = pq.read_table(f"artifacts/data/{split}.parquet")
    opened = [Image.open(io.BytesIO(raw)).convert("L") for raw in table["image"].to_pylist()]
    pixels = np.stack([np.asarray(image, dtype=np.float32) for image in opened])
    labels = table["label"].to_numpy().astype(np.int64)
    return torch.from_numpy(pixels)[:, None] / 255, torch.from_numpy(labels)

inputs, targets = load("train")
valid_inputs, valid_targets = load("valid")
mean, std = inputs.mean(), inputs.std()
inputs, valid_inputs = (inputs - mean) / std, (valid_inputs - mean) / std
network = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(128, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 10),
)
optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
steps = epochs * -(-len(inputs) // 32)
warm = steps // 10
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (step + 1) / (warm + 1) if step < warm
    else 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm))))
best = math.inf
for epoch in range(epochs):
    network.train()
    for rows in torch.randperm(len(inputs)).split(32):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(inputs[rows]), targets[rows])
        loss.backward()
        optimizer.step()
        schedule.step()
    network.eval()
    with torch.no_grad():
        logits = network(valid_inputs)
        loss = float(nn.functional.cross_entropy(logits, valid_targets))
    print(epoch + 1, loss, float((logits.argmax(1) == valid_targets).float().mean()))
    if loss < best:
        best = loss
        torch.save(network.state_dict(), "best.pt")
"""


def timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Wall and processor seconds of a process. Raises CalledProcessError if it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=said.decode())
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure, and print the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--imports", help="packages whose import is timed too, as in torch,pytorch_lightning")
    parser.add_argument("--threads", help="threads of both, for OpenMP; default: what each takes by itself")
    options = parser.parse_args()
    if options.threads:
        os.environ["OMP_NUM_THREADS"] = options.threads
    with tempfile.TemporaryDirectory() as folder:
        root, mlspec = Path(folder) / "digits", [sys.executable, "-m", "mlspec"]
        for command in (["init", str(root), "--template", "digits"], ["build"], ["run", "data"]):
            where = Path(folder) if command[0] == "init" else root
            subprocess.run([*mlspec, *command], cwd=where, check=True, capture_output=True)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run([*mlspec, "run", "train", "train.max_epochs=1"], cwd=root, check=True, capture_output=True)
        (root / "script.py").write_text(SCRIPT, encoding="utf-8")
        contenders = {
            "mlspec run train": [*mlspec, "run", "train", f"train.max_epochs={options.epochs}"],
            "script": [sys.executable, "script.py", str(options.epochs)],
        }
        for package in options.imports.split(",") if options.imports else ():
            contenders[f"import {package}"] = [sys.executable, "-c", f"import {package}"]
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
        for _ in range(options.rounds):
            for name, command in contenders.items():
                times[name].append(timed(command, root))
    middle = {n: [statistics.median(column) for column in zip(*rows, strict=True)] for n, rows in times.items()}
    for name, (wall, processor) in middle.items():
        print(f"{name:26} {wall:6.1f} s  {processor:6.1f} s of processors")
    ours, script = middle["mlspec run train"], middle["script"]
    ratio = ours[0] / script[0]
    print(f"mlspec / script: {ratio:.2f}, by processor time {ours[1] / script[1]:.2f}")
    print(f"target: mlspec / script at most {MOST:g}: {'met' if ratio <= MOST else 'missed'} ({ratio:.2f})")


if __name__ == "__main__":
    main()
