"""Two processes of a training wait for each other and for the device no more often with more steps."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mlspec.job import Job  # noqa: E402
from mlspec.learning.learner import Learner  # noqa: E402
from mlspec.learning.metrics import Scores  # noqa: E402
from mlspec.learning.networks import TabularNetwork  # noqa: E402
from mlspec.learning.ranks import first, together  # noqa: E402
from mlspec.learning.split_rows import Rows  # noqa: E402
from mlspec.parts.train.fitting import Fitting  # noqa: E402
from mlspec.runtime.preprocess import load  # noqa: E402
from mlspec.runtime.preprocess.fit import fit  # noqa: E402
from mlspec.sections.model import Tabular  # noqa: E402
from mlspec.sections.train import Optimizer, TrainSpec  # noqa: E402

WAITS = ("aten::_local_scalar_dense", "c10d::broadcast_", "c10d::barrier")
"""Numbers read from tensors, and operations in which the processes wait for each other, beside the sums of gradients."""
EVERY = 10


def count(rows: int, folder: Path, limited: bool) -> dict[str, int]:
    """How often a training of one epoch in batches of 4 waits; with class weights and a time limit if `limited`."""
    values = [float(at) for at in range(rows)]
    fit({"n": values}, {"n": {"type": "number"}}, folder / "preprocess")
    preprocess = load(folder / "preprocess")
    split = Rows(None, preprocess.features([{"n": value} for value in values]), np.arange(rows) % 2)
    train = TrainSpec(
        max_epochs=1, batch_size=4, log_every=EVERY, gradient_clip=1.0, max_time="1h" if limited else "off", accelerator="cpu", devices=2,
        optimizer=Optimizer(type="sgd"),
    )  # fmt: skip
    run = Fitting(
        Job(folder, folder, folder, {}, {"train": train, "model": Tabular(type="tabular")}), folder, {}, False
    )
    run.waits_every(EVERY)  # as on an accelerator
    network = TabularNetwork(1, [], 2, [4], 2, 0.0)
    balanced = torch.tensor([1.0, 2.0]) if limited else None
    module = Learner(network, "classification", Scores(["accuracy"], "classification"), train, balanced)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True) as profile:
        run.fit(module, {"train": split, "valid": Rows(None, split.features[:4], split.targets[:4])}, preprocess)
    seen = Counter(event.name for event in profile.events())
    return {name: seen[name] for name in WAITS} | {"steps": int(run.trainer.global_step)}


def body(job: Job) -> float | None:
    """Counts in short and long trainings."""
    for limited in (False, True):
        for rows in (40, 160):
            counts = count(rows, job.root / f"{first()}-{rows}-{limited}", limited)
            (job.root / f"{int(first())}-{rows}-{limited}.json").write_text(json.dumps(counts), encoding="utf-8")
    return 1.0


@pytest.mark.slow
@pytest.mark.usefixtures("warm_processes")
def test_more_steps_wait_once_in_log_every(tmp_path: Path) -> None:
    assert together(body, Job(tmp_path, tmp_path, tmp_path, {}, {}), 2) == 1.0
    for rank in (0, 1):
        for limited in (False, True):
            few, many = (
                json.loads((tmp_path / f"{rank}-{rows}-{limited}.json").read_text(encoding="utf-8"))
                for rows in (40, 160)
            )
            assert (few.pop("steps"), many.pop("steps")) == (10, 40)
            # Of 30 more steps three are those at which they agree on a save or a stop, and on the end of the time.
            more = {name: many[name] - few[name] for name in WAITS}
            assert more == dict.fromkeys(WAITS, 0) | {"aten::_local_scalar_dense": 6 if limited else 3}
