"""`mlspec build` as a person or a CI job uses it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlspec.cli.app import main
from mlspec.workspace.mutex import hold
from mlspec.workspace.roots import find_roots
from tests.warm_python import warm_python
from tests.workspace.trees import snapshot

SPEC = """\
project: {name: cola}
data:
  source: data.csv
  inputs: {sentence: text}
  target: {column: label, type: class, labels: ["no", "yes"]}
model: {type: text-classifier}
train: {max_epochs: 3}
"""
FILE = "conf/train/default.yaml"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cola"
    folder.mkdir()
    (folder / "mlproject.yaml").write_text(SPEC)
    monkeypatch.chdir(folder)
    return folder


def mlspec(project: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [warm_python().python, "-m", "mlspec", *arguments]
    return subprocess.run(command, cwd=project, env={**os.environ, **env}, capture_output=True, text=True)


def epochs(project: Path, count: int) -> None:
    (project / "mlproject.yaml").write_text(SPEC.replace("max_epochs: 3", f"max_epochs: {count}"))


def test_it_writes_says_what_and_has_nothing_to_do_then(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build"]) == 0
    out = capsys.readouterr().out
    assert f"+ {FILE}\n" in out
    assert "max_epochs: 3" in (project / FILE).read_text()
    before = snapshot(project)
    assert main(["build"]) == 0
    assert capsys.readouterr().out.startswith("nothing to do: ")
    assert snapshot(project) == before


def test_a_changed_spec_changes_what_depends_on_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["build"])
    capsys.readouterr()
    epochs(project, 5)
    assert main(["build", "--diff"]) == 0
    out = capsys.readouterr().out
    assert f"~ {FILE}\n" in out
    assert re.search(r"(?m)^-max_epochs: 3 .*\n\+max_epochs: 5 ", out)
    assert "\n+0 ~1 -0, " in out


def test_a_removed_section_removes_its_files(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["build"])
    (project / "mlproject.yaml").write_text(SPEC.replace("train: {max_epochs: 3}\n", ""))
    assert main(["build"]) == 0
    assert f"- {FILE}  (no longer generated)\n" in capsys.readouterr().out
    assert not (project / FILE).parent.exists()


def test_check_writes_nothing_and_its_exit_code_is_the_result(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(project)
    assert main(["build", "--check"]) == 1
    assert f"+ {FILE}\n" in capsys.readouterr().out
    assert snapshot(project) == before
    assert not (project / ".mlspec").exists()
    main(["build"])
    assert main(["build", "--check"]) == 0
    (project / "mlspec.lock").unlink()
    assert main(["build", "--check"]) == 1
    assert "~ mlspec.lock\n" in capsys.readouterr().out


def test_a_hand_edit_is_a_conflict_with_its_diff_and_two_fixes(project: Path) -> None:
    mlspec(project, "build")
    epochs(project, 5)
    (project / FILE).write_text("max_epochs: 99\n")
    before = snapshot(project)
    for arguments in (["build"], ["build", "--check"]):
        done = mlspec(project, *arguments)
        assert (done.returncode, done.stdout) == (3, "")
        assert "-max_epochs: 99\n" in done.stderr
        assert "+max_epochs: 5 " in done.stderr
        assert f"{FILE}: was edited manually" in done.stderr
        assert f"--keep {FILE}" in done.stderr
        assert f"--overwrite {FILE}" in done.stderr
        assert snapshot(project) == before
    assert json.loads(mlspec(project, "build", "--json").stdout)["conflicts"] == [FILE]


def test_keep_and_overwrite_settle_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["build"])
    (project / FILE).write_text("mine\n")
    assert main(["build", "--keep", FILE]) == 0
    epochs(project, 5)
    assert main(["build"]) == 0
    assert "1 kept as you edited it" in capsys.readouterr().out
    assert (project / FILE).read_text() == "mine\n"
    assert main(["build", "--overwrite", str(project / FILE)]) == 0
    assert "max_epochs: 5" in (project / FILE).read_text()


def test_paths_are_relative_to_the_project_or_to_the_current_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["build"])
    for folder, path in ((project / "conf", "train/default.yaml"), (project / "conf", FILE), (project, f"./{FILE}")):
        monkeypatch.chdir(folder)
        (project / FILE).write_text("mine\n")
        assert main(["build"]) == 3
        assert main(["build", "--overwrite", path]) == 0


def test_a_path_of_a_file_that_is_not_generated_is_wrong_usage(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", "--keep", "conf/train/defualt.yaml"]) == 2
    assert f"did you mean `{FILE}`?" in capsys.readouterr().err
    assert main(["build", "--keep", FILE, "--overwrite", FILE]) == 2
    assert "both kept and overwritten" in capsys.readouterr().err
    assert not (project / "conf").exists()


def test_json_is_one_document(project: Path) -> None:
    first = json.loads(mlspec(project, "build", "--json", "--diff").stdout)
    assert (first["ok"], first["changed"]) == (True, True)
    row = next(row for row in first["files"] if row["path"] == FILE)
    assert (row["action"], row["part"]) == ("create", "hydra")
    assert "+max_epochs: 3" in row["diff"]
    again = json.loads(mlspec(project, "build", "--json").stdout)
    assert (again["changed"], again["files"], again["summary"]) == (False, [], "+0 ~0 -0")


def test_a_lock_of_an_earlier_version_is_up_to_date(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has another name of the part that writes Hydra's files."""
    main(["build"])
    lock = project / "mlspec.lock"
    earlier = lock.read_text().replace('"part": "hydra"', '"part": "configure"')
    assert earlier.count("configure") > 2
    lock.write_text(earlier)
    capsys.readouterr()
    assert main(["build", "--check"]) == 0
    assert main(["build"]) == 0
    assert main(["status"]) == 0
    assert "files: up to date" in capsys.readouterr().out
    assert lock.read_text() == earlier
    epochs(project, 5)
    assert main(["build"]) == 0
    assert "configure" not in lock.read_text()


