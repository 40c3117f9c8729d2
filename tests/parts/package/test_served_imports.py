"""What serves has all that the project's own preprocessing imports, or the build says what to add."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.diagnostics import Diagnostic
from mlspec.errors import SpecError
from tests.parts.projects import written

SPEC = """\
project: {name: served}
data:
  source: data/rows.csv
  inputs: {size: number}
  target: {column: price, type: number}
model: {class: "src.net:Net", preprocess: {class: "src.prep:Prep"}}
train: {checkpoint: {monitor: valid/loss, mode: min}}
export:
"""
PREP = "class Prep:\n    def __call__(self, rows): ...\n"


def diagnostics_of(root: Path, imported: str, package: str, spec: str = SPEC) -> list[Diagnostic]:
    files: dict[str, str | bytes] = {"mlproject.yaml": spec + package, "src/net.py": "class Net: ...\n"}
    written(root, {**files, "src/prep.py": f"{imported}\n{PREP}"})
    try:
        diagnostics = compile_project(root / "mlproject.yaml").warnings
    except SpecError as error:
        diagnostics = error.diagnostics
    return [each for each in diagnostics if each.code != "package-without-hash"]


@pytest.mark.parametrize(
    ("imported", "package"),
    [
        ("import numpy", "package:\n"),
        ("import orjson, onnxruntime", "package:\n"),
        ("import httptools", "package:\n"),
        ("from mlspec.runtime import BadRow", "package:\n"),
        ("import acme_stats", "package: {requirements: {acme-stats: '1.0'}}\n"),
        ("import sklearn", "package: {requirements: {scikit-learn: '1.7.2', scipy: '1.17.0'}}\n"),
        ("import acme", "package: {requirements: {acme-of-another-name: '1.0'}}\n"),
        ("import torch", ""),
    ],
)
def test_an_installed_package_is_not_reported(imported: str, package: str, tmp_path: Path) -> None:
    assert diagnostics_of(tmp_path, imported, package) == []


@pytest.mark.parametrize(
    ("imported", "package", "message", "help"),
    [
        ("import torch", "package:\n", "src/prep.py:1 imports torch, which the serving image", "with numpy alone"),
        ("import PIL", "package:\n", "imports PIL", "package.requirements: {pillow: "),
        ("import acme.x", "package:\n", "imports acme.x", 'package.requirements: {acme: "RELEASE"}'),
        ("import a1, a2", "package: {requirements: {a1: '1.0'}}\n", "imports a2", "{a2: "),
        ("import mlspec.learning", "package:\n", "imports mlspec.learning", "import only mlspec.runtime"),
        (
            "import httptools",
            "package: {zip: {}}\ndeploy: {lambda: {region: eu-west-1}}\n",
            "the zip does not",
            "{httptools: ",
        ),
    ],
)
def test_what_is_missing_is_named_with_the_line_to_add(
    imported: str, package: str, message: str, help: str, tmp_path: Path
) -> None:
    (diagnostic,) = diagnostics_of(tmp_path, imported, package)
    assert diagnostic.code == "import-not-served"
    assert message in diagnostic.message
    assert help in diagnostic.help
    assert diagnostic.span is not None


def test_a_help_followed_to_the_letter_is_right(tmp_path: Path) -> None:
    """The release is that of the machine that trains."""
    (diagnostic,) = diagnostics_of(tmp_path, "import pyarrow", "package:\n")
    _, _, entry = diagnostic.help.partition("package.requirements: ")
    entry = entry.partition("}")[0] + "}"
    package = f"package: {{requirements: {entry}}}\n"
    assert diagnostics_of(tmp_path, "import pyarrow", package) == []
    build = compile_project(tmp_path / "mlproject.yaml")
    text = next(file.text for file in build.files if file.path == "requirements-serve.txt")
    assert entry.strip("{}").replace(": ", "==").replace('"', "") in text.splitlines()


def test_a_compiled_module_of_the_project_is_refused(tmp_path: Path) -> None:
    from importlib.machinery import EXTENSION_SUFFIXES

    written(tmp_path, {f"src/fast{EXTENSION_SUFFIXES[0]}": b"x"})
    (diagnostic,) = diagnostics_of(tmp_path, "from src import fast", "package:\n")
    assert diagnostic.code == "import-not-served"
    assert "which is compiled for this machine" in diagnostic.message


def test_an_installed_class_is_refused(tmp_path: Path) -> None:
    (diagnostic,) = diagnostics_of(tmp_path, "", "", SPEC.replace("src.prep:Prep", "numpy:array"))
    assert diagnostic.code == "bad-preprocess"


def test_a_preprocessing_is_for_a_model_of_the_projects_own(tmp_path: Path) -> None:
    spec = SPEC.replace('class: "src.net:Net", ', "type: tabular, ")
    assert [diagnostic.code for diagnostic in diagnostics_of(tmp_path, "", "", spec)] == ["unknown-key"]
