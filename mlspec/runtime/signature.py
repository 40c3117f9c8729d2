"""`signature.json` of a bundle: the inputs of a request and the meaning of the outputs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlspec.runtime.preprocess.bundle_errors import BundleError

FILE = "signature.json"
VERSION = 1
TASKS = ("classification", "regression")


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs with their types, task, labels, and the names in the ONNX graph."""

    name: str
    task: str
    inputs: tuple[dict[str, Any], ...]
    labels: tuple[str, ...]
    threshold: float | None
    """Minimum probability at which the second of two labels is predicted; None: the more probable one."""
    value: str
    graph_inputs: tuple[str, ...]
    graph_output: str


def read(folder: Path) -> Signature:
    """The signature of the bundle in `folder`. Raises BundleError."""
    try:
        data = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if data["version"] != VERSION:
            raise BundleError(f"{folder} has bundle version {data['version']}, this runtime supports {VERSION}")
        signature = Signature(
            name=str(data["name"]),
            task=str(data["task"]),
            inputs=tuple(dict(i) for i in data["inputs"]),
            labels=tuple(str(label) for label in data["output"].get("labels", ())),
            threshold=float(data["output"]["threshold"]) if "threshold" in data["output"] else None,
            value=str(data["output"].get("name", "")),
            graph_inputs=tuple(data["graph"]["inputs"]),
            graph_output=str(data["graph"]["output"]),
        )
        inputs = {(i["name"], i["type"]) for i in signature.inputs}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"cannot read {folder / FILE}: {type(error).__name__}: {error}") from None
    if signature.task not in TASKS or not inputs or (signature.task == "classification") != bool(signature.labels):
        raise BundleError(f"{folder / FILE} is inconsistent: task {signature.task}, labels {list(signature.labels)}")
    return signature
