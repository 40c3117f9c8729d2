"""The two models that serving is measured with, as bundles: a transformer of 22M parameters, and a small network on
numbers and categories. Their weights are random where none are given: that costs the same."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from mlspec.runtime.preprocess.fit import fit

MINILM: dict[str, Any] = {
    "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536,
    "vocab_size": 30522,
}  # fmt: skip
NUMBERS = [f"n{i}" for i in range(8)]
CATEGORIES = {"c0": list("abcd"), "c1": list("xyz")}


class Classifier(torch.nn.Module):
    """A transformer, the mean of its tokens, two labels."""

    def __init__(self, folder: str | None) -> None:
        super().__init__()
        from transformers import AutoModel, BertConfig, BertModel

        self.body = AutoModel.from_pretrained(folder) if folder else BertModel(BertConfig(**MINILM))
        self.head = torch.nn.Linear(self.body.config.hidden_size, 2)

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        states = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).float()
        return self.head((states * mask).sum(1) / mask.sum(1))


class Tabular(torch.nn.Module):
    """Embeddings and two hidden layers."""

    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.ModuleList([torch.nn.Embedding(len(v) + 1, 4) for v in CATEGORIES.values()])
        layers = [torch.nn.Linear(16, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU()]
        self.layers = torch.nn.Sequential(*layers, torch.nn.Linear(64, 3))

    def forward(self, numbers: Any, categories: Any) -> Any:
        words = [embed(categories[:, i]) for i, embed in enumerate(self.words)]
        return self.layers(torch.cat([numbers, *words], 1))


def text(folder: Path, texts: list[str], model: str | None) -> Path:
    with making(folder) as fresh:
        if not fresh:
            return folder
        tokenizer = Path(model) / "tokenizer.json" if model else None
        fit(
            {"sentence": texts},
            {"sentence": {"type": "text"}},
            folder / "preprocess",
            tokenizer=tokenizer,
            max_length=128,
        )
        torch.manual_seed(0)
        ids = torch.ones(2, 8, dtype=torch.long)
        write(folder, Classifier(model), {"input_ids": ids, "attention_mask": ids}, {0: "rows", 1: "tokens"})
        signed(folder, {"sentence": "text"}, ["no", "yes"], ["input_ids", "attention_mask"])
    return folder


def int8(folder: Path, of: Path) -> Path:
    """The same model with weights of eight bits."""
    with making(folder) as fresh:
        if fresh:
            (folder / "preprocess").mkdir()
            for file in ("signature.json", "preprocess/preprocess.json", "preprocess/tokenizer.json"):
                (folder / file).write_bytes((of / file).read_bytes())
            quantize_dynamic(of / "model.onnx", folder / "model.onnx", weight_type=QuantType.QInt8)
    return folder


def tabular(folder: Path, rows: list[dict[str, Any]]) -> Path:
    with making(folder) as fresh:
        if not fresh:
            return folder
        kinds: dict[str, Any] = {name: {"type": "number"} for name in NUMBERS}
        kinds |= {name: {"type": "category", "values": values} for name, values in CATEGORIES.items()}
        fit({name: [row[name] for row in rows] for name in kinds}, kinds, folder / "preprocess")
        inputs = {"numbers": torch.zeros(2, 8), "categories": torch.zeros(2, 2, dtype=torch.long)}
        torch.manual_seed(0)
        write(folder, Tabular(), inputs, {0: "rows"})
        signed(folder, {name: kind["type"] for name, kind in kinds.items()}, ["a", "b", "c"], list(inputs))
    return folder


def made_rows(count: int) -> list[dict[str, Any]]:
    dice = random.Random(0)
    return [
        {name: round(dice.gauss(0, 1), 4) for name in NUMBERS}
        | {name: dice.choice(v) for name, v in CATEGORIES.items()}
        for _ in range(count)
    ]


@contextmanager
def making(folder: Path) -> Iterator[bool]:
    """Whether the bundle is still to be made; a signature comes last, so a half one is made again."""
    fresh = not (folder / "done").exists()
    folder.mkdir(parents=True, exist_ok=True)
    yield fresh
    (folder / "done").touch()


def write(folder: Path, module: torch.nn.Module, inputs: dict[str, Any], free: dict[int, str]) -> None:
    torch.onnx.export(
        module.eval(), tuple(inputs.values()), str(folder / "model.onnx"), input_names=list(inputs),
        output_names=["logits"], opset_version=18, dynamo=True, external_data=False, verbose=False,
        dynamic_shapes=dict.fromkeys(inputs, free),
    )  # fmt: skip


def signed(folder: Path, inputs: dict[str, str], labels: list[str], graph: list[str]) -> None:
    described = {"version": 1, "name": "model", "task": "classification", "output": {"labels": labels},
                 "inputs": [{"name": name, "type": kind} for name, kind in inputs.items()],
                 "graph": {"inputs": graph, "output": "logits"}}  # fmt: skip
    (folder / "signature.json").write_text(json.dumps(described))
