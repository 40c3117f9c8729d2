"""Weights of a pretrained model: safetensors are loaded, a pickle only for a trusted model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers

from mlspec.errors import StageError
from mlspec.learning.pretrained import encoder


@pytest.fixture(scope="module")
def pickled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a tiny model in `safe/`, and the same with its weights as a pickle in `bert/`."""
    root = tmp_path_factory.mktemp("project")
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    model = transformers.BertModel(config)
    model.save_pretrained(root / "safe")
    config.save_pretrained(root / "bert")
    torch.save(model.state_dict(), root / "bert" / "pytorch_model.bin")
    return root


def test_safetensors_are_loaded(pickled: Path) -> None:
    body, config = encoder("safe", pickled, trust=False)
    assert config["hidden_size"] == 8
    assert sum(weight.numel() for weight in body.parameters()) > 100


def test_a_pickle_needs_trust(pickled: Path) -> None:
    with pytest.raises(StageError, match="cannot load the pretrained model bert") as error:
        encoder("bert", pickled, trust=False)
    assert "model: {trust: true}" in error.value.help
    trusted, _ = encoder("bert", pickled, trust=True)
    safe, _ = encoder("safe", pickled, trust=False)
    assert all(torch.equal(a, b) for a, b in zip(trusted.parameters(), safe.parameters(), strict=True))
