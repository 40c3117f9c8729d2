from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mlspec.parts.ci import pins
from tests.parts.targets import BASE, EXPORT, LAMBDA, PACKAGE, build, codes, files

FOLDER = ".github/workflows/mlspec-"
REMOTE = BASE.replace("data:\n", "data:\n  remote: s3://my-bucket/dvc\n")


@pytest.mark.parametrize(
    ("github", "code"),
    [
        ("{schedule: '* * * * *'}", "schedule-too-often"),
        ("{schedule: '0 3 * *'}", "bad-schedule"),
        ("{branches: []}", "out-of-range"),
        ("{branches: ['a b']}", "bad-format"),
        ("{train_on: [merge]}", "not-one-of"),
        ("{timeout: 361}", "out-of-range"),
        ("{repository: nothing}", "bad-format"),
        ("{runner: 'x\"y'}", "bad-format"),
    ],
)
def test_faults(github: str, code: str, tmp_path: Path) -> None:
    assert codes(tmp_path, f"ci: {{github: {github}}}\n") == [code]


def test_a_release_workflow_needs_something_to_release(tmp_path: Path) -> None:
    assert {p for p in files(tmp_path, "ci:\n") if p.startswith(".github")} == {
        FOLDER + "test.yaml",
        FOLDER + "train.yaml",
    }
    assert FOLDER + "release.yaml" in files(tmp_path, PACKAGE + "ci:\n")


def test_every_action_is_pinned_by_commit(tmp_path: Path) -> None:
    text = "".join(
        t
        for p, t in files(tmp_path, LAMBDA + "ci: {github: {train_on: [pull_request]}}\n").items()
        if p.startswith(".github")
    )
    used = {line.split("uses: ")[1] for line in text.splitlines() if "uses: " in line}
    assert used <= set(pins.uses().values())
    assert all(len(u.split("@")[1].split(" # v")[0]) == 40 for u in used)


def jobs(folder: Path, name: str, text: str, base: str = BASE) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = yaml.safe_load(files(folder, text, base)[f"{FOLDER}{name}.yaml"])["jobs"]
    return found


def test_only_who_needs_a_role_may_ask_for_one(tmp_path: Path) -> None:
    release = jobs(tmp_path, "release", LAMBDA + "ci:\n")
    assert release["build"]["permissions"] == {"contents": "read"}
    assert release["push"]["permissions"] == {"id-token": "write"}
    assert release["push"]["environment"] == "production"
    assert "id-token" in jobs(tmp_path, "train", "ci:\n", REMOTE)["train"]["permissions"]
    assert jobs(tmp_path, "train", "ci:\n")["train"]["permissions"] == {"contents": "read"}


def test_secrets_reach_only_the_step_that_trains(tmp_path: Path) -> None:
    text = "ci: {github: {train_on: [pull_request]}}\ntrack: {wandb: {project: cola, api_key: {env: MY_WANDB_KEY}}}\n"
    train = files(tmp_path, text)[FOLDER + "train.yaml"]
    assert train.count("${{ secrets.") == train.count("MY_WANDB_KEY: ${{ secrets.MY_WANDB_KEY }}") == 1
    assert "secrets" not in files(tmp_path, text)[FOLDER + "test.yaml"]


def test_no_expression_stands_inside_a_script(tmp_path: Path) -> None:
    made = files(tmp_path, LAMBDA + "ci: {github: {train_on: [pull_request, push]}}\n", REMOTE)
    for path, text in made.items():
        if path.startswith(".github"):
            steps = [s for job in yaml.safe_load(text)["jobs"].values() for s in job["steps"]]
            assert not [s for s in steps if "${{" in s.get("run", "")]


def test_a_project_in_a_subfolder(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "ml" / "cola"
    folder.mkdir(parents=True)
    made = {f.path: f for f in build(folder, PACKAGE + "ci:\n").files if f.part == "ci"}
    assert set(made) == {f".github/workflows/mlspec-cola-{n}.yaml" for n in ("test", "train", "release")}
    assert {f.anchor for f in made.values()} == {"repository"}
    test = yaml.safe_load(made[".github/workflows/mlspec-cola-test.yaml"].text)
    assert test["defaults"]["run"]["working-directory"] == "ml/cola"
    assert test[True]["pull_request"]["paths"] == ["ml/cola/**"]


def test_an_arm_image_is_built_on_arm(tmp_path: Path) -> None:
    release = jobs(tmp_path, "release", EXPORT + "package: {docker: {platform: linux/arm64}}\nci:\n")
    assert release["build"]["runs-on"] == "ubuntu-24.04-arm"
