"""Training: mlspec's stage against a plain loop and a careful one, on any device, as ratios within one run.

    python benchmarks/training.py [text|image|table ...] [--batch 32 --batch 256] [--precision 32-true]
                                  [--seconds 20] [--slice 1] [--rows N] [--data FILE] [--no-counts]
                                  [--only ours,plain,careful]

All three train the same network on the same rows with the same optimizer, schedule and gradient clipping, by turns:
each trains for a slice of `--slice` seconds (at least one step) and waits for the others, until it had `--seconds`. So
other programs on the machine slow all of them alike, and the time does not depend on the number of rows. The first
fifth of it is a warm-up and does not count, neither does validation, nor the first step of a turn: the caches and the
memory are those of another, and a step of the transformer takes twice as long as the next. Each has a process of its
own, as a training has: in one process they would have more threads than there are processors, and OpenMP would let
those sleep between two operations.

- ours: what `mlspec run train` calls, with its checks, curves and checkpoints.
- plain: the loop of a tutorial. A DataLoader that collates row by row; texts padded to 128 tokens.
- careful: rows in tensors on the device, texts of like length padded to a multiple of 8, a fused optimizer, nothing
  that waits for the device; on CUDA forward pass, backward pass and optimizer are one CUDA graph for each length.

For each target of the project it prints whether it was met, with the figure.

`--counts`, the default without a GPU, also counts what a step of each does, in a run of its own with torch's profiler:
operators or kernels, copies between host and device, and waits for the device (on a CPU the numbers read from tensors,
of which AdamW reads one for each parameter).
`--data` names a tab-separated file whose second column is a label of 0 or 1 and whose last is a sentence (the Corpus of
Linguistic Acceptability, say); without it sentences of such lengths are generated.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import multiprocessing
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from _text_data import MINILM, sentences
from torch import Tensor, nn

from mlspec.job import Job
from mlspec.learning.device_use import name_of
from mlspec.learning.learner import Learner
from mlspec.learning.metrics import Scores
from mlspec.learning.networks import ImageNetwork, PretrainedNetwork, TabularNetwork
from mlspec.learning.pretrained import encoder_of
from mlspec.learning.split_rows import Rows
from mlspec.parts.train.fitting import Fitting
from mlspec.parts.train.work import _quiet
from mlspec.runtime.preprocess import load
from mlspec.runtime.preprocess.fit import fit
from mlspec.sections.model import ImageClassifier, Tabular, TextClassifier
from mlspec.sections.train import Optimizer, Schedule, TrainSpec

PADDED, RATE, CLIP, CLASSES = 128, 5e-5, 1.0, 2
EPOCHS, WARM = 10_000, 0.2
"""More epochs than there is time for, and the share of the time that is a warm-up."""
CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")


@dataclass(frozen=True)
class Task:
    """Rows, their preprocessing, and a function that creates the network."""

    name: str
    model: Any
    preprocess: Any
    train: Rows
    valid: Rows
    network: Callable[[], nn.Module]


@dataclass(frozen=True)
class Measured:
    """Rows and seconds after the warm-up, seconds of processors, and the share in which the device was busy."""

    rows: int
    seconds: float
    processor: float
    busy: float | None
    of: int
    """Rows for training."""

    def speed_over(self, other: Measured) -> tuple[float, float]:
        """Rows per second over those of `other`, by the clock and by processor time."""
        share = self.rows / other.rows
        return share * other.seconds / self.seconds, share * other.processor / self.processor


@dataclass(frozen=True)
class Results:
    """What was measured and counted of each contender."""

    measured: dict[str, Measured] = field(default_factory=dict)
    counts: dict[str, str] = field(default_factory=dict)


def text(options: argparse.Namespace) -> Task:
    """A transformer of 22M parameters on sentences."""
    if options.data:
        lines = [line.split("\t") for line in Path(options.data).read_text(encoding="utf-8").splitlines()]
        texts, targets = [line[-1] for line in lines], [int(line[1]) for line in lines]
    else:
        texts = sentences(None, options.rows or 512)
        targets = [len(text) % 2 for text in texts]
    rows = [{"text": text} for text in texts]
    preprocess = fitted({"text": texts}, {"text": {"type": "text"}}, vocab_size=20_000)

    size = MINILM | ({"hidden_size": 48, "num_hidden_layers": 2, "intermediate_size": 96} if options.small else {})

    def network() -> nn.Module:
        return PretrainedNetwork(encoder_of(size), size["hidden_size"], CLASSES, 0.1)

    return task("text", TextClassifier(type="text-classifier"), preprocess, rows, targets, network, options.rows)


def image(options: argparse.Namespace) -> Task:
    """A small convolutional network on grey images of 28 x 28 pixels."""
    dice = np.random.default_rng(0)
    pictures = dice.integers(0, 256, size=(options.rows or 4000, 28, 28), dtype=np.uint8)
    rows: list[Any] = [{"picture": picture} for picture in pictures]
    described: Any = {"type": "image", "channels": 1, "height": 28, "width": 28}
    preprocess = fitted({"picture": list(pictures)}, {"picture": described})
    targets = [int(picture[0, 0]) % CLASSES for picture in pictures]
    return task(
        "image", ImageClassifier(type="image-classifier"), preprocess, rows, targets,
        lambda: ImageNetwork((1, 28, 28), [32, 64], 128, CLASSES, 0.1), options.rows,
    )  # fmt: skip


def table(options: argparse.Namespace) -> Task:
    """A dense network on eight numbers and two categories."""
    dice, count = random.Random(0), options.rows or 20_000
    numbers = {f"n{i}": [dice.gauss(0, 1) for _ in range(count)] for i in range(8)}
    words = {"c0": dice.choices("abcd", k=count), "c1": dice.choices("xyz", k=count)}
    columns: dict[str, Any] = numbers | words
    inputs: dict[str, Any] = {name: {"type": "number"} for name in numbers} | {
        name: {"type": "category", "values": sorted(set(values))} for name, values in words.items()
    }
    rows: list[Any] = [{name: values[at] for name, values in columns.items()} for at in range(count)]
    targets = [int(numbers["n0"][at] > 0) for at in range(count)]
    return task(
        "table", Tabular(type="tabular"), fitted(columns, inputs), rows, targets,
        lambda: TabularNetwork(8, [4, 3], 8, [64, 32], CLASSES, 0.1), options.rows,
    )  # fmt: skip


def fitted(columns: dict[str, Any], inputs: dict[str, Any], vocab_size: int = 8000) -> Any:
    """The preprocessing of these columns."""
    folder = Path(tempfile.mkdtemp(prefix="mlspec-benchmark-"))
    fit(columns, inputs, folder, max_length=PADDED, vocab_size=vocab_size)
    return load(folder)


def task(
    name: str, model: Any, preprocess: Any, rows: list[Any], targets: list[int], network: Callable[[], nn.Module],
    most: int | None,
) -> Task:  # fmt: skip
    """The rows, a tenth of them for validation."""
    rows, targets = rows[:most], targets[:most]
    features, cut = preprocess.features(rows), len(rows) // 10
    parts = [Rows(None, features[p], np.asarray(targets[p], dtype=np.int64)) for p in (slice(cut, None), slice(cut))]
    return Task(name, model, preprocess, parts[0], parts[1], network)


def section(options: argparse.Namespace, batch: int, precision: str) -> TrainSpec:
    """The settings of all contenders."""
    return TrainSpec(
        max_epochs=EPOCHS, batch_size=batch, learning_rate=RATE, gradient_clip=CLIP, precision=precision,
        optimizer=Optimizer(), schedule=Schedule(type="linear", warmup=0.1), **json.loads(options.train),
    )  # fmt: skip


# ours ----------------------------------------------------------------------------------------------------------------


class Clock(pl.Callback):
    """Takes a turn for the training part of each epoch, and a profile of the steps `first` to `last` of the second."""

    def __init__(self, turn: Turn, steps: tuple[int, int] | None) -> None:
        self.turn = turn
        self.steps, self.counter = steps, Counter()

    def on_train_epoch_start(self, *_: object) -> None:
        self.turn.resume()

    def on_validation_start(self, *_: object) -> None:
        self.turn.pause()

    def on_train_batch_start(self, trainer: pl.Trainer, *rest: object) -> None:
        if self.steps and trainer.current_epoch == 1 and rest[-1] == self.steps[0]:
            self.counter.start()

    def on_train_batch_end(self, trainer: pl.Trainer, *rest: Any) -> None:
        if self.steps and trainer.current_epoch == 1 and rest[-1] == self.steps[1] - 1:
            self.counter.stop(self.steps[1] - self.steps[0])
        self.turn.trained(len(rest[2][1]))


def ours(task: Task, train: TrainSpec, steps: tuple[int, int] | None, turn: Turn) -> dict[str, float]:
    """What the stage calls."""
    _quiet()
    pl.seed_everything(train.seed, workers=True, verbose=False)
    clock = Clock(turn, steps)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        job = Job(root, root, root, {}, {"train": train, "model": task.model})
        run = Fitting(job, root, {}, False)
        run.trainer.callbacks.append(clock)  # type: ignore[attr-defined]
        module = Learner(task.network(), "classification", Scores(["mcc"], "classification"), train, None)
        with contextlib.suppress(Done):
            run.fit(module, {"train": task.train, "valid": task.valid}, task.preprocess)
    return clock.counter.counts


# the loops -----------------------------------------------------------------------------------------------------------


def plain(task: Task, train: TrainSpec, steps: tuple[int, int] | None, turn: Turn) -> dict[str, float]:
    """The loop of a tutorial."""

    def collate(rows: Any) -> Any:
        inputs = task.preprocess.collate([feature for feature, _ in rows])
        tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
        if "input_ids" in tensors:
            room = PADDED - tensors["input_ids"].shape[1]
            tensors = {name: nn.functional.pad(tensor, (0, room)) for name, tensor in tensors.items()}
        return tensors, torch.tensor([int(target) for _, target in rows])

    rows: Any = task.train
    loader = torch.utils.data.DataLoader(rows, train.batch_size, shuffle=True, collate_fn=collate)

    def batches() -> Iterator[Any]:
        for inputs, targets in loader:
            yield {name: tensor.to(DEVICE) for name, tensor in inputs.items()}, targets.to(DEVICE)

    network = forward_of(task.network().to(DEVICE), plain=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE)
    return loop(network, optimizer, batches, len(loader), train, steps, turn)


def careful(task: Task, train: TrainSpec, steps: tuple[int, int] | None, turn: Turn) -> dict[str, float]:
    """Tensors on the device, bucketed; on CUDA a graph for each shape."""
    names = list(task.train.features[0])
    sizes = [len(feature[names[0]]) for feature in task.train.features] if "input_ids" in names else []
    widths = [min(PADDED, -(-size // 8) * 8) for size in sizes]
    whole = {name: stacked(task.train, name, max(widths, default=0)).to(DEVICE) for name in names}
    targets = torch.from_numpy(task.train.targets).to(DEVICE)
    count, batch = len(task.train), train.batch_size

    def batches() -> Iterator[Any]:
        for order in buckets(count, batch, sizes):
            index = torch.tensor(order).to(DEVICE, non_blocking=True)
            width = max(widths[row] for row in order) if widths else 0
            chosen = {n: (tensor[:, :width] if width else tensor)[index] for n, tensor in whole.items()}
            yield chosen, targets[index]

    network = forward_of(task.network().to(DEVICE), plain=False)
    rate = torch.tensor(RATE, device=DEVICE) if CUDA else RATE
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, fused=True, capturable=CUDA)
    return loop(network, optimizer, batches, -(-count // batch), train, steps, turn, graphs=CUDA)


def stacked(rows: Rows, name: str, width: int) -> Tensor:
    """One input of all rows, padded to `width`."""
    arrays = [feature[name] for feature in rows.features]
    if not width:
        return torch.from_numpy(np.stack(arrays))
    filled = np.zeros((len(arrays), width), dtype=arrays[0].dtype)
    for row, array in enumerate(arrays):
        filled[row, : len(array)] = array
    return torch.from_numpy(filled)


def buckets(count: int, batch: int, sizes: Sequence[int]) -> Iterator[list[int]]:
    """Shuffled batches; texts sorted by length within pools of fifty batches."""
    order = random.sample(range(count), count)
    if not sizes:
        yield from (order[start : start + batch] for start in range(0, count, batch))
        return
    groups: list[list[int]] = []
    for start in range(0, count, 50 * batch):
        pool = sorted(order[start : start + 50 * batch], key=lambda row: sizes[row])
        groups += [pool[at : at + batch] for at in range(0, len(pool), batch)]
    random.shuffle(groups)
    yield from groups


class Forward(nn.Module):
    """A network called as a tutorial does: transformers gets the mask of the tokenizer."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
        """Logits."""
        state = self.network.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask.unsqueeze(-1).to(state.dtype)
        return self.network.head((state * weights).sum(1) / weights.sum(1).clamp(min=1e-9))


