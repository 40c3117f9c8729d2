"""The test part: the project's `tests/`, the stages `robustness` and `test`, and which perturbations fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mlspec.diagnostics import Finding
from mlspec.parts.data.part import ORIGINS, PARQUET, PROFILE, SCHEMA
from mlspec.parts.evaluate.part import METRICS
from mlspec.parts.export.part import BUNDLE
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Output, Stage, outermost
from mlspec.sections.data import Check, DataSpec
from mlspec.sections.evaluate import EvaluateSpec
from mlspec.sections.export import ExportSpec
from mlspec.sections.model import Custom, ModelSpec
from mlspec.sections.test import FITS, TestSpec
from mlspec.source.project_context import TESTS
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "SECTIONS", "artifacts", "check", "stages"]

NAME = "test"
SECTIONS = {"test": TestSpec}
PROGRAMS = {"robustness": "mlspec.parts.test.work:robustness", "test": "mlspec.parts.test.work:tests"}
FILES = {
    "tests/conftest.py": "tests/conftest.py.j2",
    "tests/test_data.py": "tests/test_data.py.j2",
    "tests/test_model.py": "tests/test_model.py.j2",
    "tests/test_contract.py": "tests/test_contract.py.j2",
}


def check(project: Project) -> Iterator[Finding]:
    """Checks that the section's model cannot do."""
    options, data = project.get(TestSpec), project.get(DataSpec)
    if options is None or data is None:
        return
    if "export" not in project.sections:
        message = "the tests need the bundle, and the spec has no `export` section"
        yield Finding("section-needed", ("test",), message, "add `export:`; empty, it means all defaults", on="key")
    if options.robustness is None:
        return
    kinds = {column.type for column in data.columns.values()}
    for index, name in enumerate(options.robustness.perturbations):
        if not kinds & set(FITS[name]):
            fitting = [n for n, fits in FITS.items() if kinds & set(fits)]
            message = f"`{name}` perturbs {_or(FITS[name])}, and the model has no such input"
            help = "perturbations for these inputs: " + ", ".join(f"`{n}`" for n in fitting)
            yield Finding("unfit-perturbation", ("test", "robustness", "perturbations", index), message, help)


def stages(project: Project) -> Iterable[Stage]:
    """The stage `robustness` where the spec asks for it, and `test`."""
    options = project.get(TestSpec)
    if options is None:
        return
    if options.robustness is not None:
        yield Stage(
            "robustness",
            "Test the model on perturbed rows",
            NAME,
            inputs=(BUNDLE, PARQUET["test"], SCHEMA, PROFILE),
            outputs=(Output("artifacts/metrics/robustness.json", "metric", cache=False),),
            params=("test.robustness",),
            version=2,  # images are decoded as in training
        )
    yield Stage(
        "test",
        "Run the project's tests",
        NAME,
        inputs=outermost((TESTS, *_code(project), *_seen(project))),
        outputs=(Output("artifacts/test/junit.xml"),),
        params=("test.pytest",),
    )


def _seen(project: Project) -> Iterator[str]:
    """The files that the generated tests read."""
    yield BUNDLE
    yield from (*PARQUET.values(), ORIGINS)
    yield from (SCHEMA, PROFILE, "artifacts/model/best.ckpt", "artifacts/model/preprocess")
    if "evaluate" in project.sections:
        yield METRICS


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """The tests of data, model and bundle, for the project's `tests/` folder."""
    data = project.get(DataSpec)
    if project.get(TestSpec) is None or data is None:
        return
    values = _values(project, data)
    for path, template in FILES.items():
        yield Artifact(path, template, values)
    if values["code"]:
        yield Artifact("tests/test_code.py", "tests/test_code.py.j2", values)


def _values(project: Project, data: DataSpec) -> dict[str, object]:
    export, evaluate = project.get(ExportSpec), project.get(EvaluateSpec) or EvaluateSpec()
    model = project.get(ModelSpec)
    onnx = export.onnx if export is not None else None
    checks = {
        name: kept
        for name, check in data.checks.columns.items()
        if name in data.columns and (kept := _kept(check, data.columns[name].type))
    }
    return {
        "inputs": {name: column.type for name, column in data.columns.items()},
        "target": data.target.column,
        "labels": data.target.names,
        "task": data.task,
        "checks": checks,
        "quantized": onnx is not None and onnx.quantize == "int8",
        "tolerance": onnx.tolerance if onnx is not None else 1e-4,
        "metric": evaluate.names(data.task)[0],
        "average": evaluate.average,
        "threshold": evaluate.threshold,
        "raw": isinstance(model, Custom) and model.preprocess == "none",
        "prepares": model.prepares if isinstance(model, Custom) else None,
        "evaluated": "evaluate" in project.sections,
        "code": _callables(project, data),
    }


def _kept(check: Check, kind: str) -> dict[str, object]:
    """The conditions of a check for a column as it is in the parquet files; without options that are not set."""
    given = check.model_dump(by_alias=True)
    conditions = {
        key: value for key, value in given.items() if value is not None and value is not False
    }  # 0 is a limit
    if kind != "number":
        conditions = {key: value for key, value in conditions.items() if key not in ("min", "max")}
        conditions |= {"in": [str(value) for value in conditions["in"]]} if "in" in conditions else {}
    return conditions


def _callables(project: Project, data: DataSpec) -> dict[str, str]:
    """The project's own functions and classes that the spec names."""
    paths = {"data.source": data.source} if data.kind == "callable" else {}
    model = project.get(ModelSpec)
    if isinstance(model, Custom):
        paths["model.class"] = model.class_
        if model.datamodule is not None:
            paths["model.datamodule"] = model.datamodule
        if model.prepares is not None:
            paths["model.preprocess.class"] = model.prepares
    return paths


def _code(project: Project) -> Iterator[str]:
    """What the tests load: the callables of the spec, and what the tests import themselves."""
    data = project.get(DataSpec)
    paths = _callables(project, data).values() if data is not None else ()
    yield from project.surroundings.code_of(*paths, TESTS)


def _or(kinds: Sequence[str]) -> str:
    names = {"text": "texts", "number": "numbers", "category": "categories", "image": "images"}
    return " or ".join(names[kind] for kind in kinds)
