"""Tokenizers of the transformers library, and where its models are: a folder or the Hugging Face cache."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from types import ModuleType
from typing import Final

from mlspec.errors import StageError

_SAFE: Final = "safetensors"


def transformers_library() -> ModuleType:
    """The library, without progress bars and with errors only."""
    transformers = importlib.import_module("transformers")

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    return transformers


def model_location(name: str, root: Path) -> str:
    """The folder of a model if the project has it, else its name at the Hugging Face hub."""
    local = root / name
    return str(local) if local.is_dir() else name


def not_loaded(name: str, error: Exception) -> StageError:
    """The error if a pretrained model cannot be loaded."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    help = "check the name and the network, or save the model in a folder and set model.pretrained to that folder"
    if _SAFE in reason:
        help = (
            f"without {_SAFE} its weights are a pickle; if you trust its author: `model: {{trust: true}}`; else {help}"
        )
    return StageError(f"cannot load the pretrained model {name}: {reason}", help=help)


def tokenizer(name: str, root: Path, folder: Path) -> tuple[Path, tuple[str, ...]]:
    """Write the tokenizer to `folder`. Returns the file and the names of the model's inputs. Raises StageError."""
    transformers = transformers_library()
    try:
        tokenizer_ = transformers.AutoTokenizer.from_pretrained(model_location(name, root), use_fast=True)
    except (OSError, ValueError, ImportError) as error:
        raise not_loaded(name, error) from None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pretrained-tokenizer.json"
    tokenizer_.backend_tokenizer.save(str(path))
    known = ("input_ids", "attention_mask", "token_type_ids")
    return path, tuple(n for n in known if n in tokenizer_.model_input_names)
