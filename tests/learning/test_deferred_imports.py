"""Packages that a library imports for nothing are imported when one of their names is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlspec.learning.deferred_imports import DeferringFinder, deferred

PACKAGE = """\
LOADED = True
class Base:
    kind = "base"
    def __init__(self, size):
        self.size = size
def double(number):
    return 2 * number
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a package, which is not imported."""
    name = f"large_{tmp_path.name}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(PACKAGE)
    (tmp_path / name / "part.py").write_text("PART = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    return name


def imported(*lines: str, names: list[str]) -> dict[str, object]:
    """The names that the lines define, in a library whose unused packages are deferred."""
    scope: dict[str, object] = {}
    with deferred(names):
        exec("\n".join(lines), scope)
    return scope


def test_a_package_is_imported_when_a_name_of_it_is_used(package: str) -> None:
    scope = imported(f"from {package} import Base, double", names=[package])
    assert package not in sys.modules
    assert not isinstance(3, scope["Base"])  # type: ignore[arg-type]
    assert not issubclass(int, scope["Base"])  # type: ignore[arg-type]
    assert package not in sys.modules
    exec("class Own(Base):\n    pass\none = Own(double(4))\nkind = Base.kind", scope)
    assert (scope["one"].size, scope["kind"]) == (8, "base")  # type: ignore[attr-defined]
    assert isinstance(scope["one"], scope["Base"])  # type: ignore[arg-type]
    assert sys.modules[package].LOADED


def test_later_imports_are_real(package: str) -> None:
    imported(f"import {package}.part", names=[package])
    scope: dict[str, object] = {}
    exec(f"from {package}.part import PART\nimport {package}\nloaded = {package}.LOADED", scope)
    assert (scope["PART"], scope["loaded"]) == (3, True)


def test_a_deferred_import_restores_the_package(package: str) -> None:
    imported(f"import {package}.part", names=[f"{package}.part"])
    assert sys.modules[package].LOADED
    assert not hasattr(sys.modules[package], "part")
    assert f"{package}.part" not in sys.modules


def test_a_package_that_is_imported_already_stays(package: str) -> None:
    __import__(package)
    scope = imported(f"import {package} as found", names=[package])
    assert scope["found"] is sys.modules[package]


def test_a_failed_import_leaves_nothing_behind(package: str) -> None:
    finders = list(sys.meta_path)
    with pytest.raises(ZeroDivisionError):
        imported(f"import {package}", "1 / 0", names=[package])
    assert sys.meta_path == finders
    assert package not in sys.modules


@pytest.fixture
def library(package: str, tmp_path: Path) -> str:
    """A library that imports a name of the package."""
    (tmp_path / f"library_{package}.py").write_text(f"from {package} import double\n")
    return f"library_{package}"


def test_a_library_is_imported_without_its_unused_packages(
    library: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    DeferringFinder(library, [package]).install()
    DeferringFinder(library, [package]).install()
    assert (
        len([finder for finder in sys.meta_path if isinstance(finder, DeferringFinder) and finder.serves(library)]) == 1
    )
    scope: dict[str, object] = {}
    exec(f"import {library} as imported", scope)
    imported: Any = scope["imported"]
    assert package not in sys.modules
    assert imported.double(4) == 8
    assert type(imported.__loader__).__name__ == type(imported.__spec__.loader).__name__ == "SourceFileLoader"


def test_a_library_that_is_missing_is_reported_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    DeferringFinder("no_such_library").install()
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        __import__("no_such_library")


@pytest.mark.slow
@pytest.mark.parametrize(
    "imports",
    [
        "import mlspec.run.program, mlspec.parts.train.work",
        "import mlspec.testing.short_training",
    ],
)
def test_a_training_starts_without_the_packages_of_metrics_that_it_lacks(imports: str) -> None:
    program = (
        f"import sys\n{imports}\n"
        "assert 'pytorch_lightning' in sys.modules and 'torchmetrics' in sys.modules\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'transformers' or name == 'scipy.signal'])\n"
        "from torchmetrics.functional.text import bert\nprint(bert.AutoModel.__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "AutoModel"]
