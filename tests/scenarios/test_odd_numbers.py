"""Small and odd numbers: each is trained rightly, by an independent computation, or refused before it with the numbers."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pq = pytest.importorskip("pyarrow.parquet")
torch = pytest.importorskip("torch")

from mlspec.errors import MlspecError, SpecError, StageError  # noqa: E402
from mlspec.learning.build import load_module  # noqa: E402
from mlspec.runtime.preprocess import load as load_preprocess  # noqa: E402
from tests.parts.projects import Applied, written  # noqa: E402

Array = np.ndarray[Any, Any]
ORDER = ("data", "train", "evaluate", "export")
STILL = "learning_rate: 0.000000001"
"""The weights stay where they are, so that the loss of the epoch can be computed again from the checkpoint."""


@dataclass(frozen=True)
class Case:
    """A small table and what becomes of it."""

    rows: int
    target: str = "class"
    values: tuple[Any, ...] = ()
    """Targets in turn; default: two labels, or five numbers."""
    inputs: tuple[float, ...] = ()
    """Values of the input in turn."""
    train: str = ""
    more: str = "evaluate: {}\nexport: {}\n"
    split: str = ""
    model: str = "{type: tabular, hidden: [4], dropout: 0}"
    refused: str = ""
    """The stage that refuses it; `spec` where the spec is refused."""
    numbers: tuple[str, ...] = ()
    """What the refusal names."""
    undefined: tuple[str, ...] = ()
    """Metrics that have no value."""
    exact: float = 2e-5
    """Relative tolerance of the losses."""
    steps: int | None = None
    files: dict[str, str] = field(default_factory=dict)
    still: str = STILL
    exported: bool = True
    """False where all that is odd is how it is trained: the model is as that of another case."""


NUMBER = "number"
TRAINED = {
    "eleven rows": Case(11),
    "a dozen rows": Case(12),
    "eleven numbers": Case(11, NUMBER, undefined=("r2",)),
    "a last batch of one": Case(41, train="batch_size: 32", steps=1, exported=False),
    "a last batch of one, of several": Case(81, train="batch_size: 32", steps=2, exported=False),
    "a last batch of two": Case(42, train="batch_size: 32", steps=2, exported=False),
    "a batch larger than the data": Case(20, train="batch_size: 512", steps=1, exported=False),
    "batches of one": Case(20, train="batch_size: 1", steps=16, exported=False),
    "a constant column": Case(40, inputs=(5.0,)),
    "a column of one huge value": Case(40, inputs=(1e30,)),
    "a constant target": Case(40, NUMBER, values=(5.0,), undefined=("r2",)),
    "a target of zeros": Case(40, NUMBER, values=(0.0,), undefined=("r2", "mape"),
                              more="evaluate: {metrics: [mae, mape, r2]}\nexport: {}\n"),
    "a relative metric of zeros": Case(60, NUMBER, values=(0.0, 1.0, 2.0), undefined=("mape",),
                                       more="evaluate: {metrics: [mape, mae]}\nexport: {}\n", exported=False),
    "a large target": Case(40, NUMBER, values=(1e9, 3e9, 2e9)),
    "max_steps within the first epoch": Case(300, train="batch_size: 8, max_steps: 4, max_epochs: 3", steps=4, exported=False),
    "max_steps within the second epoch": Case(300, train="batch_size: 8, max_steps: 40, max_epochs: 3", steps=40, exported=False),
    "max_steps of one": Case(300, train="batch_size: 8, max_steps: 1", steps=1, exported=False),
    "max_steps within gradients added up": Case(300, train="batch_size: 8, max_steps: 4, accumulate: 3", steps=4, exported=False),
    "bf16-true": Case(500, train="batch_size: 1, precision: bf16-true", exact=2e-2),
    "bf16-mixed": Case(100, train="batch_size: 8, precision: bf16-mixed", exact=2e-2),
    "64-true": Case(100, train="batch_size: 8, precision: 64-true"),
    "64-true of a number": Case(100, NUMBER, train="batch_size: 8, precision: 64-true"),
    "class weights": Case(90, values=("no", "no", "yes"), train="batch_size: 8, class_weights: balanced", exported=False),
    "early stopping in one epoch": Case(41, train="max_epochs: 1, early_stopping: {patience: 5}", exported=False),
    "early stopping at once": Case(41, train="max_epochs: 2, early_stopping: {patience: 0}", exported=False),
    "a label that train lacks": Case(
        60, values=("no", "yes"), train="class_weights: balanced",
        files={"d.csv": "a,y,s\n" + "".join(f"{i},{'yes' if i % 2 else 'no'},train\n" for i in range(40))
               + "".join(f"{i},{('no', 'yes', 'odd')[i % 3]},{('valid', 'test')[i % 2]}\n" for i in range(20))},
        split="  split: {column: s}\n", more="evaluate: {metrics: [accuracy, auroc]}\nexport: {}\n",
    ),
}  # fmt: skip
REFUSED = {
    "one class": Case(24, values=("yes",), refused="data", numbers=("1 class", "24 rows", "`yes`")),
    "one row": Case(1, refused="data", numbers=("the data has 1 row,", "0.1")),
    "one row a class": Case(2, refused="data", numbers=("the data has 2 rows", "0.1")),
    "four rows": Case(4, refused="data", numbers=("the data has 4 rows",)),
    "train of one class": Case(
        6, files={"d.csv": "a,y,s\n1,no,train\n2,no,train\n3,yes,valid\n4,yes,test\n"}, split="  split: {column: s}\n",
        refused="data", numbers=("1 of 2 classes", "2 rows", "`no`"),
    ),
    "gradients of more batches than there are": Case(
        30, train="accumulate: 4", refused="train", numbers=("train.accumulate (4)", "batches per epoch (1)")
    ),
    "a gate on a relative metric of zeros": Case(
        60, NUMBER, values=(0.0, 1.0, 2.0), refused="data", numbers=("evaluate.gates.mape", "1 of 6 rows"),
        more='evaluate: {metrics: [mape], gates: {mape: "< 1"}}\n',
    ),
    "a gate on r2 of a constant": Case(
        60, NUMBER, values=(3.0,), refused="data", numbers=("evaluate.gates.r2", "all 6 rows have the target 3"),
        more='evaluate: {gates: {r2: "> 0"}}\n',
    ),
    "the best epoch by a relative metric of zeros": Case(
        60, NUMBER, values=(0.0, 1.0, 2.0), train="checkpoint: {monitor: valid/mape}", refused="data",
        numbers=("train.checkpoint.monitor", "3 of 6 rows"), more="evaluate: {metrics: [mape]}\n",
    ),
    "stopping by a relative metric of zeros": Case(
        60, NUMBER, values=(0.0, 1.0, 2.0), train="early_stopping: {monitor: valid/mape}", refused="data",
        numbers=("train.early_stopping.monitor", "3 of 6 rows"), more="evaluate: {metrics: [mape]}\n",
    ),
    "a sweep by a relative metric of zeros": Case(
        60, NUMBER, values=(0.0, 1.0, 2.0), refused="data", numbers=("sweep.metric", "3 of 6 rows"),
        more="evaluate: {metrics: [mape]}\nsweep: {metric: valid/mape, parameters: {train.seed: {values: [1, 2]}}}\n",
    ),
    "the best epoch by a ranking of one row": Case(
        11, train="checkpoint: {monitor: valid/auroc}", refused="data", more="evaluate: {metrics: [auroc]}\n",
        numbers=("train.checkpoint.monitor", "has 1 row"),
    ),
    "a target beyond float32": Case(20, NUMBER, values=(1.0, 1e60), refused="data", numbers=("line 3", "1e+60", "3e+38")),
    "bf16-true of a number": Case(20, NUMBER, train="precision: bf16-true", refused="spec", numbers=("12345", "12352")),
}  # fmt: skip


def table(case: Case) -> str:
    values = case.values or (("no", "yes") if case.target == "class" else (3.0, 1.0, 4.0, 1.5, 9.0))
    inputs = case.inputs or tuple(math.sin(i) for i in range(97))
    lines = [f"{inputs[i % len(inputs)]},{values[i % len(values)]}" for i in range(case.rows)]
    return "\n".join(["a,y", *lines]) + "\n"


def project(root: Path, case: Case) -> Applied:
    labels = "labels: [no, yes" + (", odd]" if "odd" in case.files.get("d.csv", "") else "]")
    target = f"{{column: y, {labels}}}" if case.target == "class" else "{column: y, type: number}"
    epochs = "" if "max_epochs" in case.train else "max_epochs: 1, "
    spec = (
        "project: {name: odd}\n"
        f"data:\n  source: d.csv\n  inputs: {{a: number}}\n  target: {target}\n{case.split}"
        f"model: {case.model}\ntrain: {{{epochs}{', '.join(filter(None, (case.still, case.train)))}}}\n{case.more}"
    )
    return written(root, {"mlproject.yaml": spec, "d.csv": table(case), **case.files})


def split(applied: Applied, name: str) -> tuple[Array, Array]:
    """The best checkpoint's raw outputs for a split, in float64, and the targets."""
    described = json.loads((applied.artifacts / "data/schema.json").read_text())
    rows = pq.read_table(applied.artifacts / f"data/{name}.parquet")
    preprocess = load_preprocess(applied.artifacts / "model/preprocess")
    module = load_module(applied.artifacts / "model", described, applied.root)
    batch = preprocess.collate(preprocess.features(rows.select(list(described["inputs"])).to_pylist()))
    with torch.inference_mode():
        outputs = module(**{key: torch.from_numpy(array) for key, array in batch.items()})
    return outputs.double().numpy(), rows["y"].to_numpy().astype(np.float64)


