"""Pretrained encoders of the transformers library, from a folder or the Hugging Face cache."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mlspec.learning.pretrained_tokenizer import model_location, not_loaded, transformers_library


def encoder(name: str, root: Path, *, trust: bool) -> tuple[nn.Module, dict[str, Any]]:
    """The encoder with its weights, and its configuration. Raises StageError if it cannot be loaded.

    Without `trust` only weights in safetensors are loaded; with it also a pickle of tensors (`weights_only`).
    """
    transformers = transformers_library()
    try:
        # A model saved in half precision would be loaded in it, but the head is float32.
        body = transformers.AutoModel.from_pretrained(
            model_location(name, root),
            attn_implementation="sdpa",
            dtype=torch.float32,
            use_safetensors=None if trust else True,
            weights_only=True,
        )
    except (OSError, ValueError, ImportError) as error:
        raise not_loaded(name, error) from None
    return body, body.config.to_diff_dict() | {
        "model_type": body.config.model_type,
        "hidden_size": body.config.hidden_size,
    }


def positions(body: nn.Module) -> int | None:
    """The maximum number of tokens of the encoder; None if it is unlimited."""
    config: Any = body.config
    # RoBERTa and similar models number positions from padding_idx + 1.
    offsets = [m.padding_idx + 1 for n, m in body.named_modules() if n.endswith("position_embeddings") and _offset(m)]
    most = getattr(config, "max_position_embeddings", None)
    return int(most) - max(offsets, default=0) if isinstance(most, int) and most > 0 else None


def _offset(module: nn.Module) -> bool:
    return isinstance(module, nn.Embedding) and module.padding_idx is not None


def encoder_of(config: Mapping[str, object]) -> nn.Module:
    """An encoder of that configuration with random weights."""
    transformers = transformers_library()
    kind = {k: v for k, v in config.items() if k not in ("transformers_version", "dtype", "torch_dtype")}
    network: nn.Module = transformers.AutoModel.from_config(
        transformers.AutoConfig.for_model(**kind), attn_implementation="sdpa"
    )
    return network
