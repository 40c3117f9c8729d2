"""Sentences with the lengths of the Corpus of Linguistic Acceptability, and the size of the encoder that reads them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

MINILM: dict[str, Any] = {
    "model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
    "intermediate_size": 1536, "vocab_size": 30522,
}  # fmt: skip


def sentences(data: str | None, count: int) -> list[str]:
    """The last column of a tab-separated file, or generated sentences: about nine words, a few of thirty."""
    if data:
        lines = Path(data).read_text(encoding="utf-8").splitlines()
        return [line.split("\t")[-1] for line in random.Random(0).sample(lines, count)]
    dice = random.Random(0)
    words = ["the", "cat", "sailors", "rode", "breeze", "that", "which", "believed", "himself", "rocks"]
    return [" ".join(dice.choices(words, k=min(40, 3 + int(dice.expovariate(1 / 6))))) for _ in range(count)]
