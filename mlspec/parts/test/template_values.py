"""What the templates of the generated tests need of a spec. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mlspec.parts.evaluate.gate_targets import parse
from mlspec.sections.data import Check, DataSpec
from mlspec.sections.evaluate import EvaluateSpec
from mlspec.sections.experiments import Experiments
from mlspec.sections.export import ExportSpec
from mlspec.sections.model import Custom, ModelSpec
from mlspec.sections.test import DataLimits, TestSpec
from mlspec.sections.train import TrainSpec
from mlspec.source.document import Plain
from mlspec.spec.project import Project
from mlspec.spec.types import bound_parts


def of(project: Project, options: TestSpec, data: DataSpec) -> dict[str, object]:
    """The values of all templates in `templates/tests/`."""
    return {
        **_of_data(data, options.data or DataLimits()),
        **_of_model(project, options),
        **_of_evaluation(project, data),
        **_of_export(project),
        "experiments": _experiments(project),
        "code": callables(project, data),
        "source": data.source if data.kind == "callable" else None,
        "load": options.load.model_dump() if options.load is not None else None,
    }


def _of_data(data: DataSpec, limits: DataLimits) -> dict[str, object]:
    checks = {
        name: conditions
        for name, check in data.checks.columns.items()
        if name in data.columns and (conditions := _conditions(check, data.columns[name].type))
    }
    return {
        "inputs": {name: column.type for name, column in data.columns.items()},
        "target": data.target.column,
        "labels": data.target.names,
        "task": data.task,
        "checks": checks,
        "limits": limits.model_dump(),
    }


def _conditions(check: Check, kind: str) -> dict[str, object]:
    """The conditions of a check for a column as it is in the parquet files; without options that are not set."""
    given = check.model_dump(by_alias=True)
    conditions = {
        key: value for key, value in given.items() if value is not None and value is not False
    }  # 0 is a limit
    if kind != "number":
        conditions = {key: value for key, value in conditions.items() if key not in ("min", "max")}
        conditions |= {"in": [str(value) for value in conditions["in"]]} if "in" in conditions else {}
    return conditions


def _of_model(project: Project, options: TestSpec) -> dict[str, object]:
    model = project.get(ModelSpec)
    own = model if isinstance(model, Custom) else None
    return {
        "own_model": own.class_ if own is not None else None,
        "raw": own is not None and own.preprocess == "none",
        "prepares": own.prepares if own is not None else None,
        "repeatable": train.deterministic if (train := project.get(TrainSpec)) is not None else None,
        "directions": {
            name: {"label": None, "step": 1.0, "min_agreement": 0.95, "trend": expected}
            if isinstance(expected, str)
            else expected.model_dump()
            for name, expected in (options.direction or {}).items()
        },
        "invariance": options.invariance.model_dump() if options.invariance is not None else None,
    }


def _of_evaluation(project: Project, data: DataSpec) -> dict[str, object]:
    evaluate = project.get(EvaluateSpec) or EvaluateSpec()
    return {
        "metric": evaluate.names(data.task)[0],
        "average": evaluate.average,
        "threshold": evaluate.threshold,
        "evaluated": "evaluate" in project.sections,
        "slices": [bound._asdict() for bound in _slice_bounds(evaluate.gates)],
    }


class SliceBound(NamedTuple):
    """A gate of the metric of a slice, or with `*` of all slices of a column."""

    gate: str
    metric: str
    slice: str
    sign: str
    limit: float


def _slice_bounds(gates: Mapping[str, str]) -> list[SliceBound]:
    bounds = []
    for gate, bound in gates.items():
        target = parse(gate)
        if target is not None and target.slice is not None:
            bounds.append(SliceBound(gate, target.metric, target.slice, *bound_parts(bound)))
    return bounds


def _of_export(project: Project) -> dict[str, object]:
    export = project.get(ExportSpec)
    onnx = export.onnx if export is not None else None
    return {
        "quantized": onnx is not None and onnx.quantize == "int8",
        "tolerance": onnx.tolerance if onnx is not None else 1e-4,
    }


def _experiments(project: Project) -> dict[str, dict[str, Plain]]:
    """The values of each experiment by dotted key, those of a mapping one by one."""
    experiments = project.get(Experiments)
    return {name: dict(_leaves("", values)) for name, values in experiments.root.items()} if experiments else {}


def _leaves(at: str, value: Plain) -> Iterator[tuple[str, Plain]]:
    if not isinstance(value, dict):
        yield at, value
        return
    for key, inner in value.items():
        yield from _leaves(f"{at}.{key}" if at else str(key), inner)


def callables(project: Project, data: DataSpec) -> dict[str, str]:
    """The project's own functions and classes that the spec names, by key."""
    paths = {"data.source": data.source} if data.kind == "callable" else {}
    model = project.get(ModelSpec)
    if isinstance(model, Custom):
        paths["model.class"] = model.class_
        if model.loader is not None:
            paths["model.datamodule"] = model.loader
        if model.prepares is not None:
            paths["model.preprocess.class"] = model.prepares
    return paths
