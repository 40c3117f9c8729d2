"""JSON and YAML are parsed at the edge: what one module hands to another has a type that names its keys or its values."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

PACKAGES = (
    "apply", "audit", "aws", "cloudformation", "costs", "docker", "dvc", "elastic", "monitoring", "records", "report", "run",
    "serverless", "shipping", "terraform", "tracking", "parts/airflow", "parts/cloudformation", "parts/dagster", "parts/dvc",
    "parts/orchestrate", "parts/prefect", "parts/sam", "parts/serverless", "parts/terraform",
)  # fmt: skip
LOOSE = re.compile(r"\bAny\b|\b(dict|Mapping|MutableMapping|defaultdict)\[str, object\]")
"""Types that say nothing of what a mapping holds."""

EDGES: dict[str, str] = {
    "dvc/dvc_lock.py:locked_json": "parameters are values of any YAML, dates too, that are only compared",
    "dvc/dvc_lock.py:params": "parameters are values of any YAML, dates too, that are only compared",
    "parts/prefect/deployment_drift.py:differences": "two documents of Prefect, compared in the module that reads both",
    "dvc/yaml_values.py:mapping": "what PyYAML returns, before its values are parsed",
    "monitoring/store_copy.py:client": "boto3 generates its clients at run time",
    "tracking/mlflow_loader.py:predict": "the signature of MLflow",
    "aws/aws_target.py:client": "boto3 generates its clients at run time; each reader parses what its client returns",
    "shipping/rehearsal/lambda_adapter.py:event": "the payload of AWS; the file runs alone in a container",
    "shipping/rehearsal/lambda_adapter.py:response": "what a user's handler returns; the file runs alone in a container",
}
"""Where a value of unknown shape enters or leaves mlspec, each with the reason."""


def loose(text: str) -> Iterator[str]:
    """Public functions, methods and fields of a module whose annotations are loose, also through an alias of it."""
    tree = ast.parse(text)
    names = [alias for node in tree.body if (alias := _alias(node))]
    pattern = re.compile("|".join([LOOSE.pattern, *(rf"\b{name}\b" for name in names)]))
    for name, annotation in _annotated(tree):
        if pattern.search(annotation):
            yield name


def _alias(node: ast.stmt) -> str | None:
    """The name of a loose type that a module defines."""
    match node:
        case ast.Assign(targets=[ast.Name(name)], value=ast.Subscript() as value) if LOOSE.search(ast.unparse(value)):
            return name
        case ast.AnnAssign(target=ast.Name(name), value=ast.Constant(str(value))) if LOOSE.search(value):
            return name
        case _:
            return None


def _annotated(node: ast.Module | ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Names and annotations of what a module or class offers to others."""
    for inner in node.body:
        match inner:
            case ast.ClassDef(name=name) if not name.startswith("_"):
                yield from _annotated(inner)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if not name.startswith("_"):
                a = inner.args
                every = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, [a.vararg, a.kwarg])]
                types = [argument.annotation for argument in every] + [inner.returns]
                yield name, " ".join(ast.unparse(type) for type in types if type is not None)
            case ast.AnnAssign(target=ast.Name(name), annotation=annotation) if not name.startswith("_"):
                yield name, ast.unparse(annotation)


def modules() -> list[Path]:
    folders = [CHECKOUT / "mlspec" / name for name in PACKAGES]
    return [file for folder in folders for file in sorted(folder.rglob("*.py"))]


def test_no_mapping_of_unknown_shape_crosses_a_module_boundary() -> None:
    package = CHECKOUT / "mlspec"
    seams = {
        f"{file.relative_to(package).as_posix()}:{name}"
        for file in modules()
        for name in loose(file.read_text(encoding="utf-8"))
    }
    assert seams - EDGES.keys() == set(), "parse it into a dataclass or TypedDict, or use JsonValue for any JSON"
    assert EDGES.keys() - seams == set(), "the edge is gone: remove its reason"


@pytest.mark.parametrize(
    "text",
    [
        "def f(x: dict[str, object]) -> None: ...",
        "def f() -> list[Mapping[str, object]]: ...",
        "def f(*, x: Any) -> None: ...",
        "class C:\n    x: Mapping[str, Any]",
        "class C:\n    def f(self) -> Any: ...",
        "Row = Mapping[str, object]\ndef f(x: Sequence[Row]) -> None: ...",
        'Row: TypeAlias = "dict[str, object]"\ndef f(x: Row) -> None: ...',
    ],
)
def test_a_loose_type_is_noticed(text: str) -> None:
    assert list(loose(text))


@pytest.mark.parametrize("text", ["def _f(x: Any) -> None: ...", "def f(x: object) -> dict[str, JsonValue]: ..."])
def test_private_functions_and_precise_types_are_not(text: str) -> None:
    assert not list(loose(text))
