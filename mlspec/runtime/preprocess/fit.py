"""Fits the preprocessing on the training rows and writes its folder. Deterministic: equal rows give equal bytes."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from mlspec.runtime.preprocess.base import InputDescription, NumberScale
from mlspec.runtime.preprocess.image import ImagePreprocess, image_size
from mlspec.runtime.preprocess.mixed import FILE
from mlspec.runtime.preprocess.text import FILE as TOKENIZER

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def fit(
    columns: Mapping[str, Sequence[Any]],
    inputs: Mapping[str, InputDescription],
    folder: Path,
    *,
    tokenizer: Path | None = None,
    names: Sequence[str] = ("input_ids", "attention_mask"),
    max_length: int = 128,
    vocab_size: int = 8000,
    lowercase: bool = False,
    raw: bool = False,
) -> None:
    """Write `preprocess.json` (and `tokenizer.json` for text) to `folder`.

    `columns` are the values of the training split by input name, `inputs` the `inputs` of schema.json. `tokenizer` is
    the `tokenizer.json` of a pretrained model; without it a vocabulary of at most `vocab_size` tokens is trained,
    lower-case with `lowercase`. `names` are the text inputs of the model. With `raw`, numbers and pixels are unchanged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    by_type = _by_type(inputs)
    members: list[Mapping[str, object]] = []
    if "text" in by_type:
        texts = by_type["text"]
        values = [v for n in texts for v in columns[n] if v is not None]
        pad = (
            _copied_tokenizer(folder, tokenizer)
            if tokenizer
            else _trained_tokenizer(values, folder, vocab_size, lowercase)
        )
        members.append({"kind": "text", "inputs": texts, "names": list(names), "max_length": max_length, "pad": pad})
    if "number" in by_type or "category" in by_type:
        members.append(
            {
                "kind": "tabular",
                "numbers": {name: deviation(columns[name]) for name in by_type.get("number", [])},
                "categories": {name: list(inputs[name]["values"]) for name in by_type.get("category", [])},
            }
        )
    members += [_image(name, columns[name], inputs[name]) for name in by_type.get("image", [])[:1]]
    write(folder / FILE, members, raw)


def _by_type(inputs: Mapping[str, InputDescription]) -> dict[str, list[str]]:
    """The names of the inputs of each type. Raises ValueError for more than two text inputs."""
    names: dict[str, list[str]] = {}
    for name, described in inputs.items():
        names.setdefault(described["type"], []).append(name)
    if len(texts := names.get("text", ())) > 2:
        raise ValueError(f"a model reads one text or a pair of texts, not {len(texts)}")
    return names


def deviation(values: Sequence[float | None]) -> NumberScale:
    """Mean and standard deviation of the finite values, as `preprocess.json` has them."""
    array = np.asarray(values, dtype=np.float64)  # None as NaN
    array = array[np.isfinite(array)]
    if not array.size:
        return {"mean": 0.0, "std": 1.0}
    return _scale(float(array.mean()), float(array.std()))


def _scale(mean: float, std: float) -> NumberScale:
    """Mean and standard deviation; 1 for constant values, whose deviation is only a rounding error."""
    return {"mean": mean, "std": std if std > 1e-9 * max(1.0, abs(mean)) else 1.0}


def _image(name: str, values: Sequence[bytes], described: InputDescription) -> dict[str, object]:
    size = image_size(described)
    plain = ImagePreprocess({"kind": "image", "input": name, **size, "raw": False, "mean": 0.0, "std": 1.0}, Path())
    total = squares = count = 0.0
    for value in values:
        pixels = plain.pixels(value).astype(np.float64)
        total, squares, count = total + pixels.sum(), squares + (pixels**2).sum(), count + pixels.size
    mean = total / max(count, 1)
    variance = max(squares / max(count, 1) - mean**2, 0.0)
    return {"kind": "image", "input": name, **size, **_scale(float(mean), float(np.sqrt(variance)))}


def write(path: Path, members: Sequence[Mapping[str, object]], raw: bool) -> None:
    """Write the settings of the members; with `raw`, numbers and pixels are not standardised."""
    plain = [{key: value for key, value in member.items() if key != "raw"} for member in members]
    marked = [member | {"raw": True} if raw and member["kind"] != "text" else member for member in plain]
    text = json.dumps({"version": 1, "members": marked}, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _copied_tokenizer(folder: Path, source: Path) -> int:
    """Copy a `tokenizer.json` to the folder. Returns the id of the padding token."""
    target = folder / TOKENIZER
    shutil.copyfile(source, target)
    tokenizer = Tokenizer.from_file(str(target))
    pad = tokenizer.padding["pad_id"] if tokenizer.padding else None
    known = [tokenizer.token_to_id(token) for token in ("[PAD]", "<pad>", "<|endoftext|>")]
    return pad if pad is not None else next((i for i in known if i is not None), 0)


def _trained_tokenizer(texts: Sequence[str], folder: Path, vocab_size: int, lowercase: bool) -> int:
    """Train a tokenizer on the texts and write it to the folder. Returns the id of the padding token."""
    read = [text.lower() for text in texts] if lowercase else texts
    _trained(read, vocab_size, lowercase).save(str(folder / TOKENIZER))
    return SPECIAL.index("[PAD]")


def _trained(texts: Sequence[str], vocab_size: int, lowercase: bool) -> Tokenizer:
    """Byte pairs of characters, with `▁` where a word begins (Sennrich et al. 2016, https://arxiv.org/abs/1508.07909).

    Not WordPiece, whose trainer is not deterministic: it numbers characters in the order of a hash table. The BPE
    trainer sorts them, but breaks ties at its alphabet limit randomly, so the alphabet is selected here.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))  # noqa: S106 - a token of the vocabulary, not a secret
    cleaned = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=False)
    tokenizer.normalizer = normalizers.Sequence([cleaned, normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()])
    alphabet = _alphabet(texts, vocab_size // 2)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL),
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # The trainer assigns the first ids to the special tokens, in order.
    ids = {token: index for index, token in enumerate(SPECIAL)}
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    return tokenizer


def _alphabet(texts: Sequence[str], most: int) -> list[str]:
    """The most frequent characters."""
    counts: Counter[str] = Counter("▁")
    for text in texts:
        counts.update(text)
    ordered = sorted((c for c in counts if not c.isspace()), key=lambda c: (c != "▁", -counts[c], c))
    return ordered[:most]
