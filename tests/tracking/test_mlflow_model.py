"""The signature of a bundle as an MLflow model."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mlspec.records.bundle_signature import BundleSignature, SignatureGraph, SignatureInput, SignatureOutput
from mlspec.tracking.mlflow_model import integers


def test_whole_numbers_without_gaps_are_integers(tmp_path: Path) -> None:
    """As MLflow's own `infer_signature`, which knows no integer that may be missing."""
    columns = {"rooms": [1.0, 2.0], "size": [1.5, 2.0], "age": [1.0, None], "year": [1990, 2020], "town": ["a", "b"]}
    pq.write_table(pa.table(columns), tmp_path / "train.parquet")
    signature = BundleSignature(
        name="x",
        task="regression",
        inputs=tuple(SignatureInput(name=n, type="category" if n == "town" else "number") for n in columns),
        output=SignatureOutput(name="price"),
        graph=SignatureGraph(inputs=("numbers",), output="y"),
    )
    assert integers(signature, tmp_path / "train.parquet") == {"rooms", "year"}
    assert integers(signature, tmp_path / "missing.parquet") == set()
