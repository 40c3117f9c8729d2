"""`signature.json` of a bundle: what a request holds and what an answer means."""

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
    """Inputs with their types, the task, its labels, and the graph's own names."""

    name: str
    task: str
    inputs: tuple[dict[str, Any], ...]
    labels: tuple[str, ...]
    threshold: float | None
    """With two labels: the probability from which on the second is predicted; None: the likelier one."""
    value: str
    graph_inputs: tuple[str, ...]
    graph_output: str


def read(folder: Path) -> Signature:
    """The signature of the bundle in `folder`. Raises BundleError."""
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if found["version"] != VERSION:
            raise BundleError(f"{folder} is a bundle of version {found['version']}; this runtime reads {VERSION}")
        made = Signature(
            name=str(found["name"]),
            task=str(found["task"]),
            inputs=tuple(dict(i) for i in found["inputs"]),
            labels=tuple(str(label) for label in found["output"].get("labels", ())),
            threshold=float(found["output"]["threshold"]) if "threshold" in found["output"] else None,
            value=str(found["output"].get("name", "")),
            graph_inputs=tuple(found["graph"]["inputs"]),
            graph_output=str(found["graph"]["output"]),
        )
        inputs = {(i["name"], i["type"]) for i in made.inputs}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{folder / FILE} cannot be read: {type(error).__name__}: {error}") from None
    if made.task not in TASKS or not inputs or (made.task == "classification") != bool(made.labels):
        raise BundleError(f"{folder / FILE} does not hold together: task {made.task}, labels {list(made.labels)}")
    return made
