"""A bundle to the folder of an MLflow model with the flavours `python_function`, for rows, and `onnx`, for the graph.

The folder can be loaded without mlspec: it has the code that serves the bundle, and the pins of its packages. MLflow
reads `MLmodel`: https://mlflow.org/docs/latest/ml/model/#storage-format
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Collection, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final
from uuid import UUID

from pydantic import JsonValue

from mlspec.job import write_text
from mlspec.records.bundle_signature import BundleSignature
from mlspec.tracking import mlflow_loader

NAME: Final = "model"
"""The model's path in the run."""
_TYPES: Final[Mapping[str, str]] = {"number": "double", "category": "string", "text": "string", "image": "string"}
"""MLflow's type of each kind of input; an image is a text in base64."""


def integers(signature: BundleSignature, train: Path) -> set[str]:
    """The inputs that are whole numbers in every training row: MLflow refuses integers for a `double`.

    Empty without the file of the training split.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    names = [each.name for each in signature.inputs if each.type == "number"]
    if not names or not train.is_file():
        return set()
    table = pq.read_table(train, columns=names)
    whole = {
        name: pc.all(pc.equal(column, pc.floor(column))) for name, column in zip(names, table.columns, strict=True)
    }
    return {name for name in names if not table[name].null_count and whole[name].as_py()}


def write_model(folder: Path, bundle: Path, pins: Mapping[str, str], described: Mapping[str, JsonValue]) -> None:
    """Write everything but `code/mlspec`, which serves the bundle. `pins` are packages with their releases,
    `described` is the content of `MLmodel`."""
    shutil.copytree(bundle, folder / "bundle", dirs_exist_ok=True)
    write_text(folder / "code" / "mlspec_bundle.py", Path(mlflow_loader.__file__).read_text(encoding="utf-8"))
    requirements = [f"{name}=={release}" for name, release in pins.items()]
    write_text(folder / "requirements.txt", "".join(f"{line}\n" for line in requirements))
    python = {
        "python": platform.python_version(),
        "build_dependencies": ["pip"],
        "dependencies": ["-r requirements.txt"],
    }
    write_text(folder / "python_env.yaml", json.dumps(python))  # JSON is YAML
    write_text(folder / "MLmodel", json.dumps(described, indent=2))


def mlmodel(signature: BundleSignature, whole: Collection[str], run: str, digest: str) -> dict[str, JsonValue]:
    """The content of `MLmodel`, and of the tag by which MLflow shows the models of a run; `whole` are the integers."""
    return {
        "artifact_path": NAME,
        "flavors": {
            "python_function": {
                "loader_module": "mlspec_bundle",
                "python_version": platform.python_version(),
                "code": "code",
                "data": "bundle",
                "env": {"virtualenv": "python_env.yaml"},
            },
            "onnx": {
                "onnx_version": _release("onnx"),
                "data": "bundle/model.onnx",
                "providers": ["CPUExecutionProvider"],
                "onnx_session_options": None,
                "code": None,
            },
        },
        "mlflow_version": _release("mlflow-skinny"),
        "model_uuid": UUID(digest[:32]).hex,
        "run_id": run,
        "signature": {
            "inputs": json.dumps(_inputs(signature, whole)),
            "outputs": json.dumps(_outputs(signature)),
            "params": None,
        },
    }


def _inputs(signature: BundleSignature, whole: Collection[str]) -> list[dict[str, JsonValue]]:
    types = {each.name: "long" if each.name in whole else _TYPES[each.type] for each in signature.inputs}
    return [{"type": kind, "name": name, "required": True} for name, kind in types.items()]


def _outputs(signature: BundleSignature) -> list[dict[str, JsonValue]]:
    """The columns of a prediction."""
    if signature.task == "regression":
        return [{"type": "double", "name": "value", "required": True}]
    columns = {"label": "string", "score": "double"} | {f"probability {label}": "double" for label in signature.labels}
    return [{"type": kind, "name": name, "required": True} for name, kind in columns.items()]


def _release(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
