"""The train part: the stage, and whether what it watches is ever logged."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from mlspec.diagnostics import Finding
from mlspec.parts.part_protocol import no_artifacts as artifacts
from mlspec.parts.train import training_warnings
from mlspec.parts.train.monitors import of_run, of_train
from mlspec.plan.stage import Output, Stage
from mlspec.sections.data import DataSpec
from mlspec.sections.evaluate import EvaluateSpec
from mlspec.sections.metric_names import MEASURED, NAMES, logged
from mlspec.sections.model import Custom, ModelSpec, TextClassifier
from mlspec.sections.train import Checkpoint, TrainSpec
from mlspec.source.python import find_class, logged_in, logged_names
from mlspec.spec.names import suggest
from mlspec.spec.project import Project
from mlspec.spec.shared_values import at as value_at

__all__ = ["NAME", "PROGRAMS", "SECTIONS", "artifacts", "check", "stages"]

NAME = "train"
SECTIONS = {"train": TrainSpec}
PROGRAMS = {"train": "mlspec.parts.train.work:main"}
CHECKPOINT, LAST = "artifacts/model/best.ckpt", "artifacts/model/last.ckpt"
PREPROCESS = "artifacts/model/preprocess"
CURVES = "artifacts/plots/train.csv"
DECISIONS = "artifacts/train/decisions.json"


INEFFECTIVE = frozenset({
    "accelerator", "devices", "strategy", "workers", "log_every", "checkpoint.every", "checkpoint.every_steps",
})  # fmt: skip
"""Keys that say where and how a training runs, how often it is saved to resume, and what a tracker is shown.

`accelerator`, `devices` and `strategy` are the machine's: by default each machine chooses them itself. All devices
together train on one batch (`mlspec/learning/gradient_shares.py`), so they change only rounding and the random numbers
of dropout.
"""


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


def is_logged(name: str, known: Collection[str]) -> bool:
    """Whether `name` is among the names that a module logs; Lightning adds two endings by itself."""
    return name in known or re.sub(r"_(epoch|step)$", "", name) in known


def _plotted(project: Project, train: TrainSpec) -> list[str]:
    """Columns of the curves that DVC draws: the losses, as far as they are certain, and what decides the best epoch."""
    known = names_logged(project) or ()
    losses = sorted(name for name in known if re.split(r"[^a-z]+", name.lower())[-1] == "loss")
    monitor = train.checkpoint.monitor
    return losses if monitor in losses or not isinstance(project.get(ModelSpec), Custom) else [*losses, monitor]


def _plot(columns: list[str]) -> dict[str, object]:
    losses = all(re.split(r"[^a-z]+", name.lower())[-1] == "loss" for name in columns)
    return {"x": "epoch", "y": columns, "title": "Loss" if losses else "Training"}


def _metrics(project: Project) -> list[str]:
    evaluate = project.get(EvaluateSpec)
    return list(evaluate.metrics) if evaluate is not None else []


def check(project: Project) -> Iterator[Finding]:
    """What the section's model cannot see."""
    train = project.get(TrainSpec)
    if train is None:
        return
    known = names_logged(project)
    for monitor in of_train(train):
        at = (*monitor.key[:-1], "monitor")
        if known is not None and not is_logged(monitor.name, known):
            help = suggest(monitor.name, known, "logged are")
            yield Finding("monitor-not-logged", at, f"nothing logs `{monitor.name}`, so it cannot be watched", help)
        elif monitor.mode is None:
            yield Finding("direction-not-known", at, *monitor.no_direction)
        elif found := training_warnings.against(monitor):
            yield found
    yield from _twice(project, train)
    found = training_warnings.idle(train, train.max_epochs, "max_epochs")
    if found and not _shortened(project):
        yield found
    if train.precision == "16-mixed" and train.accelerator == "cpu":
        at = ("train", "precision")
        yield Finding("conflicting-options", at, "16-mixed needs a GPU; on a CPU use bf16-mixed or 32-true")
    if train.precision == "bf16-true" and _regression(project):
        at = ("train", "precision")
        message = "bf16-true rounds targets to 8 bits: 12345 becomes 12352"
        yield Finding("conflicting-options", at, message, "use bf16-mixed or 32-true for a number")
    if train.class_weights == "balanced" and _regression(project):
        yield Finding("conflicting-options", ("train", "class_weights"), "a number has no classes to weigh")


def _twice(project: Project, train: TrainSpec) -> Iterator[Finding]:
    """Names that the user's class logs in training and in validation."""
    model = project.get(ModelSpec)
    module, _, name = model.class_.partition(":") if isinstance(model, Custom) else ("", "", "")
    text = project.surroundings.modules.get(module)
    definition = find_class(text, name) if text else None
    if definition is not None:
        monitors = of_run(train, project.values.get("sweep"))
        yield from training_warnings.twice(monitors, logged_in(definition), project.surroundings.path_of(module))


def _shortened(project: Project) -> bool:
    """Whether an experiment or an environment sets another number of epochs, and early stopping is that of the spec."""
    stop, epochs = ("train", "early_stopping"), ("train", "max_epochs")
    same = value_at(project.given, stop) == value_at(project.base, stop)
    return same and value_at(project.given, epochs) != value_at(project.base, epochs)


def _regression(project: Project) -> bool:
    data = project.get(DataSpec)
    return data is not None and data.task == "regression"


def effective() -> Iterator[str]:
    """The keys of the section that change the weights, or which of them are kept."""
    for key, field in TrainSpec.model_fields.items():
        if key == "checkpoint":
            yield from (f"{key}.{inner}" for inner in Checkpoint.model_fields if f"{key}.{inner}" not in INEFFECTIVE)
        elif key not in INEFFECTIVE:
            yield field.alias or key


def _of_model(model: ModelSpec) -> Iterator[str]:
    """The section, without the key that only decides whether a difference is an error or a warning."""
    if not isinstance(model, Custom):
        yield "model"
        return
    yield from (f"model.{f.alias or key}" for key, f in Custom.model_fields.items() if key != "compare_inputs")


def _measured(project: Project, train: TrainSpec) -> Iterator[str]:
    """The keys of `evaluate` that change the value of a watched metric: they decide which epoch is kept."""
    watched = {train.checkpoint.monitor, *([train.early_stopping.monitor] if train.early_stopping else [])}
    names = {name.removeprefix("valid/") for name in watched if name.startswith("valid/")}
    custom = isinstance(project.get(ModelSpec), Custom)  # it computes what it logs by itself
    if "evaluate" in project.values and not custom and any(names & set(known) for known in NAMES.values()):
        yield from (f"evaluate.{key}" for key in MEASURED)


def stages(project: Project) -> Iterable[Stage]:
    """The stage `train`."""
    train, model = project.get(TrainSpec), project.get(ModelSpec)
    if train is None or model is None:
        return
    inputs = ["artifacts/data/train.parquet", "artifacts/data/valid.parquet", "artifacts/data/schema.json"]
    needs: tuple[str, ...] = ()
    if isinstance(model, Custom):
        inputs += project.surroundings.code_of(*model.code)
        # Its training rows are compared with the test split.
        inputs += ["artifacts/data/test.parquet"] if model.datamodule else []
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
            Output(DECISIONS, cache=False),
            Output(CURVES, "plot", cache=False, plot=_plot(_plotted(project, train))),
        ),
        params=(*_of_model(model), *(f"train.{key}" for key in effective()), *_measured(project, train)),
        needs=needs,
    )