def loss(case: Case, outputs: Array, targets: Array, train: Array) -> float:
    """Cross entropy, weighted where the case asks for it; or the mean squared error in units of the spread."""
    if case.target == NUMBER:
        spread = train.std() or 1.0
        return float((((outputs - targets) / spread) ** 2).mean())
    index = targets.astype(int)
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    each = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(index)), index]
    weights = np.ones(len(index))
    if "class_weights" in case.train:
        counts = {label: int((train == label).sum()) for label in set(train)}
        weights = np.array([len(train) / (len(counts) * counts[t]) if t in counts else 1.0 for t in targets])
    return float((weights * each).sum() / weights.sum())


def metrics(case: Case, outputs: Array, targets: Array) -> dict[str, float]:
    if case.target == "class":
        return {"accuracy": float((outputs.argmax(axis=1) == targets).mean())}
    errors = outputs - targets
    actual = {"mae": float(np.abs(errors).mean()), "rmse": float(np.sqrt((errors**2).mean()))}
    if len(targets) > 1 and targets.std():
        actual["r2"] = float(1 - (errors**2).sum() / ((targets - targets.mean()) ** 2).sum())
    return actual


@pytest.mark.slow
@pytest.mark.parametrize("case", TRAINED.values(), ids=TRAINED)
def test_training_equals_a_manual_computation(case: Case, tmp_path: Path) -> None:
    applied = project(tmp_path, case)
    applied.run(*(ORDER if case.exported else ORDER[:-1]))
    record = json.loads((applied.artifacts / "metrics/train.json").read_text())
    curve = (applied.artifacts / "plots/train.csv").read_text().splitlines()
    last = dict(zip(curve[0].split(","), curve[-1].split(","), strict=True))
    _, train = split(applied, "train")
    assert sum(len(split(applied, name)[1]) for name in ("train", "valid", "test")) == case.rows
    assert case.steps is None or record["steps"] == case.steps
    assert float(last["valid/loss"]) == pytest.approx(loss(case, *split(applied, "valid"), train), rel=case.exact)
    if "max_steps" not in case.train:
        # Every row of train once, whatever the batches were.
        assert float(last["train/loss"]) == pytest.approx(loss(case, *split(applied, "train"), train), rel=case.exact)
    assert math.isfinite(float(last["train/loss"]))
    evaluation = json.loads((applied.artifacts / "metrics/evaluate.json").read_text())
    assert evaluation["undefined"].keys() == set(case.undefined)
    assert {name for name, value in evaluation["metrics"].items() if value is None} == set(case.undefined)
    for name, value in metrics(case, *split(applied, "test")).items():
        if name in evaluation["metrics"]:
            assert evaluation["metrics"][name] == pytest.approx(value, rel=1e-3, abs=1e-5), name


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_is_refused_with_the_numbers(case: Case, tmp_path: Path) -> None:
    applied = project(tmp_path, case)
    with pytest.raises(SpecError if case.refused == "spec" else StageError) as caught:
        for stage in ORDER[: ORDER.index(case.refused) + 1] if case.refused != "spec" else ("data",):
            reached = stage
            applied.run(stage)
    output = text(caught.value)
    assert case.refused in (reached, "spec")
    assert caught.value.help or case.refused == "spec"
    for number in case.numbers:
        assert number in output
    assert not (applied.artifacts / "model").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("warm_processes")
