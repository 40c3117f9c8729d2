"""Fits the preprocessing on the training split, or loads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pyarrow.parquet as pq
from tokenizers import Tokenizer

from mlspec.errors import StageError
from mlspec.learning import custom_preprocess
from mlspec.learning.decoded_images import decoded
from mlspec.learning.pretrained_tokenizer import tokenizer
from mlspec.records.schema import Schema
from mlspec.runtime.preprocess import Preprocess, load
from mlspec.runtime.preprocess.base import InputDescription
from mlspec.runtime.preprocess.bundle_errors import BundleError
from mlspec.runtime.preprocess.fit import fit
from mlspec.runtime.preprocess.image import ImagePreprocess, image_size
from mlspec.sections.model import Custom, ModelSpec, Preprocessing, TextClassifier


def prepared(
    model: ModelSpec, schema: Schema, data: Path, folder: Path, root: Path, scratch: Path
) -> tuple[Preprocess, int]:
    """The preprocessing in `folder`, fitted if it does not exist, and its vocabulary size (0 without text).

    `scratch` is the folder for the pixels of decoded images.

    Raises StageError if the training data is missing or the preprocessing cannot be fitted.
    """
    marker, inputs = folder / "fitted", input_descriptions(schema)
    if not marker.exists():
        path = data / "train.parquet"
        if not path.exists():
            raise StageError(f"training data not found: {path}", help="run the data stage: mlspec apply --until data")
        table = pq.read_table(path, columns=list(inputs))
        if isinstance(model, Custom) and isinstance(model.preprocess, Preprocessing):
            custom_preprocess.fit(model.preprocess, table.to_pylist(), inputs, folder, root, data)
            marker.touch()
            return load_fitted(folder), 0
        tokenizer_file: Path | None = None
        names: tuple[str, ...] = ("input_ids", "attention_mask")
        if isinstance(model, TextClassifier) and model.pretrained is not None:
            tokenizer_file, names = tokenizer(model.pretrained, root, folder)
        sizes = model if isinstance(model, TextClassifier | Custom) else None
        fit(
            {name: _values(table[name].to_pylist(), name, inputs[name], path, scratch) for name in inputs},
            inputs,
            folder,
            tokenizer=tokenizer_file,
            names=names,
            max_length=sizes.max_length if sizes else 128,
            vocab_size=sizes.vocab_size if sizes else 8000,
            lowercase=isinstance(model, TextClassifier) and model.lowercase,
            raw=isinstance(model, Custom) and model.preprocess == "none",
        )
        marker.touch()
    members = json.loads((folder / "preprocess.json").read_text(encoding="utf-8"))["members"]
    text = any(member["kind"] == "text" for member in members)
    vocab = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size() if text else 0
    return load_fitted(folder), int(vocab)


def _values(
    column: Sequence[object], name: str, described: InputDescription, split: Path, scratch: Path
) -> Sequence[object]:
    """The values of an input; of images the pixels."""
    if described["type"] != "image" or not column:
        return column
    size = image_size(described)
    plain = ImagePreprocess({"kind": "image", "input": name, **size, "raw": False, "mean": 0.0, "std": 1.0}, Path())
    return list(decoded(column, plain, split, scratch))


def input_descriptions(schema: Schema) -> dict[str, InputDescription]:
    """The inputs by name, as in `schema.json`."""
    return {name: cast("InputDescription", described.to_json()) for name, described in schema.inputs.items()}


def load_fitted(folder: Path) -> Preprocess:
    """The fitted preprocessing in `folder`. Raises StageError if it cannot be loaded."""
    try:
        return load(folder)
    except BundleError as error:
        raise StageError(str(error), help="train again: mlspec apply --force train") from None