def test_a_wrong_spec_writes_nothing(project: Path) -> None:
    mlspec(project, "build")
    epochs(project, -1)
    before = snapshot(project)
    assert mlspec(project, "build").returncode == 1
    assert snapshot(project) == before


def test_while_another_mlspec_is_at_work(project: Path) -> None:
    with hold(find_roots(project), "mlspec apply"):
        done = mlspec(project, "build", "--no-wait")
        assert done.returncode == 3
        assert f"`mlspec apply` (process {os.getpid()}) is running in this project" in done.stderr
        assert mlspec(project, "build", "--check").returncode == 1


def test_nothing_to_do_needs_no_compiler_and_a_build_no_heavy_package(project: Path) -> None:
    probe = "import sys; from mlspec.cli.app import main; main(['build']); print(*sys.modules)"
    heavy = {"torch", "boto3", "docker", "wandb", "dvc", "elasticsearch", "numpy", "hydra", "omegaconf", "pyarrow"}
    for forbidden in (heavy, heavy | {"pydantic", "jinja2", "yaml", "mlspec.compiler"}):
        done = subprocess.run([sys.executable, "-c", probe], cwd=project, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert not forbidden & set(done.stdout.splitlines()[-1].split())


def test_colour_only_where_a_person_looks(project: Path) -> None:
    assert "\033[" not in mlspec(project, "build", "--check", "--diff").stdout
    mlspec(project, "build")
    epochs(project, 5)
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "CI")} | {"TERM": "xterm"}
    command = [sys.executable, "-m", "mlspec", "build", "--check", "--diff"]
    for extra, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        ours, theirs = pty.openpty()
        subprocess.run(command, cwd=project, env=environment | extra, stdout=theirs, stderr=theirs, check=False)
        assert (b"\033[32m+max_epochs: 5" in os.read(ours, 65536)) is coloured
        os.close(ours), os.close(theirs)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_project_is_an_error_with_a_help(project: Path) -> None:
    project.chmod(0o555)
    done = mlspec(project, "build")
    project.chmod(0o755)
    assert done.returncode == 1
    assert "cannot write the state" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_project_below_a_repositorys_root(project: Path) -> None:
    subprocess.run(["git", "init", "-q", project.parent], check=True)
    (project / "mlproject.yaml").write_text(SPEC + "ci: {github: {}}\n")
    done = mlspec(project, "build")
    assert "+ ../.github/workflows/" in done.stdout
    assert mlspec(project, "build").stdout.startswith("nothing to do")
    tracked = subprocess.run(["git", "status", "--porcelain", "-uall"], cwd=project, capture_output=True, text=True)
    assert ".mlspec" not in tracked.stdout