@pytest.mark.parametrize("own", [False, True])
def test_two_processes_train_on_the_batches_of_one(own: bool, tmp_path: Path) -> None:
    """33 rows in batches of 5, which two processes cannot divide evenly; of the last, of 3, one process gets all."""
    train = "batch_size: 5, max_epochs: 2, learning_rate: 0.05, optimizer: {type: sgd}, accelerator: cpu"
    train += "" if own else ", class_weights: balanced"
    net = NET.replace("nn.BatchNorm1d(4), ", "").replace("Adam(self.parameters()", "SGD(self.parameters(), 0.1")
    results = []
    for devices in (1, 2):
        case = Case(
            41,
            values=("no", "no", "yes"),
            train=f"{train}, devices: {devices}, workers: {devices - 1}",
            model=OWN if own else Case.model,
            files={"src/model.py": net},
            still="",
        )
        applied = project(tmp_path / str(devices), case)
        applied.run("data", "train")
        state = torch.load(applied.artifacts / "model/last.ckpt", weights_only=False)
        curves = np.genfromtxt(applied.artifacts / "plots/train.csv", delimiter=",", skip_header=1)
        results.append((state["global_step"], state["state_dict"], curves))
    (steps, weights, curves), (others, theirs, drawn) = results
    assert steps == others == 2 * 7
    for name, value in weights.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-4, atol=1e-5)
    if not own:  # it logs the loss of one process
        np.testing.assert_allclose(drawn, curves, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.usefixtures("warm_processes")
@pytest.mark.parametrize("rows", [41])
def test_two_processes_measure_every_row_once(rows: int, tmp_path: Path) -> None:
    case = Case(rows, train="batch_size: 4, accelerator: cpu, devices: 2, strategy: ddp")
    applied = project(tmp_path, case)
    applied.run("data", "train")
    record = json.loads((applied.artifacts / "metrics/train.json").read_text())["valid"]
    _, train = split(applied, "train")
    outputs, targets = split(applied, "valid")
    assert record["valid/loss"] == pytest.approx(loss(case, outputs, targets, train), rel=case.exact)
    assert record["valid/accuracy"] == pytest.approx(metrics(case, outputs, targets)["accuracy"])


def test_fewer_rows_than_processes_are_refused_with_the_numbers() -> None:
    from mlspec.learning.split_rows import Rows
    from mlspec.parts.train.minimum_rows import enough
    from mlspec.sections.train import TrainSpec

    rows = {name: Rows(None, [{}] * count, np.zeros(count)) for name, count in (("train", 9), ("valid", 1))}
    with pytest.raises(StageError, match=r"the valid split has 1 row, fewer than the 2 training processes") as caught:
        enough(TrainSpec(), rows, 2, ours=True)
    assert caught.value.help == "train.devices: 1"
    enough(TrainSpec(), rows, 2, ours=False)  # a data module has rows of its own


def text(error: MlspecError) -> str:
    if isinstance(error, SpecError):
        return "\n".join(f"{d.message} {d.help}" for d in error.diagnostics)
    return f"{error.message}\n{error.help}"


NET = """\
import pytorch_lightning as pl
import torch
from torch import nn


class Net(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))

    def forward(self, numbers):
        return self.body(numbers)

    def training_step(self, batch, _):
        inputs, targets = batch
        return nn.functional.cross_entropy(self(**inputs), targets)

    def validation_step(self, batch, _):
        inputs, targets = batch
        self.log("valid/loss", nn.functional.cross_entropy(self(**inputs), targets), batch_size=len(targets))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters())
"""
DATAMODULE = """\
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, default_collate


def joined(rows):
    inputs, targets = default_collate(rows)
    return {"numbers": inputs}, targets


class Own(pl.LightningDataModule):
    def _rows(self):
        return [(torch.full((1,), float(i)), i % 2) for i in range(33)]

    def train_dataloader(self):
        return DataLoader(self._rows(), batch_size=16, collate_fn=joined)

    def val_dataloader(self):
        return DataLoader(self._rows(), batch_size=16, collate_fn=joined)
"""
OWN = '{class: "src.model:Net"}'
WITH = "{class: src.model:Net, datamodule: src.data:Own, preprocess: none, compare_inputs: false}"


def custom(root: Path, net: str = NET, **settings: Any) -> Applied:
    settings = {"model": OWN, **settings}
    return project(root, Case(41, files={"src/model.py": net, "src/data.py": DATAMODULE}, **settings))


def refusal(applied: Applied, *stages: str) -> StageError:
    with pytest.raises(StageError) as caught:
        applied.run(*stages)
    return caught.value


@pytest.mark.slow
def test_a_batch_norm_of_the_projects_own_trains_with_a_remainder_of_one(tmp_path: Path) -> None:
    applied = custom(tmp_path)
    applied.run(*ORDER)
    assert json.loads((applied.artifacts / "metrics/train.json").read_text())["steps"] == 1


@pytest.mark.slow
def test_a_batch_norm_in_batches_of_one_names_line_and_key(tmp_path: Path) -> None:
    error = refusal(custom(tmp_path, train="batch_size: 1"), "data", "train")
    assert "src/model.py:12 in forward: return self.body(numbers)" in error.message
    assert "train has 33 rows, train.batch_size is 1" in error.message
    assert error.help == "train.batch_size: 2"


@pytest.mark.slow
def test_a_data_module_with_a_remainder_of_one_names_its_line(tmp_path: Path) -> None:
    error = refusal(custom(tmp_path, model=WITH), "data", "train")
    line = DATAMODULE.splitlines().index("    def train_dataloader(self):") + 1
    assert f"src/data.py:{line} (Own.train_dataloader)" in error.message
    assert "drop_last=True" in error.help
    # Whoever follows that trains.
    path = tmp_path / "src/data.py"
    path.write_text(DATAMODULE.replace("batch_size=16, coll", "batch_size=16, drop_last=True, coll", 1))
    Applied(tmp_path).run("train")


BROKEN = {
    "an optimizer that is none": ("return torch.optim.Adam(self.parameters())", "return 5", "configure_optimizers"),
    "no training step": ("def training_step", "def other_step", "training_step"),
    "a loss without gradient": ("targets)\n\n    def valid", "targets).detach()\n\n    def valid", "(in torch)"),
    "a line of its own": ("return self.body(numbers)", "return self.body(numbers) + self.missing", "src/model.py:12"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("old", "new", "expected"), BROKEN.values(), ids=BROKEN)
def test_a_module_that_fails_is_named_and_blamed_for_its_own_lines_only(
    old: str, new: str, expected: str, tmp_path: Path
) -> None:
    error = refusal(custom(tmp_path, NET.replace(old, new, 1)), "data", "train")
    message = f"{error.message}\n{error.help}"
    assert expected in message
    assert "src.model:Net" in message or "src/model.py" in message
    assert ("project's code" in message) == ("src/model.py:" in message)


@pytest.mark.slow
def test_an_output_that_is_not_a_tensor_is_named(tmp_path: Path) -> None:
    net = NET.replace("return self.body(numbers)", "x = self.body(numbers)\n        return (x, x)").replace(
        "self(**inputs), targets", "self(**inputs)[0], targets"
    )
    error = refusal(custom(tmp_path, net), "data", "train", "evaluate")
    assert error.message == "src.model:Net.forward returned tuple, not a torch.Tensor"


LSTM = NET.replace(
    "self.body = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))",
    "self.words, self.lstm = nn.Embedding(8000, 4), nn.LSTM(4, 4, batch_first=True)\n        self.head = nn.Linear(4, 2)",
).replace(
    "    def forward(self, numbers):\n        return self.body(numbers)\n",
    "    def forward(self, input_ids, attention_mask):\n"
    "        lengths = attention_mask.sum(1).cpu()\n"
    "        packed = nn.utils.rnn.pack_padded_sequence(\n"
    "            self.words(input_ids), lengths, batch_first=True, enforce_sorted=False\n        )\n"
    "        _, (last, _) = self.lstm(packed)\n"
    "        return self.head(last[-1])\n",
)
WORDS = "a,y\n" + "".join(f"{'word ' * (1 + i % 5)}{i},{'yes' if i % 2 else 'no'}\n" for i in range(41))


def words(root: Path, model: str, table: str = WORDS, **files: str | bytes) -> Applied:
    applied = project(root, Case(41, model=model, files={"d.csv": table}))
    applied.spec("inputs: {a: number}", "inputs: {a: text}")
    return written(root, dict(files))


@pytest.mark.slow
def test_packed_sequences_are_refused_with_the_line_and_the_way_out_works(tmp_path: Path) -> None:
    applied = words(tmp_path, OWN, **{"src/model.py": LSTM})
    applied.run("data", "train", "evaluate")
    error = refusal(applied, "export")
    line = LSTM.splitlines().index("        _, (last, _) = self.lstm(packed)") + 1
    assert f"at src/model.py:{line} in forward: _, (last, _) = self.lstm(packed)" in error.message
    advised = re.search(r"output\[.*\]", error.help)
    assert advised is not None
    head, _, rest = LSTM.partition("        lengths = ")
    tail = rest[rest.index("        return self.head") :]
    body = f"        output, _ = self.lstm(self.words(input_ids))\n        last = {advised[0]}\n"
    (tmp_path / "src/model.py").write_text(head + body + tail.replace("last[-1]", "last"))
    del sys.modules["src.model"]
    applied.run("train", "evaluate", "export")


def test_a_text_beyond_all_lengths_is_named_by_its_line(tmp_path: Path) -> None:
    lines = WORDS.splitlines()
    lines.insert(22, f"{'x ' * 650_000},yes")
    error = refusal(words(tmp_path, "{type: text-classifier}", "\n".join(lines) + "\n"), "data")
    assert "1,300,000" in error.message
    assert "1,000,000" in error.message
    assert "d.csv line 23: 'x x" in error.message


SMALL = "{type: text-classifier, layers: 1, hidden: 8, heads: 2, vocab_size: 100, max_length: 8}"


@pytest.mark.slow
def test_texts_that_are_cut_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = WORDS + "".join(f"{'long ' * 30}{i},{'yes' if i % 2 else 'no'}\n" for i in range(20))
    applied = words(tmp_path, SMALL, table)
    applied.run("data", "train", "evaluate")
    output = capsys.readouterr().out
    for name in ("train", "valid", "test"):
        texts = pq.read_table(applied.artifacts / f"data/{name}.parquet")["a"].to_pylist()
        long = sum(value.startswith("long") for value in texts)
        counted = re.search(rf"warning: (\d+) of {len(texts)} rows of {name} have more than 8 tokens", output)
        assert long
        assert counted is not None
        assert int(counted[1]) >= long


def encoder(folder: Path, half: bool) -> None:
    """A tiny BERT with positions for 16 tokens."""
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=40, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=16,
    )  # fmt: skip
    body = transformers.BertModel(config)
    (body.half() if half else body).save_pretrained(folder)
    tokens = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "word",
        *map(str, range(10)),
        *(f"##{i}" for i in range(10)),
    ]
    (folder / "vocab.txt").write_text("\n".join(tokens))
    transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)