def forward_of(network: nn.Module, plain: bool) -> nn.Module:
    """The network as the loop calls it."""
    return Forward(network) if plain and isinstance(network, PretrainedNetwork) else network


def loop(
    network: nn.Module, optimizer: torch.optim.Optimizer, batches: Callable[[], Iterator[Any]], count: int,
    train: TrainSpec, steps: tuple[int, int] | None, turn: Turn, graphs: bool = False,
) -> dict[str, float]:  # fmt: skip
    """Train with a step for each batch, with torch's own switches."""
    torch.use_deterministic_algorithms(False)
    torch.backends.cuda.enable_cudnn_sdp(True)
    network.train()
    total, warm = count * train.max_epochs, max(1, count * train.max_epochs // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.0, (total - step) / max(1, total - warm)))
    )
    step = Step(network, optimizer, train, graphs)
    counter = Counter()
    with contextlib.suppress(Done):
        for epoch in range(train.max_epochs):
            turn.resume()
            for number, (inputs, targets) in enumerate(batches()):
                if steps and epoch == 1 and number == steps[0]:
                    counter.start()
                step(inputs, targets)
                schedule.step()
                if steps and epoch == 1 and number == steps[1] - 1:
                    counter.stop(steps[1] - steps[0])
                turn.trained(len(targets))
            turn.pause()
    return counter.counts


