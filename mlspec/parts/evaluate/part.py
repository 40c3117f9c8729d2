"""The evaluate part: the stages `evaluate` and `gate`, and checks of metrics, slices and gates against the data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mlspec.diagnostics import Finding
from mlspec.parts.evaluate.gate_targets import GateTarget, parse, possible
from mlspec.parts.evaluate.slices import MISSING
from mlspec.parts.part_protocol import no_artifacts as artifacts
from mlspec.plan.stage import Output, Stage, StageCheck
from mlspec.sections.data import DataSpec
from mlspec.sections.evaluate import EvaluateSpec, Slice
from mlspec.sections.metric_names import NAMES, PER_CLASS, Task
from mlspec.sections.model import Custom, ModelSpec
from mlspec.sections.slice_bins import names_of_bins
from mlspec.spec.names import suggest
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "artifacts", "check", "stages"]

NAME = "evaluate"
PROGRAMS = {"evaluate": "mlspec.parts.evaluate.work:main", "gate": "mlspec.parts.evaluate.gate_check:main"}
METRICS, GATES = "artifacts/metrics/evaluate.json", "artifacts/metrics/gates.json"
PASSED = "artifacts/evaluate/passed.json"
"""Contains only that the gates passed, so that later stages do not run again after a change of a bound that passes."""
PREDICTIONS = "artifacts/evaluate/predictions.parquet"
_PLOTS = "artifacts/plots"


def check(project: Project) -> Iterator[Finding]:
    """Findings that need the whole project."""
    options, data = project.get(EvaluateSpec), project.get(DataSpec)
    if options is None:
        return
    if "train" not in project.sections:
        message = "`evaluate` needs a trained model, but the spec has no `train` section"
        yield Finding("section-needed", ("evaluate",), message, "add `train:` (empty for the defaults)", on="key")
    if data is not None:
        yield from _metrics(options, data)
        yield from _average(options, data)
        yield from _slices(options, data)
        yield from _gates(options, data)


def stages(project: Project) -> Iterable[Stage]:
    """The stage `evaluate`, and `gate` if the spec has gates: a changed bound needs no new evaluation."""
    options, data = project.get(EvaluateSpec), project.get(DataSpec)
    if options is None or data is None:
        return
    yield Stage(
        "evaluate",
        "Evaluate the model on the test split",
        NAME,
        inputs=(
            "artifacts/data/test.parquet",
            "artifacts/data/schema.json",
            "artifacts/model/best.ckpt",
            "artifacts/model/preprocess",
            *code(project),
        ),
        outputs=(Output(METRICS, "metric", cache=False), *_plots(data.task), Output(PREDICTIONS)),
        params=tuple(f"evaluate.{key}" for key in ("metrics", "slices", "average", "threshold", "calibration_bins")),
    )
    if options.gates:
        yield Stage(
            "gate",
            "Check the metrics against the gates",
            NAME,
            inputs=(METRICS,),
            outputs=(Output(GATES, "metric", cache=False), Output(PASSED, cache=False)),
            params=("evaluate.gates",),
            checks=_gate_checks(options.gates),
            judges="evaluate",
        )


def _gate_checks(gates: Mapping[str, str]) -> tuple[StageCheck, ...]:
    """One for each gate, in the order of the spec; two names that differ only in other characters are numbered."""
    names: list[str] = []
    for text in gates:
        name = "gate_" + re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
        names.append(f"{name}_{len(names) + 1}" if name in names else name)
    return tuple(StageCheck(name, f"{text} {bound}") for name, (text, bound) in zip(names, gates.items(), strict=True))


def code(project: Project) -> tuple[str, ...]:
    """Files of the user's model code, which run when the checkpoint is loaded."""
    model = project.get(ModelSpec)
    return project.surroundings.code_of(model.class_) if isinstance(model, Custom) else ()


def _plots(task: Task) -> tuple[Output, ...]:
    pair = {"x": "actual", "y": "predicted"}
    if task == "regression":
        fit = {**pair, "template": "scatter", "title": "Predicted and actual"}
        return (Output(f"{_PLOTS}/fit.csv", "plot", plot=fit),)
    confusion = {**pair, "template": "confusion", "title": "Confusion"}
    calibration = {"x": "confidence", "y": "accuracy", "title": "Calibration"}
    return (
        Output(f"{_PLOTS}/confusion.csv", "plot", plot=confusion),
        Output(f"{_PLOTS}/calibration.csv", "plot", cache=False, plot=calibration),
    )


def _metrics(options: EvaluateSpec, data: DataSpec) -> Iterator[Finding]:
    for index, name in enumerate(options.metrics):
        if name not in NAMES[data.task]:
            yield _unfit(name, ("evaluate", "metrics", index), data, on_key=False)


def _unfit(name: str, at: tuple[str | int, ...], data: DataSpec, on_key: bool) -> Finding:
    kind = "a class" if data.task == "classification" else "a number"
    message = f"`{name}` does not apply to the target: `{data.target.column}` is {kind}"
    help = "use one of: " + ", ".join(f"`{n}`" for n in NAMES[data.task])
    return Finding("unfit-metric", at, message, help, on="key" if on_key else "value")


