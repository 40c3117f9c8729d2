"""The recipe "Add a target" of CONTRIBUTING.md, followed in a copy of the package: its code passes, builds and checks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

BLOCK = re.compile(r'^ *```\w+ title="([^"]+)"\n(.*?)\n *```', re.DOTALL | re.MULTILINE)
RECIPE = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\n## Add a target\n")[1].split("\n## ")[0]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with the part of the recipe."""
    root = tmp_path_factory.mktemp("recipe")
    for folder in ("mlspec", "templates"):
        shutil.copytree(CHECKOUT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", "_templates"))
    for path, text in BLOCK.findall(RECIPE):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"{textwrap.dedent(text)}\n", encoding="utf-8")
    parts = root / "mlspec" / "parts" / "all_parts.py"
    entry = re.search(r'OptionalPart\("badge", .*', RECIPE)
    assert entry is not None
    text = parts.read_text(encoding="utf-8").replace("    hydra,\n", f"    {entry[0]}\n    hydra,\n")
    parts.write_text(f"{text}", encoding="utf-8")
    imports = "from mlspec.sections.budget import"
    parts.write_text(text.replace(imports, f"from mlspec.sections.badge import Badge\n{imports}"), encoding="utf-8")
    return root


def built(copy: Path, project: Path, section: str) -> subprocess.CompletedProcess[str]:
    minimal = (CHECKOUT / "specs" / "minimal" / "mlproject.yaml").read_text(encoding="utf-8")
    (project / "mlproject.yaml").write_text(f"{minimal}\n{section}\n", encoding="utf-8")
    command = [sys.executable, "-m", "mlspec", "build"]
    return subprocess.run(
        command, cwd=project, env={**os.environ, "PYTHONPATH": str(copy)}, capture_output=True, text=True
    )


def test_the_part_writes_its_file_and_its_settings(copy: Path, tmp_path: Path) -> None:
    done = built(copy, tmp_path, "badge: {label: sense}")
    assert done.returncode == 0, done.stderr
    name = re.search(r"name: ([\w-]+)", (tmp_path / "mlproject.yaml").read_text(encoding="utf-8"))
    assert name is not None
    badge = (tmp_path / "badge.json").read_text(encoding="utf-8")
    assert badge == f'{{"label": "sense", "message": "{name[1]}"}}\n'
    assert "label: sense  # Text on the left\n" in (tmp_path / "conf/badge/default.yaml").read_text(encoding="utf-8")


def test_its_check_is_located(copy: Path, tmp_path: Path) -> None:
    done = built(copy, tmp_path, 'badge: {label: " "}')
    assert done.returncode == 1
    assert re.search(r"mlproject\.yaml:\d+:16: error\[empty-badge\]: the label of the badge is empty", done.stderr)


def test_its_code_is_as_the_gate_demands(copy: Path) -> None:
    files = [path for path, _ in BLOCK.findall(RECIPE) if path.endswith(".py")]
    assert len(files) >= 3
    for command in ("check", "format --check"):
        words = [sys.executable, "-m", "ruff", *command.split(), "--config", str(CHECKOUT / "pyproject.toml"), *files]
        done = subprocess.run(words, cwd=copy, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