class Step:
    """One step of the optimizer, as one CUDA graph for each shape with `graphs`."""

    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer, train: TrainSpec, graphs: bool) -> None:
        self.network, self.optimizer, self.graphs = network, optimizer, graphs
        self.rows = train.batch_size
        self.mixed = train.precision == "bf16-mixed"
        self.recorded: dict[Any, Any] = {}
        self.done = 0

    def __call__(self, inputs: dict[str, Tensor], targets: Tensor) -> None:
        """Train on a batch."""
        self.done += 1
        if not self.graphs or self.done <= 3 or len(targets) != self.rows:
            self.run(inputs, targets)
            return
        key = tuple(next(iter(inputs.values())).shape)
        if key not in self.recorded:
            self.record(key, inputs, targets)
        graph, fixed, labels = self.recorded[key]
        for name, tensor in inputs.items():
            fixed[name].copy_(tensor)
        labels.copy_(targets)
        graph.replay()

    def run(self, inputs: dict[str, Tensor], targets: Tensor) -> None:
        """The operations of a step."""
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(DEVICE.type, torch.bfloat16, self.mixed, cache_enabled=not self.graphs):
            loss = nn.functional.cross_entropy(self.network(**inputs).float(), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimizer.step()

    def record(self, key: Any, inputs: dict[str, Tensor], targets: Tensor) -> None:
        """Record the graph of a shape. The warm-up trains on the batch once more than it should."""
        fixed, labels = {name: tensor.clone() for name, tensor in inputs.items()}, targets.clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self.run(fixed, labels)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph):
            self.run(fixed, labels)
        self.recorded[key] = graph, fixed, labels