def _average(options: EvaluateSpec, data: DataSpec) -> Iterator[Finding]:
    labels = len(data.target.labels)
    two = data.task == "classification" and labels <= 2  # 0 if the labels come from the data
    what = f"`{data.target.column}` has {labels}" if data.task == "classification" else "a number target has none"
    if options.threshold != 0.5 and not two:
        message = f"`threshold` needs exactly two labels, and {what}"
        yield Finding("conflicting-options", ("evaluate", "threshold"), message, "remove it")
    if options.average == "binary" and not two:
        message = f"`average: binary` needs exactly two labels, and {what}"
        yield Finding("conflicting-options", ("evaluate", "average"), message, "remove it")


def _slices(options: EvaluateSpec, data: DataSpec) -> Iterator[Finding]:
    for index, (name, cut) in enumerate(options.cuts.items()):
        listed = isinstance(options.slices, list)
        at = ("evaluate", "slices", index if listed else name)
        column = cut.column or name
        known = data.format.columns
        if known is not None and column not in known:
            help = suggest(column, known, "the columns are")
            place = at if listed or options.cuts[name].column == name else (*at, "column")
            yield Finding("unknown-column", place, f"column not found: `{column}`", help, on="key")
            continue
        problem = _uncuttable(column, cut, data)
        if problem:
            message, help = problem
            yield Finding("unfit-slice", at, message, help, on="value" if listed else "key")


def _uncuttable(column: str, cut: Slice, data: DataSpec) -> tuple[str, str] | None:
    """Why rows cannot be sliced that way, and the help; None if they can."""
    described = data.columns.get(column)
    kind = described.type if described else None
    if column == data.target.column:
        kind = "category" if data.task == "classification" else "number"
    if kind == "image":
        return f"cannot slice by `{column}`: it is an image", "slice by another column"
    if cut.by == "length" and kind in ("number",):
        return f"cannot slice by the length of `{column}`: it is a number", "remove `by: length`"
    if cut.by == "length" and not cut.bins:
        return "`by: length` needs `bins`", "bins: [20, 40]"
    if cut.by == "value" and kind == "number" and not cut.bins:
        return f"`{column}` is a number, so nearly every row would be a slice", f"{{{column}: {{bins: [0, 10]}}}}"
    if cut.by == "value" and kind == "text":
        return f"`{column}` is free text, so nearly every row would be a slice", "use `by: length` with bins"
    return None


def _gates(options: EvaluateSpec, data: DataSpec) -> Iterator[Finding]:
    for text, bound in options.gates.items():
        at = ("evaluate", "gates", text)
        target = parse(text)
        if target is None:
            forms = "write `METRIC`, `METRIC[LABEL]` or `METRIC@COLUMN=VALUE`"
            yield Finding("gate-without-metric", at, f"`{text}` is not a valid gate", forms, on="key")
            continue
        missing = next(_missing(target, options, data), None)
        if missing is not None:
            message, help = missing
            yield Finding("gate-without-metric", at, message, help, on="key")
        elif target.metric not in (*NAMES[data.task], "ece"):
            yield _unfit(target.metric, at, data, on_key=True)
        elif not possible(target.metric, bound):
            message = f"`{bound}` can never be true for `{target.metric}`"
            help = (
                "write shares as 0.9, not as 90" if target.metric != "r2" else "use a bound below 1, the maximum of r2"
            )
            yield Finding("impossible-gate", at, message, help)


def _missing(target: GateTarget, options: EvaluateSpec, data: DataSpec) -> Iterator[tuple[str, str]]:
    """Each reason why the metric of a gate has no value, with the help."""
    if target.metric == "ece":
        if data.task == "regression" or target.label or target.slice:
            yield "`ece` only exists for all rows of a classification, not for labels or slices", "remove this gate"
        return
    known = [name for names in NAMES.values() for name in names]
    computed = options.names(data.task)
    if target.metric not in known:
        yield f"unknown metric `{target.metric}`", suggest(target.metric, known, "metrics are")
    elif target.metric in NAMES[data.task] and target.label is None and target.metric not in computed:
        yield f"`{target.metric}` is not computed", f"evaluate.metrics: [{', '.join((*computed, target.metric))}]"
    if target.label is not None and data.task == "classification":
        yield from _missing_label(target.metric, target.label, data.target.names)
    if target.slice is not None:
        yield from _missing_slice(target.slice, options.cuts)


def _missing_label(metric: str, label: str, labels: Sequence[str]) -> Iterator[tuple[str, str]]:
    if metric not in PER_CLASS:
        yield f"`{metric}` is not computed for single labels", f"use one of: {', '.join(PER_CLASS)}"
    elif labels and label not in labels:
        yield f"unknown label `{label}`", suggest(label, labels, "labels are")


def _missing_slice(text: str, cuts: Mapping[str, Slice]) -> Iterator[tuple[str, str]]:
    name, _, value = text.partition("=")
    if name not in cuts:
        yield f"evaluate.slices has no `{name}`", suggest(name, cuts, "slices are") or f"evaluate.slices: [{name}]"
        return
    bins = names_of_bins(cuts[name].bins)
    if bins and value not in (*bins, MISSING, "*"):
        yield f"`{name}` has no slice `{value}`", f"its slices are {', '.join(f'`{b}`' for b in bins)}; `*` is all"
