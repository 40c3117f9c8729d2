"""Pretrained encoders and tokenizers of the transformers library, from a folder or the Hugging Face cache."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from mlspec.errors import StageError


def _quiet() -> ModuleType:
    transformers = importlib.import_module("transformers")

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    return transformers


def _where(name: str, root: Path) -> str:
    local = root / name
    return str(local) if local.is_dir() else name


def _missing(name: str, error: Exception) -> StageError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    help = "check the name and the network, or save the model in a folder and set model.pretrained to that folder"
    if _SAFE in reason:
        help = (
            f"without {_SAFE} its weights are a pickle; if you trust its author: `model: {{trust: true}}`; else {help}"
        )
    return StageError(f"cannot load the pretrained model {name}: {reason}", help=help)


_SAFE = "safetensors"


def encoder(name: str, root: Path, *, trust: bool) -> tuple[nn.Module, dict[str, Any]]:
    """The encoder with its weights, and its configuration. Raises StageError if it cannot be loaded.

    Without `trust` only weights in safetensors are loaded; with it also a pickle of tensors (`weights_only`).
    """
    transformers = _quiet()
    try:
        # A model saved in half precision would be loaded in it, but the head is float32.
        body = transformers.AutoModel.from_pretrained(
            _where(name, root),
            attn_implementation="sdpa",
            dtype=torch.float32,
            use_safetensors=None if trust else True,
            weights_only=True,
        )
    except (OSError, ValueError, ImportError) as error:
        raise _missing(name, error) from None
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
    transformers = _quiet()
    kind = {k: v for k, v in config.items() if k not in ("transformers_version", "dtype", "torch_dtype")}
    network: nn.Module = transformers.AutoModel.from_config(
        transformers.AutoConfig.for_model(**kind), attn_implementation="sdpa"
    )
    return network


def tokenizer(name: str, root: Path, folder: Path) -> tuple[Path, tuple[str, ...]]:
    """Write the tokenizer to `folder`. Returns the file and the names of the model's inputs. Raises StageError."""
    transformers = _quiet()
    try:
        tokenizer_ = transformers.AutoTokenizer.from_pretrained(_where(name, root), use_fast=True)
    except (OSError, ValueError, ImportError) as error:
        raise _missing(name, error) from None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pretrained-tokenizer.json"
    tokenizer_.backend_tokenizer.save(str(path))
    known = ("input_ids", "attention_mask", "token_type_ids")
    return path, tuple(n for n in known if n in tokenizer_.model_input_names)