# measuring -----------------------------------------------------------------------------------------------------------


def now() -> float:
    """The time once the device has done its work."""
    if CUDA:
        torch.cuda.synchronize()
    return time.perf_counter()


class Done(Exception):  # noqa: N818 - not an error
    """A contender had its time."""


class Turn:
    """The clock of a contender, which runs in its slices, outside of validation."""

    def __init__(self, others: Connection | None, seconds: float, slice: float) -> None:
        """`others`: what begins and ends a turn; None for one that never ends."""
        self.others, self.limit, self.slice = others, seconds, slice
        self.rows, self.warm_rows = 0, 0
        self.seconds = self.processor = self.warm_seconds = self.warm_processor = 0.0
        self.busy: list[int] = []
        self.running = False
        self.began = (0.0, 0.0)
        self.left = slice
        self.cold = True
        """Whether this is the first step of a turn."""

    def resume(self) -> None:
        """Start the clock."""
        self.running, self.began = True, (now(), time.process_time())

    def pause(self) -> None:
        """Stop the clock."""
        if self.running:
            self.running = False
            passed = now() - self.began[0]
            self.seconds, self.left = self.seconds + passed, self.left - passed
            self.processor += time.process_time() - self.began[1]

    def trained(self, rows: int) -> None:
        """Count a batch; wait for the others at the end of a slice. Raises Done at the end of the time."""
        if self.cold:
            self.cold = False
            self.resume()
            return
        self.rows += rows
        if time.perf_counter() - self.began[0] < self.left or self.others is None:
            return
        self.pause()
        if CUDA:
            self.busy.append(int(torch.cuda.utilization()))
        if not self.warm_seconds and self.seconds >= WARM * self.limit:
            self.warm_rows, self.warm_seconds, self.warm_processor = self.rows, self.seconds, self.processor
        elif self.warm_seconds and self.seconds >= self.limit:
            raise Done
        self.others.send(None)
        self.others.recv()
        self.left, self.cold = self.slice, True

    def measured(self, of: int) -> Measured:
        """The result without the warm-up."""
        share = statistics.mean(self.busy) / 100 if self.busy else None
        seconds, processor = self.seconds - self.warm_seconds, self.processor - self.warm_processor
        return Measured(self.rows - self.warm_rows, seconds, processor, share, of)


