"""Training the used rows of an embedding gives the bits of training all of them, also after a resume."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pytorch_lightning as pl  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from mlspec.job import Job  # noqa: E402
from mlspec.learning.learner import Learner  # noqa: E402
from mlspec.learning.metrics import Scores  # noqa: E402
from mlspec.learning.networks import PretrainedNetwork, TextNetwork  # noqa: E402
from mlspec.learning.pretrained import encoder_of  # noqa: E402
from mlspec.learning.split_rows import Rows  # noqa: E402
from mlspec.learning.used_rows import LEAST, WordRows, used_rows  # noqa: E402
from mlspec.parts.train.fitting import Fitting  # noqa: E402
from mlspec.runtime.preprocess import Preprocess, load  # noqa: E402
from mlspec.runtime.preprocess.fit import fit  # noqa: E402
from mlspec.sections.model import TextClassifier  # noqa: E402
from mlspec.sections.train import Optimizer, TrainSpec  # noqa: E402

WORDS, WIDTH = LEAST // 8, 8


class AllRows(Fitting):
    """Trains all rows of the embedding."""

    @contextmanager
    def words(self, module: pl.LightningModule, rows: Rows, preprocess: Preprocess) -> Iterator[None]:
        yield


class Stopped(Exception):
    pass


class Stop(pl.Callback):
    """Interrupts the training after a number of steps, as if its process was killed."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        if trainer.global_step == self.steps:
            raise Stopped


def encoder(words: int = WORDS, width: int = WIDTH) -> PretrainedNetwork:
    size = {
        "model_type": "bert", "hidden_size": width, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 8, "vocab_size": words,
    }  # fmt: skip
    return PretrainedNetwork(encoder_of(size), width, 2, 0.1)


def trained(folder: Path, kind: type[Fitting] = Fitting, stop: int = -1, **settings: Any) -> tuple[Learner, Any, Any]:
    """The module, its last checkpoint and its curves. Validation has words that training does not have."""
    texts = [f"word{at % 7} word{at % 5} common{at % 3}" for at in range(60)]
    fit({"text": texts}, {"text": {"type": "text"}}, folder / "preprocess", max_length=16, vocab_size=200)
    preprocess = load(folder / "preprocess")
    train_rows = preprocess.features([{"text": text} for text in texts[:50] if "word3" not in text])
    valid_rows = preprocess.features([{"text": text} for text in texts[50:]])
    train = TrainSpec(max_epochs=2, batch_size=8, learning_rate=0.01, optimizer=Optimizer(weight_decay=0.1), **settings)
    job = Job(folder, folder, folder, {}, {"train": train, "model": TextClassifier(type="text-classifier")})
    run = kind(job, folder, {}, False)
    run.trainer.callbacks.insert(0, Stop(stop))  # type: ignore[attr-defined]
    pl.seed_everything(1, verbose=False)
    module = Learner(encoder(), "classification", Scores(["accuracy"], "classification"), train, None)
    splits = {
        split: Rows(None, rows, np.asarray([at % 2 for at in range(len(rows))]))
        for split, rows in (("train", train_rows), ("valid", valid_rows))
    }
    run.fit(module, splits, preprocess)
    run.trainer.save_checkpoint(folder / "end.ckpt")
    return module, torch.load(folder / "end.ckpt", weights_only=False), run.curves.rows


def same(one: Any, other: Any) -> bool:
    """Whether two checkpoints have the same weights and the same state of the optimizer, bit for bit."""
    states = [point["optimizer_states"][0]["state"] for point in (one, other)]
    return all(torch.equal(one["state_dict"][name], weight) for name, weight in other["state_dict"].items()) and all(
        torch.equal(states[0][number][name], value)
        for number, state in states[1].items()
        for name, value in state.items()
    )


@pytest.mark.parametrize(
    "settings",
    [{}, {"precision": "bf16-mixed"}, {"accumulate": 2}, {"max_steps": 7}],
    ids=["plain", "bfloat16", "accumulated", "stopped"],
)
def test_the_used_rows_give_the_bits_of_all_rows(settings: dict[str, Any], tmp_path: Path) -> None:
    module, some, curves = trained(tmp_path / "some", **settings)
    assert module.words is not None
    assert 0 < len(module.words.rows) < 50
    other, whole, all_curves = trained(tmp_path / "all", AllRows, **settings)
    assert other.words is None
    assert curves == all_curves
    assert same(some, whole)
    assert "forward" not in vars(module.words.table)


def test_an_interrupted_training_resumes_with_the_same_bits(tmp_path: Path) -> None:
    """Also where all rows are trained: the file is the same, so that a machine with a GPU can resume it."""
    every: dict[str, Any] = {"checkpoint": {"every_steps": 3}, "schedule": {"type": "linear", "warmup": 0.5}}
    _, whole, curves = trained(tmp_path / "whole", **every)
    with pytest.raises(Stopped):
        trained(tmp_path / "some", stop=5, **every)
    shutil.copytree(tmp_path / "some", tmp_path / "all")
    for name, kind in (("some", Fitting), ("all", AllRows)):
        _, resumed, resumed_curves = trained(tmp_path / name, kind, **every)
        assert same(resumed, whole)
        assert resumed_curves == curves


