"""The front matter of a model card: the YAML that Hugging Face reads (https://huggingface.co/docs/hub/model-cards)."""

from __future__ import annotations

from typing import Final

import yaml
from pydantic import JsonValue

from mlspec.records.evaluation import Evaluation
from mlspec.records.schema import Schema
from mlspec.sections.model import ModelSpec, TextClassifier
from mlspec.spec.project import Project

_TASKS: Final = {"text": "text", "image": "image"}


def front_matter(project: Project, schema: Schema, evaluation: Evaluation) -> str:
    """The block between `---`, without a line break at its end."""
    info, model, task = project.info, project.get(ModelSpec), pipeline(schema)
    metrics = {name: value for name, value in evaluation.metrics.items() if value is not None}
    values: dict[str, JsonValue] = {}
    if info.license:
        values["license"] = info.license.lower()
    values |= {"library_name": "onnx", "pipeline_tag": task, "tags": ["mlspec", "onnx"]}
    if isinstance(model, TextClassifier) and model.pretrained and model.pretrained not in project.surroundings.folders:
        values["base_model"] = model.pretrained
    values["metrics"] = list(metrics)
    measured: list[JsonValue] = [{"type": name, "name": name, "value": value} for name, value in metrics.items()]
    result: JsonValue = {
        "task": {"type": task},
        "dataset": {"name": info.name, "type": info.name, "split": evaluation.split},
        "metrics": measured,
    }
    values["model-index"] = [{"name": info.name, "results": [result]}]
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)}---"


def pipeline(schema: Schema) -> str:
    """The task in the Hub's words: `image-classification`, `tabular-regression`."""
    kinds = {given.type for given in schema.inputs.values()}
    kind = next((word for name, word in _TASKS.items() if kinds == {name}), "tabular")
    return f"{kind}-{schema.task}"