def by_turns(names: Sequence[str], task: str, batch: int, precision: str, options: argparse.Namespace) -> Results:
    """Train with all contenders, each in a process of its own."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    for name in names:
        pipes[name], theirs = context.Pipe()
        context.Process(target=contender, args=(name, task, batch, precision, options, theirs)).start()
        theirs.close()
        answer(name, pipes[name])  # it has its rows
    results, order = Results(), list(names)
    while order:
        name = order.pop(0)
        pipes[name].send(None)
        measured = answer(name, pipes[name])
        if measured is None:
            order.append(name)
        else:
            results.measured[name] = measured
    for name in names if options.counts else ():
        pipes[name].send(None)
        results.counts[name] = answer(name, pipes[name])
    return results


def answer(name: str, pipe: Connection) -> Any:
    """What the process of a contender sends."""
    try:
        return pipe.recv()
    except EOFError:
        raise SystemExit(f"the process of `{name}` has failed") from None


def contender(
    name: str, chosen: str, batch: int, precision: str, options: argparse.Namespace, others: Connection
) -> None:
    """Train in slices of time, then count what a step does. This is the process of a contender."""
    task_, train = TASKS[chosen](options), section(options, batch, precision)
    turn = Turn(others, options.seconds, options.slice)
    others.send(None)
    others.recv()
    with contextlib.redirect_stdout(io.StringIO()):
        CONTENDERS[name](task_, train, None, turn)
    others.send(turn.measured(len(task_.train)))
    if options.counts:
        others.recv()
        others.send(counted(CONTENDERS[name], task_, train))


COUNTED = 3
"""Steps in which operators are counted: the profiler takes seconds to sort those of one."""


def counted(run: Contender, task: Task, train: TrainSpec) -> str:
    """What a step does, counted in the second of two epochs of a few steps."""
    rows = (COUNTED + 2) * train.batch_size
    short = replace(task, train=Rows(None, task.train.features[:rows], task.train.targets[:rows]))
    train = train.model_copy(update={"max_epochs": 2})
    with contextlib.redirect_stdout(io.StringIO()):
        counts = run(short, train, (1, COUNTED + 1), Turn(None, math.inf, math.inf))
    return "  ".join(f"{what} {number:.1f}" for what, number in counts.items())


class Counter:
    """What the steps between `start` and `stop` did, for each step."""

    def __init__(self) -> None:
        self.counts: dict[str, float] = {}
        activities = [torch.profiler.ProfilerActivity.CPU, *([torch.profiler.ProfilerActivity.CUDA] * CUDA)]
        self.profile = torch.profiler.profile(activities=activities, acc_events=True)

    def start(self) -> None:
        """Begin to count."""
        self.profile.start()

    def stop(self, steps: int) -> None:
        """End, and count."""
        self.profile.stop()
        totals = dict.fromkeys(("launches", "to device", "to host", "waits"), 0)
        for event in self.profile.events():
            totals[kind(event)] = totals.get(kind(event), 0) + 1
        totals.pop("", None)
        self.counts = {name: count / steps for name, count in totals.items()}


def kind(event: Any) -> str:
    """What an event of the profiler counts as: on a CPU each innermost operator is a launch."""
    name = event.name
    if CUDA:
        named = {"cudaLaunchKernel": "launches", "cudaLaunchKernelExC": "launches", "cuLaunchKernel": "launches",
                 "cuLaunchKernelEx": "launches", "cudaGraphLaunch": "launches", "cudaStreamSynchronize": "waits",
                 "cudaDeviceSynchronize": "waits", "cudaEventSynchronize": "waits"}  # fmt: skip
        if name in named:
            return named[name]
        return "to host" if "Memcpy DtoH" in name else "to device" if "Memcpy HtoD" in name else ""
    if name in ("aten::item", "aten::_local_scalar_dense", "aten::is_nonzero"):
        return "waits" if name == "aten::_local_scalar_dense" else ""
    return "launches" if name.startswith("aten::") and not event.cpu_children else ""


def report(task: str, batch: int, precision: str, results: Results) -> None:
    """Print a line for each contender, then the ratios, the targets and the counts."""
    rows = next(iter(results.measured.values())).of
    print(f"\n{task}, batch {batch}, {precision}: {rows:,} rows for training", flush=True)
    for name, measured in results.measured.items():
        busy = "" if measured.busy is None else f"  busy {measured.busy:4.0%}"
        speed = f"{measured.rows / measured.seconds:9,.0f} rows/s"
        print(f"  {name:8} {speed}  in {measured.seconds:5.1f} s{busy}", flush=True)
    for name in ("plain", "careful"):
        if not {"ours", name} <= set(results.measured):
            continue
        by_clock, computed = results.measured["ours"].speed_over(results.measured[name])
        by_processor = "" if CUDA else f", by processor time {computed:.2f} x"
        print(f"  ours / {name}: {by_clock:.2f} x as fast{by_processor}", flush=True)
        least = target(task, batch, name, cuda=CUDA)
        if least is not None:
            verdict = "met" if by_clock >= least else "missed"
            print(f"  target: ours / {name} at least {least:g}: {verdict} ({by_clock:.2f})", flush=True)
    for name, counts in results.counts.items():
        print(f"  {name:8} a step: {counts}", flush=True)


def target(task: str, batch: int, other: str, *, cuda: bool) -> float | None:
    """The smallest ratio of speeds that the project wants; None if it has no target."""
    if cuda:
        if task != "text":
            return None
        return 0.6 if other == "careful" else 2.0 if batch == 32 else 1.0
    if task == "text":
        return 10.0 if other == "plain" and batch == 32 else None
    return 0.8 if other == "careful" else None


Contender = Callable[[Task, TrainSpec, "tuple[int, int] | None", Turn], "dict[str, float]"]
CONTENDERS: dict[str, Contender] = {"ours": ours, "plain": plain, "careful": careful}
TASKS = {"text": text, "image": image, "table": table}


def main() -> None:
    """Measure all combinations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", choices=TASKS)
    parser.add_argument("--batch", type=int, action="append")
    parser.add_argument("--precision", action="append")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each contender, with the warm-up")
    parser.add_argument("--slice", type=float, default=1.0, help="seconds of a turn")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--data")
    parser.add_argument("--small", action="store_true", help="a tiny encoder, to try this script")
    parser.add_argument("--counts", action=argparse.BooleanOptionalAction, default=not CUDA)
    parser.add_argument("--only", default=",".join(CONTENDERS))
    parser.add_argument("--train", default="{}", help="more keys of the section `train`, as JSON")
    options = parser.parse_args()
    here = f"no NVIDIA GPU at hand, measured on a CPU: {name_of(DEVICE)}"
    name = torch.cuda.get_device_name() if CUDA else here
    print(f"{name}; torch {torch.__version__}; Python {sys.version.split()[0]}", flush=True)
    for chosen in options.tasks or TASKS:
        for batch in options.batch or [32, 256]:
            for precision in options.precision or ["32-true", *(["bf16-mixed"] * CUDA)]:
                results = by_turns(options.only.split(","), chosen, batch, precision, options)
                report(chosen, batch, precision, results)


if __name__ == "__main__":
    main()
