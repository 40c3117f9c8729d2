"""A line under test: its stages, its spec, and a folder to put what they leave behind."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlspec.plan.plan import Plan
from mlspec.plan.stage import Output, Stage
from mlspec.run.outcome import Outcome
from mlspec.sections.export import ExportSpec
from mlspec.source.project_context import ProjectContext
from mlspec.spec.project import Project, ProjectInfo
from mlspec.stage_result import Reason

STAGES = (
    Stage("data", "Check and split the data", "data", ("data/raw.tsv",), (Output("artifacts/data"),)),
    Stage("train", "Train the model", "train", ("artifacts/data",), (Output("artifacts/model"),)),
    Stage(
        "evaluate",
        "Measure on the test split",
        "evaluate",
        ("artifacts/model", "artifacts/data"),
        (Output("artifacts/metrics/evaluate.json"), Output("artifacts/evaluate")),
    ),
    Stage(
        "gate",
        "Hold the metrics to their bounds",
        "evaluate",
        ("artifacts/metrics/evaluate.json",),
        (Output("artifacts/metrics/gates.json"),),
    ),
    Stage(
        "export",
        "Export to ONNX and compare",
        "export",
        ("artifacts/model", "artifacts/metrics/gates.json"),
        (Output("artifacts/bundle"),),
    ),
    Stage(
        "robustness",
        "Disturb the inputs",
        "test",
        ("artifacts/bundle", "artifacts/data"),
        (Output("artifacts/metrics/robustness.json"),),
    ),
    Stage("test", "Run the project's tests", "test", ("artifacts/bundle", "tests"), (Output("artifacts/test"),)),
)
WORLD = (
    Stage(
        "package",
        "Build the image",
        "package",
        ("artifacts/bundle", "artifacts/test", "artifacts/metrics/robustness.json"),
        (Output("artifacts/image.json"),),
        needs=("docker",),
    ),
    Stage(
        "push",
        "Push the image",
        "registry",
        ("artifacts/image.json",),
        (Output("artifacts/release.json"),),
        effects=True,
    ),
    Stage(
        "deploy",
        "Roll out to Lambda",
        "deploy",
        ("artifacts/release.json",),
        (Output("artifacts/deploy.json"),),
        effects=True,
    ),
    Stage(
        "monitor",
        "Set up monitoring",
        "monitor",
        ("artifacts/deploy.json", "artifacts/bundle"),
        (Output("artifacts/monitor.json"),),
        effects=True,
    ),
)
SECONDS = {
    "data": 3.2,
    "train": 214.6,
    "evaluate": 9.8,
    "gate": 0.3,
    "export": 21.4,
    "robustness": 6.1,
    "test": 4.4,
    "package": 48.0,
    "push": 18.3,
    "deploy": 33.0,
    "monitor": 2.2,
}


@dataclass(frozen=True)
class Line:
    """What `report.write` is given, and the folder with the artifacts."""

    project: Project
    plan: Plan
    outcomes: tuple[Outcome, ...]
    root: Path
    draw: random.Random = field(default_factory=lambda: random.Random(7))

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    def json(self, path: str, value: object) -> None:
        file = self.artifacts / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value), encoding="utf-8")

    def csv(self, path: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        file = self.artifacts / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows([header, *rows])

    def parquet(self, path: str, columns: Mapping[str, Sequence[object]]) -> None:
        file = self.artifacts / path
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({name: list(values) for name, values in columns.items()}), file)


def ran(stages: Sequence[Stage] = STAGES) -> tuple[Outcome, ...]:
    return tuple(
        Outcome(s.name, "ran", Reason("never-ran", "never ran"), "", SECONDS[s.name], f".mlspec/logs/{s.name}.log")
        for s in stages
    )


def bare(root: Path, name: str = "cola", description: str = "", stages: Sequence[Stage] = STAGES) -> Line:
    """A line of which nothing has run."""
    info = ProjectInfo(name=name, description=description)
    given: dict[str, Any] = {
        "project": {"name": name},
        "data": {
            "source": "data/cola.tsv",
            "inputs": {"sentence": "text"},
            "target": {"column": "label", "type": "class"},
        },
        "model": {"type": "text-classifier", "pretrained": "google/bert_uncased_L-2_H-128_A-2"},
        "train": {"max_epochs": 6, "learning_rate": 3e-5},
        "evaluate": {"metrics": ["mcc", "accuracy", "f1"], "gates": {"mcc": ">= 0.2"}},
        "monitor": {"elasticsearch": {"url": {"env": "ELASTIC_URL"}, "api_key": {"env": "ELASTIC_API_KEY"}}},
    }
    values: dict[str, Any] = {
        "project": {"name": name, "description": description, "authors": [], "license": ""},
        "data": given["data"]
        | {
            "format": {"type": "tsv", "columns": ["origin", "label", "mark", "sentence"]},
            "split": {"valid": 0.1, "test": 0.1, "seed": 7, "stratify": True},
        },
        "model": given["model"] | {"hidden": 128, "layers": 2, "dropout": 0.1},
        "train": {
            "max_epochs": 6,
            "batch_size": 32,
            "learning_rate": 3e-5,
            "precision": "32-true",
            "seed": 42,
            "early_stopping": {"monitor": "valid/loss", "patience": 2, "mode": "min"},
            "gradient_clip": 1.0,
        },
        "evaluate": given["evaluate"] | {"slices": ["origin"], "split": "test"},
        "export": {
            "onnx": {"opset": 18, "tolerance": 1e-4, "quantize": "int8", "max_metric_drop": 0.01, "max_size": "100MB"}
        },
        "monitor": given["monitor"] | {"drift": {"false_alarms": "1 per 90d"}},
    }
    models = {"project": info, "export": ExportSpec.model_validate(values["export"])}
    project = Project(models, ProjectContext(), None, values, given)
    return Line(project, Plan((), tuple(stages)), (), root)
