"""Pretrained encoders and tokenizers of the transformers library, from a folder or from the hub's cache."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mlspec.errors import StageError


def _quiet() -> Any:
    transformers: Any = importlib.import_module("transformers")

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    return transformers


def _where(name: str, root: Path) -> str:
    local = root / name
    return str(local) if local.is_dir() else name


def _missing(name: str, error: Exception) -> StageError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return StageError(
        f"the pretrained model {name} cannot be loaded: {reason}",
        help="without a network, put it into a folder of the project and name that folder in model.pretrained",
    )


def encoder(name: str, root: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The encoder with its weights, and its configuration. Raises StageError where it is not to be had."""
    transformers = _quiet()
    try:
        # Saved in half precision, it would be loaded so, and the head beside it is float32.
        body = transformers.AutoModel.from_pretrained(
            _where(name, root), attn_implementation="sdpa", dtype=torch.float32
        )
    except (OSError, ValueError, ImportError) as error:
        raise _missing(name, error) from None
    return body, body.config.to_diff_dict() | {
        "model_type": body.config.model_type,
        "hidden_size": body.config.hidden_size,
    }


def positions(body: nn.Module) -> int | None:
    """How many tokens the encoder has positions for; None where it has no such limit."""
    config: Any = body.config
    # RoBERTa and its relatives number positions from behind the padding's.
    offsets = [m.padding_idx + 1 for n, m in body.named_modules() if n.endswith("position_embeddings") and _offset(m)]
    most = getattr(config, "max_position_embeddings", None)
    return int(most) - max(offsets, default=0) if isinstance(most, int) and most > 0 else None


def _offset(module: nn.Module) -> bool:
    return isinstance(module, nn.Embedding) and module.padding_idx is not None


def encoder_of(config: dict[str, Any]) -> nn.Module:
    """An encoder of that configuration, its weights still random."""
    transformers = _quiet()
    kind = {k: v for k, v in config.items() if k not in ("transformers_version", "dtype", "torch_dtype")}
    made: nn.Module = transformers.AutoModel.from_config(
        transformers.AutoConfig.for_model(**kind), attn_implementation="sdpa"
    )
    return made


def tokenizer(name: str, root: Path, folder: Path) -> tuple[Path, tuple[str, ...]]:
    """Write its tokenizer to `folder` and give the file and the names of the model's inputs."""
    transformers = _quiet()
    try:
        found = transformers.AutoTokenizer.from_pretrained(_where(name, root), use_fast=True)
    except (OSError, ValueError, ImportError) as error:
        raise _missing(name, error) from None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pretrained-tokenizer.json"
    found.backend_tokenizer.save(str(path))
    known = ("input_ids", "attention_mask", "token_type_ids")
    return path, tuple(n for n in known if n in found.model_input_names)
