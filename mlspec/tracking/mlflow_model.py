"""A bundle to the folder of an MLflow model with the flavours `python_function`, for rows, and `onnx`, for the graph.

The folder can be loaded without mlspec: it has the code that serves the bundle, and the pins of its packages. MLflow
reads `MLmodel`: https://mlflow.org/docs/latest/ml/model/#storage-format
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final
from uuid import UUID

from mlspec.job import write_text
from mlspec.records.bundle_signature import BundleSignature
from mlspec.tracking import mlflow_loader

NAME: Final = "model"
"""The model's path in the run."""
_TYPES: Final[Mapping[str, str]] = {"number": "double", "category": "string", "text": "string", "image": "string"}
"""MLflow's type of each kind of input; an image is a text in base64."""


def write_model(folder: Path, bundle: Path, pins: Mapping[str, str], run: str, digest: str) -> None:
    """Write everything but `code/mlspec`, which serves the bundle. `pins` are packages with their releases."""
    signature = BundleSignature.find(bundle.parent)
    assert signature is not None
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
    write_text(folder / "MLmodel", json.dumps(_mlmodel(signature, run, digest), indent=2))


def model_history(signature: BundleSignature, run: str, digest: str) -> str:
    """The tag by which MLflow shows the models of a run."""
    return json.dumps([_mlmodel(signature, run, digest)])


def _mlmodel(signature: BundleSignature, run: str, digest: str) -> dict[str, object]:
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
            "inputs": json.dumps(_inputs(signature)),
            "outputs": json.dumps(_outputs(signature)),
            "params": None,
        },
    }


def _inputs(signature: BundleSignature) -> list[dict[str, object]]:
    return [{"type": _TYPES[each.type], "name": each.name, "required": True} for each in signature.inputs]


def _outputs(signature: BundleSignature) -> list[dict[str, object]]:
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
