"""A training step of mlspec's networks does not wait for the device, and counts rows exactly in every precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mlspec.job import Job  # noqa: E402
from mlspec.learning.learner import Learner  # noqa: E402
from mlspec.learning.metrics import Scores  # noqa: E402
from mlspec.learning.networks import TabularNetwork  # noqa: E402
from mlspec.learning.split_rows import Rows  # noqa: E402
from mlspec.parts.train.fitting import Fitting  # noqa: E402
from mlspec.runtime.preprocess import load  # noqa: E402
from mlspec.runtime.preprocess.fit import fit  # noqa: E402
from mlspec.sections.model import Tabular  # noqa: E402
from mlspec.sections.train import Optimizer, TrainSpec  # noqa: E402

PLAIN = Optimizer(type="sgd")
"""On a CPU AdamW reads its own step counters."""


def learner(train: TrainSpec) -> Learner:
    network = TabularNetwork(1, [], 2, [4], 2, 0.0)
    return Learner(network, "classification", Scores(["accuracy"], "classification"), train, None)


def waits(rows: int, folder: Path) -> int:
    """How often a training of one epoch in batches of 4 reads a number from a tensor."""
    values = [float(at) for at in range(rows)]
    fit({"n": values}, {"n": {"type": "number"}}, folder / "preprocess")
    preprocess = load(folder / "preprocess")
    features = preprocess.features([{"n": value} for value in values])
    split = Rows(None, features, np.asarray([at % 2 for at in range(rows)]))
    train = TrainSpec(max_epochs=1, batch_size=4, log_every=1000, gradient_clip=1.0, optimizer=PLAIN)
    run = Fitting(
        Job(folder, folder, folder, {}, {"train": train, "model": Tabular(type="tabular")}), folder, {}, False
    )
    run.finite.every = 1000  # as on an accelerator
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True) as profile:
        run.fit(learner(train), {"train": split, "valid": Rows(None, features[:4], split.targets[:4])}, preprocess)
    return sum(event.name == "aten::_local_scalar_dense" for event in profile.events())


def test_more_steps_do_not_read_more_numbers_from_the_device(tmp_path: Path) -> None:
    assert waits(40, tmp_path / "few") == waits(160, tmp_path / "many")


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float64])
def test_the_rows_of_a_batch_are_counted_exactly(kind: Any) -> None:
    torch.set_default_dtype(kind)  # as Lightning's precision bf16-true does
    try:
        assert float(learner(TrainSpec()).weight(torch.zeros(257, dtype=torch.int64))) == 257
    finally:
        torch.set_default_dtype(torch.float32)
