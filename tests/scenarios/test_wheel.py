"""The wheel, away from the checkout: it holds all it needs, and works with its five dependencies alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from mlspec.starters import STARTERS
from tests.conftest import CHECKOUT
from tests.sharing import once, shared_folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by its own build backend, from the checkout."""

    def build(folder: Path) -> None:
        code = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
        done = subprocess.run([sys.executable, "-c", code, str(folder)], cwd=CHECKOUT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    (wheel,) = once(shared_folder(tmp_path_factory, "wheel"), build).iterdir()
    return wheel


@pytest.fixture(scope="module")
def home(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what it depends on, and nothing else."""

    def install(folder: Path) -> None:
        venv.create(folder, with_pip=True)
        command = [folder / "bin" / "python", "-m", "pip", "install", "-q", "-c", CHECKOUT / "constraints.txt", wheel]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    return once(shared_folder(tmp_path_factory, "environment"), install)


def run(home: Path, folder: Path, *arguments: str) -> str:
    """The output of the installed `mlspec`; no PYTHONPATH leads back here."""
    environment = {"PATH": f"{home / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin", "HOME": str(folder)}
    command = [home / "bin" / "mlspec", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_holds_every_template_starter_and_explanation(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    templates = [f for f in (CHECKOUT / "templates").rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    assert {f"mlspec/_templates/{f.relative_to(CHECKOUT / 'templates').as_posix()}" for f in templates} <= names
    explanations = [f.relative_to(CHECKOUT).as_posix() for f in (CHECKOUT / "mlspec").rglob("*.md")]
    assert set(explanations) <= names
    assert "mlspec/py.typed" in names
    outside = {name.split("/")[0] for name in names} - {"mlspec"}
    assert all(name.endswith(".dist-info") for name in outside)
    assert not any("__pycache__" in name for name in names)


@pytest.mark.slow
def test_it_starts_and_builds_a_project(home: Path, tmp_path: Path) -> None:
    installed = [home / "bin" / "python", "-m", "pip", "list", "--format", "json"]
    packages = {p["name"] for p in json.loads(subprocess.run(installed, capture_output=True, check=True).stdout)}
    assert not packages & {"torch", "numpy", "dvc", "hydra-core", "pyarrow"}
    run(home, tmp_path, "init", "digits", "--template", "digits")
    project = tmp_path / "digits"
    run(home, project, "build")
    assert (project / "dvc.yaml").exists()
    plan = json.loads(run(home, project, "apply", "--dry-run", "--json"))
    assert plan["ok"] is True
    run(home, project, "build", "--check")


@pytest.mark.slow
def test_every_starter_and_every_explanation_is_there(home: Path, tmp_path: Path) -> None:
    listed = run(home, tmp_path, "init", "--list")
    assert [line.split()[0] for line in listed.splitlines()] == list(STARTERS)
    assert "max_epochs" in run(home, tmp_path, "schema")
    assert run(home, tmp_path, "explain", "out-of-range").startswith("# out-of-range")
