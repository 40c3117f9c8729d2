"""The train part: the stage `train`, and checks that the monitored metrics are logged."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from mlspec.diagnostics import Finding
from mlspec.parts.part_protocol import no_artifacts as artifacts
from mlspec.parts.train import training_warnings, tune_checks
from mlspec.parts.train.monitors import MonitoredMetric, of_run, of_train
from mlspec.plan.stage import Output, Stage
from mlspec.sections.data import DataSpec
from mlspec.sections.evaluate import EvaluateSpec
from mlspec.sections.metric_names import MEASURED, NAMES, logged
from mlspec.sections.model import Custom, ModelSpec, TextClassifier
from mlspec.sections.train import Checkpoint, TrainSpec
from mlspec.source.python import find_class, logged_in, logged_names
from mlspec.spec.names import closest, suggest
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
    "compile", "tf32", "gradient_checkpointing",
})  # fmt: skip
"""Keys that do not change the trained model: hardware, checkpoint interval, logging interval.

`compile`, `tf32` and `gradient_checkpointing` only change rounding, as the machine does, on which `accelerator`,
`devices` and `strategy` depend. All devices together train on one batch
(`mlspec/learning/gradient_shares.py`), so they only change rounding and the random numbers of dropout.
"""


_PERMISSIONS = ("compare_inputs", "trust")


def names_logged(project: Project) -> frozenset[str] | None:
    """The names that training logs; None if the source code does not show them."""
    model, data = project.get(ModelSpec), project.get(DataSpec)
    if model is None or data is None:
        return None
    if isinstance(model, Custom):
        text = project.surroundings.modules.get(model.class_.partition(":")[0])
        definition = find_class(text, model.class_.partition(":")[2]) if text else None
        return (logged_names(definition) or None) if definition else None
    return logged(data.task, _metrics(project))


def is_logged(name: str, known: Collection[str]) -> bool:
    """Whether a module logs `name`; Lightning adds the suffixes `_epoch` and `_step`."""
    return name in known or re.sub(r"_(epoch|step)$", "", name) in known


def _curves(project: Project, train: TrainSpec) -> dict[str, tuple[str, ...]]:
    """The charts of a training: the losses, and each metric; for a custom module only the metric that decides."""
    known = sorted(names_logged(project) or ())
    losses = tuple(name for name in known if re.split(r"[^a-z]+", name.lower())[-1] == "loss")
    others = [train.checkpoint.monitor] if isinstance(project.get(ModelSpec), Custom) else known
    metrics: dict[str, tuple[str, ...]] = {
        name.removeprefix("valid/"): (name,) for name in others if name not in losses
    }
    return {"Loss": losses, **metrics} if losses else metrics


def _metrics(project: Project) -> list[str]:
    evaluate = project.get(EvaluateSpec)
    return list(evaluate.metrics) if evaluate is not None else []


def check(project: Project) -> Iterator[Finding]:
    """Findings that need the whole project."""
    train = project.get(TrainSpec)
    if train is None:
        return
    known = names_logged(project)
    for monitor in of_train(train):
        at = (*monitor.key[:-1], "monitor")
        if known is not None and not is_logged(monitor.name, known):
            yield _not_logged(project, monitor, known)
        elif monitor.mode is None:
            message, help = monitor.no_direction
            yield Finding("direction-not-known", at, message, help)
        elif finding := training_warnings.against(monitor):
            yield finding
    yield from _twice(project, train)
    finding = training_warnings.idle(train, train.max_epochs, "max_epochs")
    if finding and not _shortened(project):
        yield finding
    if train.precision == "16-mixed" and train.accelerator == "cpu":
        at = ("train", "precision")
        yield Finding("conflicting-options", at, "16-mixed needs a GPU", "on a CPU use bf16-mixed or 32-true")
    if train.precision == "bf16-true" and _regression(project):
        at = ("train", "precision")
        message = "bf16-true rounds targets to 8 bits: 12345 becomes 12352"
        yield Finding("conflicting-options", at, message, "use bf16-mixed or 32-true for a number target")
    if train.class_weights == "balanced" and _regression(project):
        message = "class_weights needs a class target, and the target is a number"
        yield Finding("conflicting-options", ("train", "class_weights"), message, "remove it")
    yield from tune_checks.conflicts(train, project.values.get("sweep"))


def _not_logged(project: Project, monitor: MonitoredMetric, known: Collection[str]) -> Finding:
    """The finding for a metric that no step logs: written in the spec, or the default of its key."""
    at = (*monitor.key[:-1], "monitor")
    if value_at(project.given, at):
        message = f"`{monitor.name}` is never logged, so it cannot be monitored"
        return Finding("monitor-not-logged", at, message, suggest(monitor.name, known, "logged are"))
    likely = closest(monitor.name, known) or next(iter(sorted(known)), "NAME")
    message = f"the {monitor.subject} monitors `{monitor.name}` by default, which training never logs"
    help = f"set `train: {{{at[1]}: {{monitor: {likely}}}}}`, or log `{monitor.name}` in validation"
    return Finding("monitor-not-logged", at, message, help)


def _twice(project: Project, train: TrainSpec) -> Iterator[Finding]:
    """Findings for names that the user's class logs both in training and in validation."""
    model = project.get(ModelSpec)
    module, _, name = model.class_.partition(":") if isinstance(model, Custom) else ("", "", "")
    text = project.surroundings.modules.get(module)
    definition = find_class(text, name) if text else None
    if definition is not None:
        monitors = of_run(train, project.values.get("sweep"))
        yield from training_warnings.twice(monitors, logged_in(definition), project.surroundings.path_of(module))


