"""What modules of the project import from outside it, where they run in serving."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.source.module_imports import Imports
from mlspec.source.third_party import distribution, of_module
from tests.parts.projects import written

HEAD = "from __future__ import annotations\nimport json\n"


def outside(root: Path, text: str, **more: str) -> list[tuple[str, str, int]]:
    written(root, {"src/prep.py": HEAD + text, **{f"src/{name}.py": content for name, content in more.items()}})
    return [(each.name, each.file, each.line) for each in of_module(Imports(root), root, "src.prep")]


@pytest.mark.parametrize(
    "text",
    [
        "import src.prep, src.other.missing",
        "from . import other",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch",
        "import typing\nif typing.TYPE_CHECKING:\n    import torch",
        "try:\n    import torch\nexcept ImportError:\n    torch = None",
        "try:\n    import torch\nexcept (OSError, ModuleNotFoundError):\n    torch = None",
        "class Prep:\n    def fit(self, rows):\n        import sklearn",
    ],
)
def test_what_serving_does_without(text: str, tmp_path: Path) -> None:
    assert outside(tmp_path, text, other="") == []


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        ("import numpy as np", "numpy", 3),
        ("from scipy.special import expit", "scipy.special", 3),
        ("def late():\n    import scipy", "scipy", 4),
        ("import importlib\nimportlib.import_module('scipy')", "scipy", 4),
        ("def fit(rows):\n    import sklearn", "sklearn", 4),
        ("try:\n    import torch\nfinally:\n    pass", "torch", 4),
        ("try:\n    import torch\nexcept ImportError:\n    import jax", "jax", 6),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\nelse:\n    import jax", "jax", 7),
        ("class Prep:\n    def __call__(self, rows):\n        import scipy", "scipy", 5),
        ("import mlspec.learning.custom_preprocess", "mlspec.learning.custom_preprocess", 3),
    ],
)
def test_what_serving_needs(text: str, name: str, line: int, tmp_path: Path) -> None:
    assert outside(tmp_path, text) == [(name, "src/prep.py", line)]


def test_imports_of_imported_modules_count(tmp_path: Path) -> None:
    result = outside(tmp_path, "from src.other import f", other="import scipy\nimport numpy\n", unused="import torch\n")
    assert result == [("scipy", "src/other.py", 1), ("numpy", "src/other.py", 2)]


def test_what_only_fit_imports_of_the_project_is_not_followed(tmp_path: Path) -> None:
    text = "class Prep:\n    def fit(self, rows):\n        from src.other import f"
    assert outside(tmp_path, text, other="import scipy\n") == []


def test_the_release_is_that_of_this_environment(tmp_path: Path) -> None:
    import numpy

    outside(tmp_path, "import numpy\nimport acme_stats")
    numbers, stats = of_module(Imports(tmp_path), tmp_path, "src.prep")
    assert (numbers.package, numbers.release) == ("numpy", numpy.__version__)
    assert (stats.package, stats.release) == ("acme-stats", "")


@pytest.mark.parametrize(
    ("module", "package"), [("sklearn.svm", "scikit-learn"), ("PIL.Image", "pillow"), ("Acme_stats", "acme-stats")]
)
def test_the_package_of_a_module(module: str, package: str) -> None:
    assert distribution(module) == package
