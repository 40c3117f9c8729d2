"""A DVC project of toy stages, each a shell command that stands where `mlspec run NAME` would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlspec.parts.dvc import part
from mlspec.plan.stage import Output, Stage
from mlspec.render.quoting import hydra, yaml
from mlspec.render.renderer import render
from mlspec.sections.data import DataSpec, Target
from mlspec.source.project_context import ProjectContext
from mlspec.spec.project import Project
from tests.warm_python import warm_python

FIRST = Stage(
    "first", "Make one thing of ${another}", "toy", ("raw",), (Output("out/first"),), ("alpha", "beta.rate", "absent")
)
SECOND = Stage(
    "second",
    "Then the next",
    "toy",
    ("out/first", "src"),
    (
        Output("out/second.json", "metric", cache=False),
        Output("out/folder"),
        Output("out/curve.csv", cache=False, curves={"Loss": ("train/loss", "valid/loss"), "f1 ${x}": ("valid/f1",)}),
        Output("artifacts/bundle"),
        Output("out/matrix.csv", "plot", cache=False, plot={"x": "actual", "y": "predicted", "template": "confusion"}),
    ),
    ("beta",),
)
STAGES = (FIRST, SECOND)
VALUES: dict[str, Any] = {
    "alpha": {"text": "${x} on 1e5", "list": [1, 2], "none": None, "deep": {"er": 1.5}},
    "beta": {"rate": 3e-5, "big": 1e22, "flag": True, "on": "on"},
}
IGNORED = "*.pyc\n/src/gen/\n!src/keep.pyc\n"
MLSPEC = """#!{python}
import pathlib, sys
out = pathlib.Path("out"); out.mkdir(exist_ok=True)
if sys.argv[2] == "first":
    out.joinpath("first").write_text("made of " + pathlib.Path("raw/a.txt").read_text())
else:
    score = pathlib.Path("conf/beta/default.yaml").read_text().count("\\n")
    out.joinpath("second.json").write_text('{{"score": %d}}' % score)
    out.joinpath("curve.csv").write_text("epoch,train/loss,valid/loss,valid/f1\\n0,2,3,0\\n1,1,2,1\\n")
    bundle = pathlib.Path("artifacts/bundle"); bundle.mkdir(parents=True, exist_ok=True)
    bundle.joinpath("model.onnx").write_text("weights")
    out.joinpath("matrix.csv").write_text("actual,predicted\\na,a\\nb,a\\n")
    out.joinpath("folder").mkdir(exist_ok=True)
    for name in "ab": out.joinpath("folder", name).write_text(name)
"""


@dataclass
class Toys:
    """A folder with such a project in it."""

    root: Path

    def write(self, values: Mapping[str, Any], *, git: bool = True, remote: str | None = None) -> dict[str, str]:
        """Render the DVC files and `conf/` of `values`; gives what was written."""
        target = Target(column="y", type="number")
        data = DataSpec(source="raw/a.txt", inputs={"x": "number"}, target=target, remote=remote)
        project = Project({"data": data}, ProjectContext(git=git), values=values)
        files = {file.path: file.text for file in render(part.artifacts(project, STAGES), {})}
        files |= {f"conf/{name}/default.yaml": yaml(hydra(section)) + "\n" for name, section in values.items()}
        files[".dvcignore"] += IGNORED
        for path, text in files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text, encoding="utf-8")
        return files

    def dvc(self, *words: str, check: bool = True) -> str:
        """Run DVC; its output."""
        path = os.pathsep.join([str(self.root / "bin"), os.environ["PATH"]])
        command = [warm_python().python, "-m", "dvc", *words]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, env={**os.environ, "PATH": path})
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def git(self, *words: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        command = ["git", *identity, *words]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout


def toys(root: Path) -> Toys:
    """A project that has run once."""
    for name, text in {"raw/a.txt": "a", "raw/sub/b.txt": "b", "raw/sub/c.pyc": "c", "src/m.py": "x = 1\n"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    script = root / "bin" / "mlspec"
    script.parent.mkdir()
    script.write_text(MLSPEC.format(python=sys.executable))
    script.chmod(0o755)
    project = Toys(root)
    project.git("init", "-q")
    project.write(VALUES)
    return project