def test_clipping_adds_the_squares_in_another_order(tmp_path: Path) -> None:
    module, some, _ = trained(tmp_path / "some", gradient_clip=0.01)
    assert module.words is not None
    _, whole, _ = trained(tmp_path / "all", AllRows, gradient_clip=0.01)
    for name, weight in whole["state_dict"].items():
        torch.testing.assert_close(some["state_dict"][name], weight)


def test_a_clipped_training_that_ends_within_an_epoch_resumes_with_the_same_bits(tmp_path: Path) -> None:
    every: dict[str, Any] = {"checkpoint": {"every_steps": 3}, "gradient_clip": 0.01, "max_steps": 8}
    _, whole, curves = trained(tmp_path / "whole", **every)
    assert whole["global_step"] == 8
    with pytest.raises(Stopped):
        trained(tmp_path / "some", stop=5, **every)
    module, resumed, resumed_curves = trained(tmp_path / "some", **every)
    assert module.words is not None
    assert same(resumed, whole)
    assert resumed_curves == curves


@pytest.mark.parametrize("read", [lambda table: None, lambda table: table.state_dict(), lambda table: looked_up(table)])
def test_rows_anywhere_in_a_table(read: Callable[[nn.Embedding], object]) -> None:
    torch.manual_seed(0)
    tables = [nn.Embedding(40, 6, padding_idx=1) for _ in range(2)]
    tables[1].load_state_dict(tables[0].state_dict())
    rows = torch.tensor([1, 4, 9, 38])
    used = WordRows(tables[0], rows)
    parameters = [used.begin()[tables[0].weight], tables[1].weight]
    optimizers = [torch.optim.AdamW([p], lr=0.05, weight_decay=0.3, fused=True) for p in parameters]
    used.follow(optimizers[0])
    for step in range(9):
        ids, pull = rows[torch.randint(4, (5,))], torch.randn(5, 6)
        for table, optimizer in zip(tables, optimizers, strict=True):
            optimizer.param_groups[0]["lr"] = 0.05 / (step + 1)
            optimizer.zero_grad()
            (table(ids) * pull).sum().backward()
            optimizer.step()
        read(tables[0])
    used.end()
    assert torch.equal(tables[0].weight, tables[1].weight)
    widened = used.widen(optimizers[0].state_dict(), 0)["state"][0]
    for name, value in optimizers[1].state_dict()["state"][0].items():
        assert torch.equal(widened[name], value)


def looked_up(table: nn.Embedding) -> None:
    """Reads all rows as validation does."""
    table.eval()
    with torch.inference_mode():
        table(torch.arange(table.num_embeddings))
    table.train()


def test_a_word_that_training_does_not_have_raises() -> None:
    table = nn.Embedding(10, 2)
    used = WordRows(table, torch.tensor([1, 2]))
    used.follow(torch.optim.AdamW([used.begin()[table.weight]]))
    with pytest.raises(IndexError):
        table(torch.tensor([3]))


def rows_to_train(network: nn.Module, folder: Path, most: int = 9, **settings: Any) -> WordRows | None:
    train = TrainSpec(**settings)
    job = Job(folder, folder, folder, {}, {"train": train, "model": TextClassifier(type="text-classifier")})
    trainer = Fitting(job, folder, {}, False).trainer
    return used_rows(network, trainer, train, [np.arange(3), np.asarray([2, most])], 0)


def rows_of(used: WordRows | None) -> list[int]:
    assert used is not None
    numbers: Tensor = used.rows
    return list(numbers.tolist())


def test_the_rows_of_texts_and_padding(tmp_path: Path) -> None:
    assert rows_of(rows_to_train(encoder(), tmp_path)) == [0, 1, 2, 9]
    assert rows_of(rows_to_train(TextNetwork(WORDS, 8, WIDTH, 1, 2, 2, 0.1), tmp_path)) == [0, 1, 2, 9]


@pytest.mark.parametrize(
    "settings",
    [{"optimizer": {"type": "sgd"}}, {"precision": "bf16-true"}, {"compile": "inductor"}, {"devices": 2}],
    ids=["sgd", "bf16-true", "inductor", "processes"],
)
def test_all_rows_are_trained_with_other_settings(settings: dict[str, Any], tmp_path: Path) -> None:
    assert rows_to_train(encoder(), tmp_path, **settings) is None


def test_all_rows_of_other_tables_are_trained(tmp_path: Path) -> None:
    frozen, unknown = encoder(), encoder()
    frozen.encoder.get_input_embeddings().weight.requires_grad = False  # type: ignore[operator]
    unknown.encoder.config.model_type = "albert"  # type: ignore[union-attr]
    assert rows_to_train(frozen, tmp_path) is None
    assert rows_to_train(unknown, tmp_path) is None
    assert rows_to_train(encoder(words=10), tmp_path) is None  # small
    assert (
        rows_to_train(encoder(), tmp_path, most=WORDS) is None
    )  # a token that the table does not have: torch reports it