def _shortened(project: Project) -> bool:
    """Whether an experiment or environment changes max_epochs but not early stopping."""
    stop, epochs = ("train", "early_stopping"), ("train", "max_epochs")
    same = value_at(project.given, stop) == value_at(project.base, stop)
    return same and value_at(project.given, epochs) != value_at(project.base, epochs)


def _regression(project: Project) -> bool:
    data = project.get(DataSpec)
    return data is not None and data.task == "regression"


def effective() -> Iterator[str]:
    """The keys of the section that change the weights, or the selected checkpoint."""
    for key, field in TrainSpec.model_fields.items():
        if key == "checkpoint":
            yield from (f"{key}.{inner}" for inner in Checkpoint.model_fields if f"{key}.{inner}" not in INEFFECTIVE)
        elif key not in INEFFECTIVE:
            yield field.alias or key


def _of_model(model: ModelSpec) -> Iterator[str]:
    """The keys of `model` that change it: not `compare_inputs` and `trust`, which only turn an error into a warning."""
    if not isinstance(model, Custom):
        yield "model"
        return
    yield from (f"model.{f.alias or key}" for key, f in Custom.model_fields.items() if key not in _PERMISSIONS)


def _measured(project: Project, train: TrainSpec) -> Iterator[str]:
    """The keys of `evaluate` that change the value of a monitored metric, and so the selected epoch."""
    watched = {train.checkpoint.monitor, *([train.stop.monitor] if train.stop else [])}
    names = {name.removeprefix("valid/") for name in watched if name.startswith("valid/")}
    custom = isinstance(project.get(ModelSpec), Custom)  # it computes its own metrics
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
        # The rows of a data module are compared with the test split.
        inputs += ["artifacts/data/test.parquet"] if model.loader else []
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
            # All are cached: DVC does not restore a stage from its remote's run-cache if one of its outputs is in git.
            Output("artifacts/metrics/train.json", "metric"),
            Output(DECISIONS),
            Output(CURVES, curves=_curves(project, train)),
        ),
        version=3,  # dropout with other random numbers on a processor
        params=(*_of_model(model), *(f"train.{key}" for key in effective()), *_measured(project, train)),
        needs=needs,
    )
