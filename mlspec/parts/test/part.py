"""The test part: the project's `tests/`, the stages `robustness`, `textattack` and `test`, and what fits the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mlspec.diagnostics import Finding
from mlspec.parts.bundle_path import BUNDLE
from mlspec.parts.data.part import ORIGINS, PARQUET, PROFILE, SCHEMA
from mlspec.parts.evaluate.part import METRICS, PREDICTIONS
from mlspec.parts.test import expectation_checks, template_values
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Output, Stage, outermost
from mlspec.sections.data import DataSpec
from mlspec.sections.test import TestSpec
from mlspec.source.project_context import TESTS
from mlspec.spec.project import Project

__all__ = ["NAME", "PROGRAMS", "artifacts", "check", "stages"]

NAME = "test"
PROGRAMS = {
    "robustness": "mlspec.parts.test.work:robustness",
    "textattack": "mlspec.parts.test.work:textattack",
    "test": "mlspec.parts.test.work:tests",
}
FILES = {
    "tests/conftest.py": "tests/conftest.py.j2",
    "tests/test_unit.py": "tests/test_unit.py.j2",
    "tests/test_data.py": "tests/test_data.py.j2",
    "tests/test_model.py": "tests/test_model.py.j2",
    "tests/test_contract.py": "tests/test_contract.py.j2",
}
LOAD = {"tests/test_load.py": "tests/test_load.py.j2"}


def check(project: Project) -> Iterator[Finding]:
    """Checks that the section's model cannot do."""
    options, data = project.get(TestSpec), project.get(DataSpec)
    if options is None or data is None:
        return
    if "export" not in project.sections:
        message = "the tests need the bundle, and the spec has no `export` section"
        yield Finding("section-needed", ("test",), message, "add `export:`; empty, it means all defaults", on="key")
    yield from expectation_checks.findings(options, data)


def stages(project: Project) -> Iterable[Stage]:
    """The stages `robustness` and `textattack` where the spec asks for them, and `test`."""
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
    if options.textattack is not None:
        yield Stage(
            "textattack",
            "Attack the model with TextAttack",
            NAME,
            inputs=(BUNDLE, PARQUET["test"], SCHEMA),
            outputs=(
                Output("artifacts/metrics/textattack.json", "metric", cache=False),
                Output("artifacts/textattack/attacks.json"),
            ),
            params=("test.textattack",),
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
        data = project.get(DataSpec)
        if data is not None and data.task == "classification":
            yield PREDICTIONS


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """The tests of code, data, model and bundle, for the project's `tests/` folder: a file for each kind."""
    options, data = project.get(TestSpec), project.get(DataSpec)
    if options is None or data is None:
        return
    values = template_values.of(project, options, data)
    for path, template in {**FILES, **(LOAD if options.load is not None else {})}.items():
        yield Artifact(path, template, values)


def _code(project: Project) -> Iterator[str]:
    """What the tests load: the callables of the spec, and what the tests import themselves."""
    data = project.get(DataSpec)
    paths = template_values.callables(project, data).values() if data is not None else ()
    yield from project.surroundings.code_of(*paths, TESTS)
