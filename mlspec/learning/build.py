"""The `model` section and the schema to a torch module, new or from a checkpoint."""

from __future__ import annotations

import importlib
import inspect
import pickle
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mlspec.errors import StageError
from mlspec.job import user_code
from mlspec.learning import model_code
from mlspec.learning.networks import ImageNetwork, PretrainedNetwork, TabularNetwork, TextNetwork
from mlspec.learning.pretrained import encoder, encoder_of, positions
from mlspec.records.schema import Schema
from mlspec.sections.model import AnyModel, Custom, ImageClassifier, ModelSpec, Tabular, TextClassifier


def network(model: ModelSpec, schema: Schema, vocab: int, root: Path) -> tuple[nn.Module, dict[str, object]]:
    """A new network, and the description from which a checkpoint rebuilds it without the pretrained weights.

    Raises StageError if pretrained weights or the user's class cannot be loaded.
    """
    described: dict[str, object] = {"model": model.model_dump(mode="json", by_alias=True), "vocab": vocab}
    if isinstance(model, TextClassifier) and model.pretrained is not None:
        body, config = encoder(model.pretrained, root, trust=model.trust)
        most = positions(body)
        if most is not None and model.max_length > most:
            raise StageError(
                f"model.max_length is {model.max_length}, but {model.pretrained} supports at most {most} tokens",
                help=f"model.max_length: {most} (longer texts are truncated)",
            )
        network_ = PretrainedNetwork(body, config["hidden_size"], len(schema.labels), model.dropout)
        if model.freeze:
            body.requires_grad_(False)
        return network_, {**described, "encoder": config}
    if isinstance(model, Custom):
        described["code"] = model_code.digests(model, root)
    return _plain(model, schema, vocab, root), described


def _plain(model: ModelSpec, schema: Schema, vocab: int, root: Path) -> nn.Module:
    inputs, classes = schema.inputs, len(schema.labels)
    match model:
        case TextClassifier():
            return TextNetwork(vocab, model.max_length, model.hidden, model.layers, model.heads, classes, model.dropout)
        case ImageClassifier():
            image = next(i for i in inputs.values() if i.type == "image")
            shape = (image.channels or 0, image.height or 0, image.width or 0)
            return ImageNetwork(shape, model.channels, model.hidden, classes, model.dropout)
        case Tabular():
            numbers = sum(i.type == "number" for i in inputs.values())
            sizes = [len(i.values or ()) for i in inputs.values() if i.type == "category"]
            return TabularNetwork(numbers, sizes, model.embedding, model.hidden, classes, model.dropout)
        case Custom():
            module: nn.Module = custom(model.class_, model.args, schema, root)
            return module
        case _:
            raise TypeError(type(model).__name__)


def custom(path: str, args: Mapping[str, object], schema: Schema, root: Path, **more: object) -> Any:
    """An instance of the user's class. Its `__init__` gets `signature`, `labels` and `more` if it has these parameters.

    Raises StageError if the class cannot be imported or its `__init__` fails.
    """
    module, _, name = path.partition(":")
    with user_code(root, f"model.class {path}"):
        if str(root) not in sys.path:
            sys.path.insert(0, str(root))
        class_ = getattr(importlib.import_module(module), name)
        takes = inspect.signature(class_).parameters
        keywords = {"signature": schema.to_json(), "labels": list(schema.labels), **more}
        return class_(**{k: v for k, v in keywords.items() if k in takes} | dict(args))


def rebuilt(checkpoint: Mapping[str, Any], schema: Schema, root: Path) -> nn.Module:
    """The module of a checkpoint with its weights, in evaluation mode. Raises StageError if its code has changed."""
    described = checkpoint["mlspec"]
    model = AnyModel.model_validate(described["model"]).root
    _same_code(described.get("code", {}), root)
    if "encoder" in described:
        body = encoder_of(described["encoder"])
        module: nn.Module = PretrainedNetwork(body, described["encoder"]["hidden_size"], len(schema.labels), 0.0)
    else:
        module = _plain(model, schema, described["vocab"], root)
    # mlspec's networks are an attribute of a Learner; a custom module is the LightningModule itself.
    own = "network."
    state = checkpoint["state_dict"]
    if not isinstance(model, Custom):
        state = {key.removeprefix(own): value for key, value in state.items() if key.startswith(own)}
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise StageError(
            f"cannot load the checkpoint into the model: {str(error).splitlines()[0]}",
            help="the model code changed after training; train again: mlspec apply --force train",
        ) from None
    return module.eval()


def _same_code(trained: Mapping[str, Sequence[str]], root: Path) -> None:
    """Raise StageError if the model code differs from the code that the weights were trained with."""
    if changed := model_code.changed(trained, root):
        files = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        raise StageError(
            f"the model code has changed since the checkpoint was trained: {files}",
            help="train again with the new code (mlspec apply), or restore the files",
        )


def load_module(model_folder: Path, schema: Schema | Mapping[str, object], root: Path) -> nn.Module:
    """The trained module of `best.ckpt` in `model_folder`; its `forward(**inputs)` returns logits. Unpickles no code.

    `schema` is a Schema, or the contents of `schema.json`, as in the generated tests. Raises StageError if the
    checkpoint is missing, damaged, or of other code.
    """
    known = schema if isinstance(schema, Schema) else Schema.model_validate(schema)
    path = model_folder / "best.ckpt"
    if not path.exists():
        raise StageError(f"checkpoint not found: {path}", help="run the train stage: mlspec apply --until train")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise StageError(
            f"cannot read {path.name}: {str(error).splitlines()[0]}", help="train again: mlspec apply --force train"
        ) from None
    return rebuilt(checkpoint, known, root)
