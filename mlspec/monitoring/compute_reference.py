"""The reference of a project: from its artifacts, cached in the store, or as it was carried there."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlspec.errors import UnobservableError
from mlspec.job import whole
from mlspec.monitoring.baseline.quantile_grid import Floats, QuantileGrid
from mlspec.monitoring.baseline.reference import (
    VERSION,
    CategoryReference,
    ClassReference,
    ColumnDistribution,
    Hashes,
    ImageReference,
    NumberReference,
    Reference,
    ScoreBin,
    TextReference,
    ValueReference,
    pack,
    unpack,
    unseen_shares,
    word_hash,
    words,
)
from mlspec.monitoring.drift.arrays import Booleans
from mlspec.monitoring.reference_files import (
    load_reference,
    newest_reference,
    note_version,
    referenced_models,
    store_reference,
)
from mlspec.monitoring.row_slices import SliceableRows, definition
from mlspec.monitoring.split_columns import (
    PREDICTIONS,
    TEST,
    TRAIN,
    pixel_moments,
    present_texts,
    read_column,
    some,
)
from mlspec.monitoring.tested_errors import tested_errors
from mlspec.monitoring.tested_slices import (
    IN_FULL,
    LiveComparison,
    errors_of_slices,
    slice_of_rows,
    test_errors,
    tested_slices,
)
from mlspec.records.bundle_provenance import bundle_digest, bundle_version
from mlspec.records.schema import InputSchema, Schema
from mlspec.sections.monitor_slice import LiveSlice

if TYPE_CHECKING:
    from mlspec.runtime.predictor import Predictor

CATEGORIES: Final = 1000
"""Values of a category that are counted by name; of the others only hashes are kept."""
VOCABULARY: Final = 200_000
"""Words of a text column at most, the most frequent ones."""
SLICE_ROWS: Final = 50
"""A slice with fewer rows of the training data has no reference of its own."""
_SCORE_BINS: Final = 20


def project_reference(artifacts: Path, state: Path, how: LiveComparison = IN_FULL) -> Reference:
    """The reference of the model in `artifacts`, cached in the folder `state` of the store.

    Without the training data it is that of the same model in `state`, else the
    newest one. Raises UnobservableError if there is none.
    """
    version = model_version(artifacts)
    if not (artifacts / TRAIN).is_file():
        return _carried(artifacts, state)
    digest = reference_digest(artifacts)
    cached = load_reference(state, digest)
    hidden = how.hidden or {}
    needed = {definition(name, each) for name, each in (how.sliced or {}).items()}
    learned = cached.values.errors if cached is not None and cached.values is not None else None
    other = learned is not None and dict(learned.hidden) != dict(hidden)
    other |= cached is not None and dict(cached.tested) != tested_slices(cached.columns, hidden, how.tested)[1]
    if cached is None or cached.version != VERSION or not needed <= set(cached.sliced) or other:
        cached = compute_reference(artifacts, digest, how)
        store_reference(state, version, cached)
    note_version(state, version, digest)
    return cached


def model_version(artifacts: Path) -> str:
    """The version that a server of the exported model reports; empty without one."""
    return bundle_version(bundle_digest(artifacts / "bundle"))


def compute_reference(artifacts: Path, digest: str, how: LiveComparison = IN_FULL) -> Reference:
    """The reference from `artifacts`: data/schema.json, data/train.parquet, data/test.parquet, and the predictions of
    `evaluate`; without these the bundle scores the test split."""
    schema = Schema.read(artifacts)
    columns = {name: _column(artifacts, name, kind) for name, kind in schema.inputs.items()}
    slices: dict[str, dict[str, ColumnDistribution]] = {}
    sliced = how.sliced or {}
    for name, division in sliced.items():
        slices |= _slices(artifacts, name, division, schema, columns)
    actual, predicted = _answers(artifacts, schema)
    divisions, known = tested_slices(columns, how.hidden or {}, how.tested)
    reference = Reference(
        digest=digest,
        rows=pq.read_metadata(artifacts / TRAIN).num_rows,
        columns=columns,
        sliced=tuple(definition(name, division) for name, division in sliced.items()),
        slices=slices,
        tested=known,
        slice_errors=errors_of_slices(artifacts, schema, divisions, test_errors(schema, actual, predicted), how),
    )
    if schema.labels:
        return reference.model_copy(update={"classes": _classes(schema.labels, actual, predicted)})
    values = _values(artifacts, schema, columns, (actual, predicted), how.hidden or {})
    return reference.model_copy(update={"values": values})


def live_reference(
    artifacts: Path,
    digest: str,
    splits: tuple[pa.Table, pa.Table],
    scratch: Path,
    how: LiveComparison = IN_FULL,
) -> Reference:
    """The reference of the model in `artifacts` as if these were its training and test split; targets are labels as
    text, or numbers.

    `scratch` is a new folder for what is read.
    """
    schema = Schema.read(artifacts)
    data = scratch / "data"
    data.mkdir(parents=True)
    shutil.copyfile(artifacts / Schema.FILE, scratch / Schema.FILE)
    (scratch / "bundle").symlink_to((artifacts / "bundle").resolve(), target_is_directory=True)
    for name, table in zip((TRAIN, TEST), splits, strict=True):
        with whole(scratch / name) as partial:
            pq.write_table(_with_positions(table, schema), partial)
    return compute_reference(scratch, digest, how)


def _with_positions(table: pa.Table, schema: Schema) -> pa.Table:
    """The table with the positions of the labels, as splits have them."""
    if not schema.labels:
        return table
    column = schema.target.column
    labels = pc.cast(table[column], pa.string())
    positions = pc.index_in(labels, value_set=pa.array(schema.labels))
    return table.set_column(table.column_names.index(column), column, positions)


def stored_reference(artifacts: Path, state: Path) -> Reference | None:
    """That of the model in `artifacts` if it is stored; without the training data else the newest one."""
    own = referenced_models(state).get(model_version(artifacts))
    if own and (reference := load_reference(state, own)) is not None:
        return reference
    return None if (artifacts / TRAIN).is_file() else newest_reference(state)


def _carried(artifacts: Path, state: Path) -> Reference:
    reference = stored_reference(artifacts, state)
    if reference is None:
        raise UnobservableError(
            f"no training data to compare with: neither artifacts/{TRAIN} nor {state}/reference-*.json exists",
            help="mlspec apply --until evaluate, or copy reference-*.json from the machine that trained the model",
        )
    return reference


def reference_digest(artifacts: Path) -> str:
    """Of all that the reference of a model is computed from."""
    digest = hashlib.sha256()
    for name in (TRAIN, TEST, Schema.FILE, PREDICTIONS, "bundle/model.onnx"):
        file = artifacts / name
        if file.is_file():
            with file.open("rb") as stream:
                digest.update(name.encode() + hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def _slices(
    artifacts: Path, name: str, how: LiveSlice, schema: Schema, columns: Mapping[str, ColumnDistribution]
) -> dict[str, dict[str, ColumnDistribution]]:
    """The inputs of the rows of each frequent slice, but for images and for an input with a single value in each."""
    expression = SliceableRows({n: kind.type for n, kind in schema.inputs.items()}).expression(name, how)
    if expression is None or how.of_answer_time:
        return {}
    fixed = (how.column or name) if how.by == "value" and not how.bins and not how.where else ""
    names = [n for n, kind in schema.inputs.items() if n != fixed and kind.type != "image"]
    texts = [n for n in names if isinstance(columns[n], TextReference)]
    table, slices = (
        pq.read_table(artifacts / TRAIN, columns=names),
        slice_of_rows(artifacts / TRAIN, schema, name, expression),
    )
    tested = tested_slices = None
    if (artifacts / TEST).is_file():
        tested = pq.read_table(artifacts / TEST, columns=texts)
        tested_slices = slice_of_rows(artifacts / TEST, schema, name, expression)
    result: dict[str, dict[str, ColumnDistribution]] = {}
    for counted in pc.value_counts(slices.drop_null()).to_pylist():
        if counted["counts"] >= SLICE_ROWS:
            value = counted["values"]
            fresh = None if tested is None else tested.filter(pc.equal(tested_slices, value))
            result[f"{name}={value}"] = _slice(table.filter(pc.equal(slices, value)), fresh, names, columns)
    return result


def _slice(
    rows: pa.Table, fresh: pa.Table | None, names: Sequence[str], columns: Mapping[str, ColumnDistribution]
) -> dict[str, ColumnDistribution]:
    """The distributions of rows of the training data; `fresh` are those of the test split."""
    result: dict[str, ColumnDistribution] = {}
    for name in names:
        match columns[name]:
            case NumberReference():
                result[name] = _number(rows[name])
            case TextReference(vocabulary=vocabulary):
                texts = [] if fresh is None else list(present_texts(fresh[name]))
                result[name] = _lengths(rows[name], texts, unpack(vocabulary))
            case _:
                result[name] = _category(rows[name])
    return result


def _number(values: pa.ChunkedArray) -> NumberReference:
    grid = QuantileGrid.of(pc.cast(values, pa.float64()).drop_null().to_numpy())
    return NumberReference(missing=len(values) - grid.count, values=grid)


def _column(artifacts: Path, name: str, described: InputSchema) -> ColumnDistribution:
    match described.type:
        case "number":
            return _number(read_column(artifacts / TRAIN, name))
        case "category":
            return _category(read_column(artifacts / TRAIN, name))
        case "text":
            return _text(artifacts, name)
        case "image":
            return _image(artifacts, name, described)


def _category(values: pa.ChunkedArray) -> CategoryReference:
    counted = pc.value_counts(pc.cast(values.drop_null(), pa.string())).to_pylist()
    ordered = sorted(((c["values"], c["counts"]) for c in counted), key=lambda item: (-item[1], item[0]))
    rest = ordered[CATEGORIES:]
    return CategoryReference(
        missing=values.null_count,
        counts=dict(ordered[:CATEGORIES]),
        other=sum(count for _, count in rest),
        other_values=pack(word_hash(value) for value, _ in rest),
        singletons=sum(count == 1 for _, count in ordered),
    )


def _text(artifacts: Path, name: str) -> TextReference:
    values = read_column(artifacts / TRAIN, name)
    counted: Counter[str] = Counter()
    for text in present_texts(values):
        counted.update(words(text))
    vocabulary = pack(word_hash(word) for word, _ in counted.most_common(VOCABULARY))
    fresh = list(present_texts(read_column(artifacts / TEST, name))) if (artifacts / TEST).is_file() else []
    sample = tuple(pack((word_hash(w) for w in words(text)), ordered=True) for text in some(fresh))
    lengths = _lengths(values, fresh, unpack(vocabulary))
    return lengths.model_copy(update={"vocabulary": vocabulary, "sample": sample})


def _lengths(values: pa.ChunkedArray, fresh: Sequence[str], vocabulary: Hashes) -> TextReference:
    """The lengths of texts, and the shares of words of `fresh` that are not in the vocabulary."""
    lengths = [len(text.split()) for text in present_texts(values)]
    return TextReference(
        missing=values.null_count,
        characters=QuantileGrid.of(pc.cast(pc.utf8_length(values.drop_null()), pa.float64()).to_numpy()),
        words=QuantileGrid.of(np.asarray(lengths, dtype=np.float64)),
        unseen=QuantileGrid.of(unseen_shares(fresh, vocabulary)),
    )


def _image(artifacts: Path, name: str, described: InputSchema) -> ImageReference:
    values = read_column(artifacts / TRAIN, name)
    present = values.drop_null()
    moments = np.asarray([pixel_moments(content, described) for content in some(present.to_pylist())]).reshape(-1, 2)
    return ImageReference(
        missing=values.null_count, mean=QuantileGrid.of(moments[:, 0]), contrast=QuantileGrid.of(moments[:, 1])
    )


def _answers(artifacts: Path, schema: Schema) -> tuple[pa.ChunkedArray, pa.Table]:
    """The actual targets (labels as text) and the predictions of the test split."""
    file = artifacts / PREDICTIONS
    if file.is_file():
        table = pq.read_table(file)
        return table["actual"], table
    test = pq.read_table(artifacts / TEST)
    target = test[schema.target.column]
    if schema.labels:
        target = pa.chunked_array([pa.array(schema.labels).take(target.combine_chunks())])
    from mlspec.runtime.predictor import Predictor  # onnxruntime takes long to import

    predictor = Predictor(artifacts / "bundle")
    return target, _scored(predictor, test.select(list(schema.inputs)).to_pylist())


def _scored(predictor: Predictor, rows: list[dict[str, object]]) -> pa.Table:
    predictions = predictor.predict(rows)
    if not predictor.signature.labels:
        return pa.table({"predicted": [p["value"] for p in predictions if "value" in p]})
    classes = [p for p in predictions if "label" in p]
    return pa.table(
        {
            "predicted": [p["label"] for p in classes],
            "confidence": [p["score"] for p in classes],
            "probabilities": [list(p["probabilities"].values()) for p in classes],
        }
    )


def _classes(labels: tuple[str, ...], actual: pa.ChunkedArray, table: pa.Table) -> ClassReference:
    places = pa.array(labels)
    rows, columns = (pc.index_in(v, value_set=places).to_numpy() for v in (actual, table["predicted"]))
    confusion = np.bincount(rows * len(labels) + columns, minlength=len(labels) ** 2).reshape(len(labels), -1)
    score = table["confidence"].to_numpy()
    probabilities = np.asarray(table["probabilities"].to_pylist(), dtype=np.float64).reshape(-1, len(labels))
    return ClassReference(
        labels=labels,
        score=QuantileGrid.of(score),
        probabilities={name: QuantileGrid.of(probabilities[:, at]) for at, name in enumerate(labels)},
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        calibration=score_bins(score, rows == columns),
    )


def score_bins(score: Floats, correct: Booleans) -> tuple[ScoreBin, ...]:
    """Bins of equal numbers of predictions: in bins of equal width a sure model would have all of them in the last."""
    parts = np.array_split(np.argsort(score, kind="stable"), _SCORE_BINS)
    return tuple(
        ScoreBin(score=float(score[part].sum()), correct=int(correct[part].sum()), count=len(part)) for part in parts
    )


def _values(
    artifacts: Path,
    schema: Schema,
    columns: Mapping[str, ColumnDistribution],
    answers: tuple[pa.ChunkedArray, pa.Table],
    hidden: Mapping[str, str],
) -> ValueReference:
    actual, predicted = (pc.cast(column, pa.float64()).to_numpy() for column in (answers[0], answers[1]["predicted"]))
    wrong = actual - predicted
    known = wrong[np.isfinite(wrong)]
    return ValueReference(
        value=QuantileGrid.of(predicted),
        error=QuantileGrid.of(np.abs(wrong)),
        squared=float(np.sqrt(np.mean(known**2))) if known.size else None,
        errors=tested_errors(artifacts, schema, columns, (predicted, wrong), hidden),
    )