@pytest.mark.slow
@pytest.mark.parametrize("half", [False, True], ids=["single", "half"])
def test_an_encoder_saved_in_any_precision_is_trained(half: bool, tmp_path: Path) -> None:
    applied = words(tmp_path, "{type: text-classifier, pretrained: enc, max_length: 16}")
    encoder(tmp_path / "enc", half)
    applied.run(*ORDER)
    kept = torch.load(applied.artifacts / "model/best.ckpt", weights_only=True)["state_dict"]
    assert {value.dtype for value in kept.values() if value.is_floating_point()} == {torch.float32}


@pytest.mark.slow
def test_more_tokens_than_the_encoder_has_positions_are_refused(tmp_path: Path) -> None:
    applied = words(tmp_path, "{type: text-classifier, pretrained: enc}")
    encoder(tmp_path / "enc", half=False)
    error = refusal(applied, "data", "train")
    assert error.message == "model.max_length is 128, but enc supports at most 16 tokens"
    assert error.help.startswith("model.max_length: 16")


def pictures(root: Path, count: int, labels: tuple[str, ...] = ("cat", "dog"), train: str = "") -> Applied:
    import io

    from PIL import Image

    files: dict[str, str | bytes] = {}
    for number in range(count):
        raw = io.BytesIO()
        Image.new("L", (8, 8), number * 37 % 256).save(raw, "PNG")
        files[f"pets/{labels[number % len(labels)]}/{number:03}.png"] = raw.getvalue()
    source = "pets" if len(labels) > 1 else f"pets/{labels[0]}"
    spec = (
        f"project: {{name: pets}}\ndata: {{source: {source}, inputs: {{p: image}}, target: {{column: kind}}}}\n"
        "model: {type: image-classifier, channels: [4, 4, 4, 4]}\n"
        f"train: {{max_epochs: 1{train}}}\nevaluate: {{}}\nexport: {{}}\n"
    )
    return written(root, {"mlproject.yaml": spec, **files})


@pytest.mark.slow
def test_33_pictures_are_trained_in_batches_of_32(tmp_path: Path) -> None:
    applied = pictures(tmp_path, 41)
    applied.run(*ORDER)
    assert pq.read_table(applied.artifacts / "data/train.parquet").num_rows == 33


@pytest.mark.slow
def test_pictures_in_batches_of_one_are_refused_where_nothing_can_be_normalised(tmp_path: Path) -> None:
    error = refusal(pictures(tmp_path, 41, train=", batch_size: 1"), "data", "train")
    assert "33 rows, train.batch_size 1" in error.message
    assert "train.batch_size: 2" in error.help


def test_pictures_of_one_class_are_refused(tmp_path: Path) -> None:
    error = refusal(pictures(tmp_path, 24, ("dog",)), "data")
    assert "has a single class: all 24 images lie directly in `dog`" in error.message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ("batch_size: 32", "the last batch of 1 row (of 33, in batches of 32) is merged into the previous batch"),
        ("batch_size: 32, drop_last: true", "train.drop_last skips 1 of 33 rows of train in each epoch"),
    ],
)
def test_an_incomplete_last_batch_is_reported(
    train: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project(tmp_path, Case(41, train=train)).run("data", "train")
    assert expected in capsys.readouterr().out
