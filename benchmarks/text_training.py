"""Training on text: batches of like length, padded to their longest, against every sentence padded to 128 tokens.

Same network, same rows, same optimizer, same machine, one process: only the batches differ. Prints rows per second of
both and their ratio. `--data FILE` names a tab-separated file whose last column is the sentence (the Corpus of
Linguistic Acceptability, say), `--model FOLDER` a transformers encoder; without them sentences of such lengths are
made, and an encoder of MiniLM's size with random weights.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlspec.learning.batches import Buckets, Collate, lengths, loader
from mlspec.learning.networks import PretrainedNetwork
from mlspec.learning.pretrained import encoder, encoder_of
from mlspec.learning.split_rows import Rows
from mlspec.runtime.preprocess import load
from mlspec.runtime.preprocess.base import Array, Feature
from mlspec.runtime.preprocess.fit import fit

BATCH, PADDED, ROUNDS = 32, 128, 3
MINILM: dict[str, Any] = {
    "model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
    "intermediate_size": 1536, "vocab_size": 30522,
}  # fmt: skip


class Padded(Collate):
    """Every row padded to the same length, whatever it needs."""

    def __call__(self, rows: Any) -> Any:
        """A batch of PADDED tokens."""
        inputs, targets = super().__call__(rows)
        room = PADDED - inputs["input_ids"].shape[1]
        return {name: torch.nn.functional.pad(tensor, (0, room)) for name, tensor in inputs.items()}, targets


def sentences(data: str | None, count: int) -> list[str]:
    """Real sentences, or made ones with the corpus's lengths: about nine words, a few of thirty."""
    if data:
        lines = Path(data).read_text(encoding="utf-8").splitlines()
        return [line.split("\t")[-1] for line in random.Random(0).sample(lines, count)]
    dice = random.Random(0)
    words = ["the", "cat", "sailors", "rode", "breeze", "that", "which", "believed", "himself", "rocks"]
    return [" ".join(dice.choices(words, k=min(40, 3 + int(dice.expovariate(1 / 6))))) for _ in range(count)]


def seconds(network: torch.nn.Module, batches: Any) -> float:
    """Time of one pass of training."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5)
    began = time.perf_counter()
    for inputs, targets in batches:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(**inputs), targets).backward()
        optimizer.step()
    return time.perf_counter() - began


def main() -> None:
    """Measure both in turn and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data")
    parser.add_argument("--model")
    parser.add_argument("--rows", type=int, default=512)
    options = parser.parse_args()
    texts = sentences(options.data, options.rows)
    folder = Path("/tmp/mlspec-bench-preprocess")
    given = Path(options.model) / "tokenizer.json" if options.model else None
    fit({"text": texts}, {"text": {"type": "text"}}, folder, tokenizer=given, max_length=PADDED)
    preprocess = load(folder)
    features: list[Feature] = preprocess.features([{"text": text} for text in texts])
    targets: Array = np.zeros(len(texts), dtype=np.int64)
    rows = Rows(None, features, targets)
    body = encoder(str(Path(options.model).resolve()), Path("/"))[0] if options.model else encoder_of(MINILM)
    network = PretrainedNetwork(body, 384, 2, 0.1)
    bucketed = loader(rows, preprocess, Buckets(lengths(rows, preprocess), BATCH, 0))
    padded = loader(rows, preprocess, Buckets([1] * len(rows), BATCH, 0))
    padded.collate_fn = Padded(preprocess)
    ratios = []
    for _ in range(ROUNDS):
        slow, fast = seconds(network, padded), seconds(network, bucketed)
        ratios.append(slow / fast)
        print(
            f"padded to {PADDED}: {len(rows) / slow:6.1f} rows/s   bucketed: {len(rows) / fast:6.1f} rows/s", flush=True
        )
    print(f"bucketed / padded: {statistics.median(ratios):.1f} x (target: at least 6 x)")


if __name__ == "__main__":
    main()
