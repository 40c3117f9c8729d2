"""Without an extra, a command names what to install: a missing package is no bug."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlspec.cli.missing_package import missing_package
from tests.parts.data.project import write

_BARE = """
import importlib.machinery, sys
ABSENT = {"hydra", "omegaconf", "numpy", "pyarrow", "duckdb", "torch", "boto3", "scipy"}
class Rest(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in ABSENT else super().find_spec(name, path, target)
sys.meta_path[:] = [Rest if finder is importlib.machinery.PathFinder else finder for finder in sys.meta_path]
from mlspec.cli.app import main
sys.exit(main(sys.argv[1:]))
"""
SPEC = """mlspec: 1
project: {name: a}
data: {source: data/a.csv, inputs: {size: number}, target: {column: kind}}
model: {type: tabular}
train:
export: {onnx: {}}
monitor: {drift: {}}
"""


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("run train", "train"),
        ("run train -m", "train"),
        ("monitor", "monitor"),
        ("monitor test", "monitor"),
        ("monitor power", "monitor"),
        ("monitor pull", "monitor"),
        ("labels add x.csv", "monitor"),
        ("releases", "aws"),
    ],
)
def test_commands_name_the_missing_extra(command: str, extra: str, tmp_path: Path) -> None:
    deploy = "package: {docker: {}}\nregistry: {ecr: {repository: shop, region: eu-west-1}}\ndeploy: {lambda: {}}\n"
    write(tmp_path, {"mlproject.yaml": SPEC + deploy, "data/a.csv": "size,kind\n1,a\n"})
    done = subprocess.run(
        [sys.executable, "-c", _BARE, *command.split()], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    watching = command.split()[0] in ("monitor", "labels")
    assert done.returncode == (5 if watching else 4), done.stderr
    assert f"pip install 'mlspec[{extra}]'" in done.stderr


def test_a_module_of_an_installed_package_is_a_bug() -> None:
    assert missing_package(ModuleNotFoundError("x", name="json.gone"), ["run"]) is None
    assert missing_package(ModuleNotFoundError("x", name="mlspec.gone"), ["run"]) is None
    assert missing_package(ImportError("x"), ["run"]) is None


def test_a_plan_says_why_it_does_not_know_what_monitoring_can_see(tmp_path: Path) -> None:
    write(tmp_path, {"mlproject.yaml": SPEC, "data/a.csv": "size,kind\n1,a\n"})
    done = subprocess.run([sys.executable, "-c", _BARE, "plan"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _, _, section = done.stdout.partition("\nMonitoring\n")
    line = (
        "what can be seen at this traffic is not computed: the package numpy is missing; pip install 'mlspec[monitor]'"
    )
    assert section.splitlines()[0].strip() == line
