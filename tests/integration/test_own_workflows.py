"""mlspec's own workflows, its action and its hook: judged by linters, executed by act and by pre-commit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

import mlspec
from mlspec.parts.ci.action_pins import ACTIONS
from tests.conftest import CHECKOUT
from tests.integration.test_github import node_modules, tool
from tests.warm_python import WarmPython
from tests.workflow_runner import Workflows, git, recorded_programs

TAG = {"ref": f"refs/tags/v{mlspec.__version__}"}
NOTHING = "name: stand-in\nruns:\n  using: composite\n  steps:\n    - {shell: bash, run: 'true'}\n"
ATTEST = """\
name: attest
inputs: {subject-path: {required: true}}
runs:
  using: composite
  steps:
    - {shell: bash, env: {SUBJECT: "${{ inputs.subject-path }}"}, run: 'echo "attest" $SUBJECT >> "$CALLS"'}
"""
UV = """\
case "$1" in
  build) PYTHON -c "from hatchling.build import build_sdist, build_wheel; build_wheel('dist'); build_sdist('dist')" ;;
  run) exec MLSPEC "${@:7}" ;;
esac
"""
"""A stand-in of uv: it builds with the same backend, and runs mlspec from this checkout instead of the wheel."""
FILES = ("mlspec", "templates", "specs", ".github", "action.yml", "constraints.txt", "pyproject.toml", "README.md",
         "CHANGELOG.md", "LICENSE")  # fmt: skip


def used_actions(root: Path) -> dict[str, str]:
    """The actions of the workflows that generated ones do not use, each with a stand-in."""
    uses = {
        step["uses"]
        for file in (root / ".github" / "workflows").glob("*.yaml")
        for job in yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].values()
        for step in job["steps"]
        if "uses" in step and not step["uses"].startswith("./")
    }
    other = {action for action in uses if action.partition("@")[0] not in ACTIONS or "attest" in action}
    return {action: ATTEST if action.startswith("actions/attest@") else NOTHING for action in other}


@pytest.fixture
def checkout_copy(tmp_path: Path, warm: WarmPython) -> Workflows:
    """What a release is made of, in a repository of its own."""
    root, folder = tmp_path / "mlspec", tmp_path / "run"
    for name in FILES:
        source, target = CHECKOUT / name, root / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    with (root / "CHANGELOG.md").open("a", encoding="utf-8") as changes:
        changes.write(f"\n## {mlspec.__version__}\n\nFirst release.\n")
    uv = UV.replace("PYTHON", sys.executable).replace("MLSPEC", str(warm.bin / "mlspec"))
    recorded_programs(folder / "bin", {"uv": uv, "make": ""})
    return Workflows(root, folder, {"RUNNER_TEMP": str(tmp_path)}, used_actions(root))


@pytest.mark.slow
def test_a_tag_is_built_tried_signed_and_published(checkout_copy: Workflows) -> None:
    checkout_copy.commit()
    result = checkout_copy.run(".github/workflows/release.yaml", "push", **TAG)
    assert result.jobs == {"build": "success", "publish": "success", "docs": "success"}, result
    assert all(outcome == "success" for steps in result.steps.values() for outcome in steps.values())
    names = {f"mlspec-{mlspec.__version__}-py3-none-any.whl", f"mlspec-{mlspec.__version__}.tar.gz"}
    assert {Path(name).name for name in checkout_copy.kept()} == names
    (wheel,) = (checkout_copy.folder / "kept" / "dist").rglob("*.whl")
    assert "mlspec/_templates/dvc/dvc.yaml.j2" in zipfile.ZipFile(wheel).namelist()
    calls = [call for call in checkout_copy.calls if not call.startswith("uv run")]
    dist = sorted(f"dist/{name}" for name in names)
    assert calls == [
        "uv build",
        f"attest {' '.join(dist)}",
        "uv publish --trusted-publishing always",
        f"gh release create v{mlspec.__version__} --verify-tag --generate-notes {' '.join(dist)}",
        "make docs-release PYTHON=python",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ref", "changes", "message"),
    [
        ("refs/tags/v9.9.9", "", "the tag is v9.9.9, and mlspec/__init__.py has the version"),
        (TAG["ref"], "# Changes\n", "CHANGELOG.md has no section for"),
    ],
)
def test_a_tag_that_is_not_the_version_is_not_published(
    checkout_copy: Workflows, ref: str, changes: str, message: str
) -> None:
    if changes:
        (checkout_copy.root / "CHANGELOG.md").write_text(changes, encoding="utf-8")
    checkout_copy.commit()
    result = checkout_copy.run(".github/workflows/release.yaml", "push", ref=ref)
    assert result.code == 1
    assert set(result.jobs) == {"build"}
    assert any(message in annotation for annotation in result.annotations), result
    assert checkout_copy.calls == []


@pytest.mark.slow
def test_a_pull_request_is_linted_and_tested_on_each_python(checkout_copy: Workflows) -> None:
    checkout_copy.commit()
    result = checkout_copy.run(".github/workflows/test.yaml", "pull_request")
    assert result.code == 0, result
    assert sorted(checkout_copy.calls) == [
        "make docs",
        "make lint",
        *3 * ['make test PYTHON=python ARGS=-n auto -m "not slow"'],
    ]


@pytest.mark.slow
def test_the_action_installs_its_own_version_and_runs_a_command(checkout_copy: Workflows) -> None:
    workflow = checkout_copy.root / ".github" / "workflows" / "use.yaml"
    workflow.write_text(
        "on: push\njobs:\n  check:\n    runs-on: ubuntu-24.04\n    steps:\n"
        f"      - uses: actions/checkout@{ACTIONS['actions/checkout'][0]}\n      - uses: ./\n"
        "      - uses: ./\n        with: {command: 'apply --yes --until train', extras: 'train,s3'}\n",
        encoding="utf-8",
    )
    checkout_copy.commit()
    result = checkout_copy.run(".github/workflows/use.yaml", "push")
    assert result.code == 0, result
    assert [call for call in checkout_copy.calls if call.startswith("mlspec")] == [
        "mlspec build --check",
        "mlspec apply --yes --until train",
    ]
    lines = (checkout_copy.folder / "calls").read_text(encoding="utf-8").splitlines()
    first, second = (line for line in lines if line.startswith("pip install"))
    *_, constraints, itself = first.split()
    assert constraints == f"{itself}/constraints.txt"
    assert second == f"{first}[train,s3]"


@pytest.mark.node
def test_linters_have_nothing_to_say() -> None:
    files = sorted((CHECKOUT / ".github" / "workflows").glob("*.yaml"))
    program = node_modules() / "@tktco" / "node-actionlint" / "bin" / "node-actionlint.js"
    pattern = CHECKOUT / ".github" / "workflows" / "*.yaml"
    done = subprocess.run(["node", str(program), str(pattern)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert f"Checking {len(files)} workflow file(s)" in done.stdout
    command = [
        tool("zizmor"),
        "--offline",
        "--no-progress",
        "--persona",
        "pedantic",
        *map(str, files),
        str(CHECKOUT / "action.yml"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_hook_of_pre_commit_finds_an_edited_file(tmp_path: Path, warm: WarmPython) -> None:
    manifest = CHECKOUT / ".pre-commit-hooks.yaml"
    subprocess.run([tool("pre-commit"), "validate-manifest", str(manifest)], check=True)
    (hook,) = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    entry = hook["entry"].replace("mlspec", str(warm.bin / "mlspec"), 1)
    # The same hook, but from this checkout: what pre-commit would install is the wheel, which has a test of its own.
    config = {"repos": [{"repo": "local", "hooks": [hook | {"language": "system", "entry": entry}]}]}
    subprocess.run([warm.bin / "mlspec", "init", "digits", "--template", "digits"], cwd=tmp_path, check=True)
    digits = tmp_path / "digits"
    git(digits, "init", "-q")
    subprocess.run([warm.bin / "mlspec", "build"], cwd=digits, check=True, capture_output=True)
    (digits / ".pre-commit-config.yaml").write_text(json.dumps(config), encoding="utf-8")
    git(digits, "add", ".")
    command = [tool("pre-commit"), "run", "--all-files"]
    home = {"HOME": str(tmp_path), "PRE_COMMIT_HOME": str(tmp_path / "hooks"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=digits, env=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    with (digits / "dvc.yaml").open("a", encoding="utf-8") as file:
        file.write("# edited\n")
    done = subprocess.run(command, cwd=digits, env=home, capture_output=True, text=True)
    assert done.returncode == 1
    assert "dvc.yaml" in done.stdout


@pytest.mark.slow
def test_the_documentation_has_versions(tmp_path: Path) -> None:
    for name in ("docs", "mkdocs.yml"):
        source = CHECKOUT / name
        shutil.copytree(source, tmp_path / name) if source.is_dir() else shutil.copy(source, tmp_path / name)
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "config", "user.name", "A")
    git(tmp_path, "config", "user.email", "a@example.org")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "docs")
    done = subprocess.run(
        [tool("mike"), "deploy", "--update-aliases", "0.1.0", "latest"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    versions = json.loads(git(tmp_path, "show", "gh-pages:versions.json"))
    assert versions == [{"version": "0.1.0", "title": "0.1.0", "aliases": ["latest"]}]
    assert "howto/costs.html" in git(tmp_path, "ls-tree", "-r", "--name-only", "gh-pages", "0.1.0/")
