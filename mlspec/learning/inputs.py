"""Preprocessed rows as inputs of `forward`: equality of rows, and whether two sets have the same preprocessing."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from mlspec.runtime.preprocess import Feature
from mlspec.runtime.preprocess.base import Array

PADDED = ("input_ids", "attention_mask", "token_type_ids")
SAMPLE = 2000
"""Maximum number of rows of which statistics are computed."""
STEP = 1e-4
"""Tolerance of equal numbers, in standard deviations: far above the rounding errors of float32."""
SHIFT, RATIO = 3.0, 4.0
"""Two columns differ if their means are SHIFT standard deviations apart, or their standard deviations by RATIO.

A batch that is sorted by class or augmented shifts the mean by one or two; raw values are much further away.
"""
FEW = 8
"""Minimum number of rows for comparing standard deviations."""
NEGATIVE = 0.25
"""Share of negative numbers on one side, if the other has none, from which on they differ: standardised or 0..1."""
STRANGE = 0.05
"""Share of category indices that do not occur in evaluation, above which the encoding differs."""
COMMON = 0.2
"""Minimum share of tokens or categories that two sets have in common."""


@dataclass(frozen=True)
class PreparedRows:
    """The inputs of some rows, without padding, in the precision of `forward`."""

    features: Sequence[Feature]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs, sorted."""
        return tuple(sorted(self.features[0])) if self.features else ()

    def only(self, name: str) -> PreparedRows:
        """The same rows with only one input."""
        return PreparedRows([{name: feature[name]} for feature in self.features])

    @cached_property
    def sample(self) -> Sequence[Feature]:
        """At most about SAMPLE rows, evenly spaced."""
        return self.features[:: max(1, len(self.features) // SAMPLE)]

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of one row; None if the rows differ."""
        shapes = {feature[name].shape for feature in self.sample}
        return shapes.pop() if len(shapes) == 1 and name not in PADDED else None

    def column(self, name: str) -> Sequence[Array]:
        """The arrays of one input, for the sampled rows."""
        return [feature[name] for feature in self.sample]

    def columns(self, name: str) -> Array:
        """The values [n, columns]: one column for each number, category or image channel, or one for all tokens."""
        shape = self.shape(name)
        if shape is None:
            return _flat(self.column(name))[:, None]
        stacked = np.stack(self.column(name))
        if len(shape) == 3:
            return stacked.transpose(0, 2, 3, 1).reshape(-1, shape[0])
        return stacked.reshape(len(stacked), -1)

    def steps(self) -> dict[str, Array]:
        """For each float input the tolerance of equal values."""
        steps = {}
        for name in self.names:
            if self.features[0][name].dtype.kind == "f":
                arrays = self.column(name)
                with np.errstate(all="ignore"):
                    alike = len({array.shape for array in arrays}) == 1
                    # Rows of different length have no columns: one tolerance for all values.
                    stacked = (np.stack if alike else _flat)(arrays).astype(np.float64)
                    spread = np.nan_to_num(_nan(np.nanstd, stacked))
                    least = np.maximum(1.0, np.nan_to_num(np.abs(_nan(np.nanmean, stacked))))
                steps[name] = STEP * np.where(spread > 0, spread, least)
        return steps

    def keys(self, steps: Mapping[str, Array]) -> list[bytes]:
        """A digest of each row, equal for rows that are equal within the tolerances `steps`."""
        return [_key(feature, self.names, steps) for feature in self.features]

    def described(self, name: str) -> str:
        """`float32 [64 rows, 2], min 0, mean 4.9, max 16, std 6`."""
        values, shape = self.columns(name), self.shape(name)
        size = ", ".join([f"{len(self.features)} rows", *map(str, shape if shape is not None else ("length",))])
        numbers = values.astype(np.float64)
        how = (("min", np.nanmin), ("mean", np.nanmean), ("max", np.nanmax), ("std", np.nanstd))
        text = ", ".join(f"{word} {float(_nan(take, numbers.reshape(-1))):.4g}" for word, take in how)
        missing = int(np.isnan(numbers).sum())
        return f"{self.features[0][name].dtype} [{size}], {text}" + (f", {missing} NaN" if missing else "")


def _flat(arrays: Sequence[Array]) -> Array:
    """All values, concatenated."""
    return np.concatenate([array.reshape(-1) for array in arrays])


def _nan(take: object, values: Array) -> Array:
    """A statistic along the rows that ignores NaN; NaN if all values are NaN."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        statistic: Array = take(values, axis=0)  # type: ignore[operator]
        return statistic


def of_tensors(inputs: Mapping[str, Tensor]) -> PreparedRows:
    """The rows of a batch, without the padding of tokens."""
    arrays = {name: _plain(tensor) for name, tensor in inputs.items()}
    rows = min((len(array) for array in arrays.values() if array.ndim), default=0)
    mask = arrays.get("attention_mask")
    lengths = None if mask is None or mask.ndim != 2 else (mask != 0).sum(axis=1)
    return PreparedRows([_row(arrays, row, None if lengths is None else int(lengths[row])) for row in range(rows)])


def trimmed(features: Sequence[Feature], varying: Sequence[str]) -> Sequence[Feature]:
    """The same rows without trailing zeros in the inputs `varying` in length: they may be padding."""
    return (
        [{**row, **{name: _trimmed(row[name]) for name in varying if name in row}} for row in features]
        if varying
        else features
    )


def _trimmed(array: Array) -> Array:
    if not array.ndim:
        return array
    filled = np.flatnonzero(array.reshape(len(array), -1).any(axis=1))
    return array[: filled[-1] + 1 if filled.size else 0]


def _row(arrays: Mapping[str, Array], row: int, length: int | None) -> Feature:
    return {
        name: array[row][:length] if name in PADDED and array.ndim == 2 else np.asarray(array[row])
        for name, array in arrays.items()
    }


def _plain(tensor: Tensor) -> Array:
    # numpy has no bfloat16.
    values = tensor.detach().cpu()
    array: Array = np.atleast_1d((values.float() if values.dtype == torch.bfloat16 else values).numpy())
    return array


def rounded(features: Iterable[Feature], kinds: Mapping[str, torch.dtype]) -> PreparedRows:
    """Rows with numbers in the precision of a batch."""
    low = {name: kind for name, kind in kinds.items() if kind in (torch.float16, torch.bfloat16)}
    return PreparedRows(
        [
            {n: _plain(torch.from_numpy(a).to(low[n])).reshape(a.shape) if n in low else a for n, a in row.items()}
            for row in features
        ]
    )


def _key(feature: Feature, names: Sequence[str], steps: Mapping[str, Array]) -> bytes:
    digest = hashlib.blake2b(digest_size=12)
    for name in names:
        array = feature[name]
        if array.dtype.kind == "f":
            step = steps.get(name, np.float64(1.0))
            if np.shape(step) not in ((), array.shape):
                return b""
            with np.errstate(invalid="ignore"):
                array = np.where(np.isnan(array), np.iinfo(np.int64).max, np.rint(array.astype(np.float64) / step))
            array = np.clip(array, -(2.0**62), 2.0**62)
        digest.update(f"{name}{array.shape}".encode() + array.astype(np.int64).tobytes())
    return digest.digest()


def in_part(training: PreparedRows, evaluation: PreparedRows, steps: Mapping[str, Array], same: float) -> list[str]:
    """The inputs that differ if rows are equal only in their numbers, for example by the order of categories."""
    numbers = [name for name in training.names if name in steps]
    equal = [n for n in numbers if share_known(training.only(n).keys(steps), evaluation.only(n).keys(steps)) >= same]
    return [name for name in training.names if name not in equal] if equal else []


def differing(training: PreparedRows, evaluation: PreparedRows) -> list[str]:
    """The names of the inputs whose dtype, shape or values show different preprocessing."""
    names = sorted({*training.names, *evaluation.names})
    return [name for name in names if _differs(name, training, evaluation)]


def _differs(name: str, training: PreparedRows, evaluation: PreparedRows) -> bool:
    if name not in training.names or name not in evaluation.names:
        return True
    one, other = (given.features[0][name] for given in (training, evaluation))
    if _kind(one) != _kind(other) or one.ndim != other.ndim:
        return True
    shapes = training.shape(name), evaluation.shape(name)
    if None not in shapes and shapes[0] != shapes[1]:
        return True
    columns = [
        g.columns(name) if None not in shapes else _flat(g.column(name))[:, None] for g in (training, evaluation)
    ]
    pairs = list(zip(columns[0].T, columns[1].T, strict=True))
    if one.dtype.kind != "f":
        compared = _counts_differ if None in shapes else _categories_differ
        return any(compared(a, b) for a, b in pairs)
    return sum(_numbers_differ(a, b) for a, b in pairs) * 2 > len(pairs)


def _kind(array: Array) -> str:
    return "i" if array.dtype.kind == "u" else array.dtype.kind


def _numbers_differ(training: Array, evaluation: Array) -> bool:
    """Whether two columns of numbers differ in mean, standard deviation, sign or missing values."""
    missing = np.isnan(training).any() and not np.isnan(evaluation).any()
    one, other = (v[np.isfinite(v)].astype(np.float64) for v in (training, evaluation))
    if missing or not one.size or not other.size:
        return bool(missing or one.size != other.size)
    spread, wide = float(one.std()), float(other.std())
    unit = wide if wide > 0 else max(1e-6, 1e-3 * abs(float(other.mean())))
    if abs(float(one.mean() - other.mean())) > SHIFT * unit:
        return True
    if one.size < FEW or wide == 0:
        return False
    negative = [float((v < 0).mean()) for v in (one, other)]
    signs = min(negative) == 0 and max(negative) > NEGATIVE
    # A column that is mostly zero may be constant in one batch.
    return signs or spread > RATIO * wide or 0 < spread * RATIO < wide


def _categories_differ(training: Array, evaluation: Array) -> bool:
    """Whether a column has indices that do not occur in evaluation, as with another encoding."""
    strange = float((~np.isin(training, evaluation)).mean())
    return strange > STRANGE or _counts_differ(training, evaluation)


def _counts_differ(training: Array, evaluation: Array) -> bool:
    """Whether two columns of tokens or categories have few values in common."""
    one, other = Counter(training.tolist()), Counter(evaluation.tolist())
    shared = sum(min(one[v] / training.size, other[v] / evaluation.size) for v in one)
    return shared < COMMON


def share_known(keys: Sequence[bytes], known: Iterable[bytes]) -> float:
    """The share of rows that are in `known`, from 0 to 1."""
    among = frozenset(known)
    return sum(key in among for key in keys) / max(1, len(keys))
