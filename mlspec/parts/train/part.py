"""The train part: the stage, and whether what it watches is ever logged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlspec.parts.data.spec import DataSpec
from mlspec.parts.evaluate.names import MEASURED, logged
from mlspec.parts.model.spec import Custom, ModelSpec, TextClassifier
from mlspec.parts.protocol import no_artifacts as artifacts
from mlspec.parts.train.spec import TrainSpec
from mlspec.plan.stage import Output, Stage
from mlspec.source.python import find_class, logged_names
from mlspec.spec.base import Finding
from mlspec.spec.names import suggest
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "SECTIONS", "artifacts", "check", "stages"]

NAME = "train"
SECTIONS = {"train": TrainSpec}
PROGRAMS = {"train": "mlspec.parts.train.work:main"}
CHECKPOINT, LAST = "artifacts/model/best.ckpt", "artifacts/model/last.ckpt"
PREPROCESS = "artifacts/model/preprocess"
CURVES = "artifacts/plots/train.csv"


def names_logged(project: Project) -> frozenset[str] | None:
    """Names that training logs; None where that cannot be told from the text."""
    model, data = project.get(ModelSpec), project.get(DataSpec)
    if model is None or data is None:
        return None
    if isinstance(model, Custom):
        text = project.surroundings.modules.get(model.class_.partition(":")[0])
        definition = find_class(text, model.class_.partition(":")[2]) if text else None
        return (logged_names(definition) or None) if definition else None
    return logged(data.task, _metrics(project))


def _metrics(project: Project) -> list[str]:
    section = project.values.get("evaluate")
    metrics = section.get("metrics") if isinstance(section, dict) else None
    return [str(m) for m in metrics] if isinstance(metrics, list) else []


def check(project: Project) -> Iterator[Finding]:
    """What the section's model cannot see."""
    train = project.get(TrainSpec)
    if train is None:
        return
    known = names_logged(project)
    watched: dict[tuple[str, ...], str] = {("train", "checkpoint", "monitor"): train.checkpoint.monitor}
    if train.early_stopping is not None:
        watched["train", "early_stopping", "monitor"] = train.early_stopping.monitor
    for at, name in watched.items():
        if known is not None and name not in known:
            help = suggest(name, known, "logged are")
            yield Finding("monitor-not-logged", at, f"nothing logs `{name}`, so it cannot be watched", help)
    if train.precision == "16-mixed" and train.accelerator == "cpu":
        at = ("train", "precision")
        yield Finding("conflicting-options", at, "16-mixed needs a GPU; on a CPU use bf16-mixed or 32-true")
    if train.precision == "bf16-true" and _regression(project):
        at = ("train", "precision")
        message = "bf16-true rounds targets to 8 bits: 12345 becomes 12352"
        yield Finding("conflicting-options", at, message, "use bf16-mixed or 32-true for a number")
    if train.class_weights == "balanced" and _regression(project):
        yield Finding("conflicting-options", ("train", "class_weights"), "a number has no classes to weigh")


def _regression(project: Project) -> bool:
    data = project.get(DataSpec)
    return data is not None and data.task == "regression"


def stages(project: Project) -> Iterable[Stage]:
    """The stage `train`."""
    train, model = project.get(TrainSpec), project.get(ModelSpec)
    if train is None or model is None:
        return
    inputs = ["artifacts/data/train.parquet", "artifacts/data/valid.parquet", "artifacts/data/schema.json"]
    needs: tuple[str, ...] = ()
    if isinstance(model, Custom):
        paths = [model.class_, *([model.datamodule] if model.datamodule else [])]
        inputs += dict.fromkeys(project.surroundings.path_of(path.partition(":")[0]) for path in paths)
    if isinstance(model, TextClassifier) and model.pretrained in project.surroundings.folders:
        inputs.append(str(model.pretrained))
    yield Stage(
        "train",
        "Train the model",
        NAME,
        inputs=tuple(path for path in inputs if path),
        outputs=(
            Output(CHECKPOINT),
            Output(LAST),
            Output(PREPROCESS),
            Output("artifacts/metrics/train.json", "metric", cache=False),
            Output(
                CURVES, "plot", cache=False, plot={"x": "epoch", "y": ["train/loss", "valid/loss"], "title": "Loss"}
            ),
        ),
        params=("model", "train", *(f"evaluate.{key}" for key in MEASURED if "evaluate" in project.values)),
        needs=needs,
    )
