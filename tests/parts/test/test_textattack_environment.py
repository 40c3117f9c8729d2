"""The environment of TextAttack: the command that creates it, and what is wrong with one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlspec.parts.test.textattack_environment import PACKAGES, VERSION, folder, install, problem
from tests.conftest import CHECKOUT


@pytest.mark.parametrize(
    ("python", "place"),
    [
        (".mlspec/textattack/bin/python", ".mlspec/textattack"),
        ("/opt/attack/bin/python3.11", "/opt/attack"),
        ("/usr/bin/python3", ""),
        ("tools/attack.py", ""),
    ],
)
def test_the_folder_of_a_python(python: str, place: str) -> None:
    assert folder(python) == place


def test_the_command_that_creates_it() -> None:
    packages = " ".join(PACKAGES)
    assert install("my env/bin/python") == f"python3 -m venv 'my env' && 'my env/bin/pip' install {packages}"
    assert install("/usr/bin/python3") == f"/usr/bin/python3 -m pip install {packages}"


def test_it_is_missing_or_has_no_textattack_or_another_one(tmp_path: Path) -> None:
    assert problem(tmp_path, "env/bin/python") == "env/bin/python does not exist"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
    assert problem(tmp_path, "env/bin/python") == "TextAttack is not installed in the environment of env/bin/python"
    stated = next((tmp_path / "env").glob("lib/python*/site-packages")) / "textattack-0.3.10.dist-info"
    stated.mkdir()
    (stated / "METADATA").write_text("Metadata-Version: 2.1\nName: textattack\nVersion: 0.3.10\n")
    assert (
        problem(tmp_path, "env/bin/python") == f"the environment of env/bin/python has TextAttack 0.3.10, not {VERSION}"
    )
    (stated / "METADATA").write_text(f"Metadata-Version: 2.1\nName: textattack\nVersion: {VERSION}\n")
    assert problem(tmp_path, "env/bin/python") == ""
    (tmp_path / "python").write_text("")
    assert problem(tmp_path, "python") == "python cannot be run: PermissionError"


def test_the_tests_and_the_page_use_these_releases() -> None:
    run = (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8")
    assert " ".join(f'"{package}"' for package in PACKAGES) in run
    assert " ".join(PACKAGES) in (CHECKOUT / "docs" / "howto" / "tests.md").read_text(encoding="utf-8")
    constraints = (CHECKOUT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert {p for p in PACKAGES if p.startswith(("torch", "scikit-learn"))} <= set(constraints)
