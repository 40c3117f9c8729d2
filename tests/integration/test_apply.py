"""`mlspec apply` with the real DVC: what it says, what it leaves, and what a kill cannot spoil."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.integration.lines import Line, kill, line, until

pytestmark = pytest.mark.slow
TRAIN = "artifacts/data/train.parquet"


@pytest.fixture
def project(tmp_path: Path) -> Line:
    return line(tmp_path)


def test_it_runs_once_and_then_has_nothing_to_do(project: Line) -> None:
    code, out, err = project.mlspec("apply", "--yes")
    assert code == 0, err
    assert "+ dvc.yaml" in out
    assert "> data  never ran" in out
    assert "1 of 1 stages to run" in out
    assert "data | wrote 32 train, 4 valid, 4 test rows" in err
    assert "1 ran" in err
    assert out.splitlines()[-1] == "report: artifacts/report.html"
    created = (project.root / TRAIN).stat().st_mtime_ns

    code, out, err = project.mlspec("apply", "--yes")
    assert (code, err) == (0, "")
    assert "Nothing to do: all files and 1 stage are up to date." in out
    assert (project.root / TRAIN).stat().st_mtime_ns == created


def test_a_changed_setting_is_shown_with_both_values_and_an_estimate(project: Line) -> None:
    project.mlspec("apply", "--yes")
    spec = project.root / "mlproject.yaml"
    spec.write_text(spec.read_text().replace("  inputs:", "  split: {valid: 0.2}\n  inputs:"))
    plan = project.json("plan")
    assert [f["path"] for f in plan["files"]] == ["conf/data/default.yaml"]
    assert plan["stages"][0]["reason"] == "data.split.valid changed 0.1 → 0.2"
    assert plan["stages"][0]["estimate"] > 0
    _, out, _ = project.mlspec("plan")
    assert "> data  data.split.valid changed 0.1 → 0.2; about " in out
    assert "~ conf/data/default.yaml" in out


def test_it_does_not_go_ahead_unasked(project: Line) -> None:
    before = sorted(project.root.rglob("*.yaml"))
    code, out, err = project.mlspec("apply")
    assert code == 2
    assert "add --yes" in err
    assert "> data  never ran" in out
    assert sorted(project.root.rglob("*.yaml")) == before
    assert project.mlspec("apply", environment={"CI": "1"})[0] == 0


def test_a_saved_plan_is_done_unasked_and_once(project: Line) -> None:
    assert project.mlspec("plan", "--out", "p.json")[0] == 0
    code, _, err = project.mlspec("apply", "p.json")
    assert code == 0, err
    assert "1 ran" in err
    assert project.reasons() == {"data": None}
    code, _, err = project.mlspec("apply", "p.json")
    assert code == 3
    assert "the plan in p.json is out of date" in err


def test_a_dry_run_leaves_no_mark(project: Line) -> None:
    code, out, err = project.mlspec("apply", "--dry-run")
    assert code == 0
    assert "> data  never ran" in out
    assert "nothing was written, and no stage ran" in err
    left = {p.relative_to(project.root).as_posix() for p in project.root.rglob("*") if ".git/" not in str(p)}
    assert left - {".mlspec", ".mlspec/lock", ".mlspec/.gitignore"} == {
        ".git",
        "mlproject.yaml",
        "src",
        "src/rows.py",
        "src/__init__.py",
    }
    document = project.json("apply", "--dry-run")
    assert document["outcomes"][0]["reason"] == "dry run: `mlspec run data`"


def test_json_is_one_document_and_nothing_else(project: Line) -> None:
    document = project.json("apply", "--yes")
    assert document["ok"] is True
    assert document["plan"]["stages"][0]["reason"] == "never ran"
    (outcome,) = document["outcomes"]
    assert (outcome["stage"], outcome["status"], outcome["log"]) == ("data", "ran", ".mlspec/logs/data.log")
    assert document["report"] == "artifacts/report.html"


def test_a_failed_stage_shows_where_and_how_to_resume(project: Line) -> None:
    (project.root / "break").touch()
    code, out, err = project.mlspec("apply", "--yes")
    assert code == 4
    assert "error: data failed: src.rows:load raised ValueError: these rows are no good" in err
    assert "src/rows.py:9 in load" in err
    assert "= log: .mlspec/logs/data.log (mlspec logs data)" in err
    assert "= resume: mlspec apply" in err
    assert "Traceback" not in out + err
    assert "these rows are no good" in project.mlspec("logs", "data")[1]
    _, out, _ = project.mlspec("status")
    assert "the last run failed: src.rows:load raised ValueError" in out
    (project.root / "break").unlink()
    assert project.mlspec("apply", "--yes")[0] == 0
    assert project.reasons() == {"data": None}


def test_a_hand_edited_file_stops_it_before_anything_runs(project: Line) -> None:
    project.mlspec("build")
    (project.root / "dvc.yaml").write_text("stages: {}\n")
    code, _, err = project.mlspec("apply", "--yes")
    assert code == 3
    assert "dvc.yaml: was edited manually" in err
    assert not (project.root / "artifacts").exists()


def test_two_at_once(project: Line) -> None:
    first = project.held("apply", "--yes")
    code, _, err = project.mlspec("apply", "--yes")
    assert code == 3
    assert f"`mlspec apply` (process {first.pid}) is running in this project" in err
    project.let_go()
    first.communicate()
    assert first.returncode == 0


def test_the_second_one_waits_where_it_is_asked_to(project: Line) -> None:
    first = project.held("apply", "--yes")
    second = project.start("apply", "--yes", "--wait")
    assert second.stderr is not None
    assert second.stderr.readline() == f"waiting for `mlspec apply` (process {first.pid})\n"
    project.let_go()
    first.communicate()
    out, _ = second.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert "Nothing to do" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interruption_stops_everything_and_can_be_resumed(project: Line, number: signal.Signals) -> None:
    process = project.held("apply", "--yes")
    below = psutil.Process(process.pid).children(recursive=True)
    assert len(below) >= 2  # DVC and the stage
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "to resume: mlspec apply" in err
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(below, timeout=60)
    assert not alive
    assert "the last run was interrupted: it was stopped" in project.mlspec("status")[1]
    assert "the last run was interrupted" in project.mlspec("plan")[1]
    project.let_go()
    assert project.mlspec("apply", "--yes")[0] == 0
    assert project.reasons() == {"data": None}


def test_a_stage_on_its_own_does_not_write_over_a_run(project: Line) -> None:
    process = project.held("apply", "--yes")
    code, _, err = project.mlspec("run", "data")
    assert code == 3
    assert f"error: `mlspec apply` (process {process.pid}) is running in this project" in err
    assert project.mlspec("run", "data", "--cfg", "job")[0] == 0, "to look at its settings writes nothing"
    project.let_go()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err

    (project.root / "began").unlink()
    process = project.held("run", "data")
    code, _, err = project.mlspec("apply", "--yes")
    assert code == 3
    assert "`mlspec run data`" in err
    project.let_go()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert project.mlspec("run", "data")[0] == 0


MOMENTS = [".mlspec/lock", "mlspec.lock", ".dvc/tmp", "began", TRAIN, "dvc.lock"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_killed_at_any_moment_resumes(project: Line, moment: str) -> None:
    process = project.start("apply", "--yes")
    until((project.root / moment).exists, moment)
    kill(process)
    for output in (project.root / "artifacts").rglob("*"):
        if output.is_file() and not (project.root / "dvc.lock").exists():
            output.write_text("half-wri")
    code, _, err = project.mlspec("apply", "--yes")
    assert code == 0, err
    assert project.reasons() == {"data": None}
    assert json.loads((project.root / "artifacts/data/profile.json").read_text())["splits"]["train"] == 32


def test_a_torn_dvc_lock_does_not_stop_the_next_run(project: Line) -> None:
    project.mlspec("apply", "--yes")
    lock = project.root / "dvc.lock"
    whole = lock.read_text()
    lock.write_text(whole[: len(whole) // 2])
    assert project.reasons() == {"data": "never ran"}
    assert project.mlspec("apply", "--yes")[0] == 0
    assert lock.read_text() == whole


def test_what_is_missing_on_this_machine_is_skipped_with_the_way_to_get_it(project: Line) -> None:
    """Seen from a Python that has none of the packages of the line."""
    code = (
        "import importlib.metadata as m, sys\nfound = m.version\n"
        "def version(name):\n    if name == 'dvc': raise m.PackageNotFoundError(name)\n    return found(name)\n"
        "m.version = version\nfrom mlspec.cli.app import main\nsys.exit(main(sys.argv[1:]))"
    )
    script = project.root / "without_dvc.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script), "apply", "--yes"], cwd=project.root, capture_output=True, text=True
    )
    assert done.returncode == 4, "none could run"
    assert "skipped data: it needs" in done.stderr
    assert "pip install 'mlspec[train]'" in done.stderr


def test_the_commands_that_only_look(project: Line) -> None:
    assert "data" in project.mlspec("graph")[1]
    assert project.mlspec("graph", "--format", "mermaid")[1].startswith("flowchart LR")
    assert project.json("graph")["stages"][0]["after"] == []
    code, _, err = project.mlspec("logs")
    assert (code, "no stage has run yet" in err) == (0, True)
    code, _, err = project.mlspec("logs", "data")
    assert (code, "no log of stage `data`" in err) == (2, True)
    _, out, _ = project.mlspec("status")
    assert "differ from the spec" in out
    assert "stale       never ran" in out
    code, _, err = project.mlspec("plan", "--until", "dat")
    assert (code, "did you mean `data`?" in err) == (2, True)
    project.mlspec("apply", "--yes")
    assert project.json("logs", "data", "-n", "3")["lines"]
    assert "files: up to date" in project.mlspec("status")[1]
    assert not [p for p in project.root.iterdir() if p.name == "multirun"]
