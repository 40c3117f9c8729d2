from __future__ import annotations

import shutil
from pathlib import Path
from typing import cast

import pytest

from mlspec.errors import SpecError
from mlspec.parts.ci import action_pins
from tests.parts.targets import BASE, EXPORT, IN_GIT, LAMBDA, PACKAGE, REGISTRY, build, codes, files, write
from tests.yaml_text import parsed

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
        ("{env: 'a; b'}", "bad-format"),
        ("{env: staging}", "no-such-environment"),
        ("{mlspec: 'git+https://x.y/z; rm'}", "bad-format"),
        ("{runner: 'x\"y'}", "bad-format"),
    ],
)
def test_faults(github: str, code: str, tmp_path: Path) -> None:
    assert codes(tmp_path, f"train: {{}}\nci: {{github: {github}}}\n", IN_GIT) == [code]


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
    assert used <= set(action_pins.uses().values())
    assert all(len(u.split("@")[1].split(" # v")[0]) == 40 for u in used)


def jobs(folder: Path, name: str, text: str, base: str = BASE) -> dict[str, dict[str, object]]:
    result: dict[str, dict[str, object]] = parsed(files(folder, text, base)[f"{FOLDER}{name}.yaml"])["jobs"]
    return result


def test_only_who_needs_a_role_may_ask_for_one(tmp_path: Path) -> None:
    release = jobs(tmp_path, "release", LAMBDA + "ci:\n")
    assert release["build"]["permissions"] == {"contents": "read"}
    signing = {"contents": "read", "id-token": "write", "attestations": "write"}
    assert release["ship"]["permissions"] == signing
    assert release["ship"]["environment"] == {"name": "production", "url": "${{ steps.releases.outputs.url }}"}
    assert release["rollback"]["permissions"] == {"contents": "read", "id-token": "write"}
    assert release["rollback"]["environment"] == "production"
    never = jobs(tmp_path, "release", LAMBDA + "ci: {github: {attestations: never}}\n")["ship"]
    assert never["permissions"] == {"contents": "read", "id-token": "write"}
    assert "attest" not in str(never["steps"])
    assert "id-token" in jobs(tmp_path, "train", "ci:\n", REMOTE)["train"]["permissions"]
    assert jobs(tmp_path, "train", "ci:\n")["train"]["permissions"] == {"contents": "read"}


def script(job: dict[str, object], name: str) -> dict[str, object]:
    (results,) = [s for s in cast("list[dict[str, object]]", job["steps"]) if s.get("name") == name]
    return results


@pytest.mark.parametrize(
    ("shipped", "name", "requested"),
    [
        (PACKAGE + REGISTRY, "Push", "--only push --yes"),
        (LAMBDA, "Push", "--only push --yes --env prod"),
        (LAMBDA, "Deploy", "--only deploy --yes --env prod"),
        (
            EXPORT + "package: {zip: {}}\ndeploy: {lambda: {region: eu-west-1}}\n",
            "Deploy",
            "--only deploy --yes --env prod",
        ),
    ],
)
def test_a_release_ships_what_the_spec_ships(shipped: str, name: str, requested: str, tmp_path: Path) -> None:
    env = "ci: {github: {env: prod}}\nenvironments: {prod: {}}\n" if "prod" in requested else "ci:\n"
    release = jobs(tmp_path, "release", shipped + env)
    assert script(release["ship"], name)["run"] == f"exec mlspec apply {requested}"
    assert "mlspec[aws]==" in str(script(release["ship"], "Install")["env"])
    assert "requirements.txt" not in str(script(release["ship"], "Install")["run"])


@pytest.mark.parametrize(
    ("chosen", "condition"), [("public", "${{ !github.event.repository.private }}"), ("always", None)]
)
def test_a_release_attests_what_it_pushed_and_verifies_it_before_the_rollout(
    chosen: str, condition: str | None, tmp_path: Path
) -> None:
    ship = jobs(tmp_path, "release", LAMBDA + f"ci: {{github: {{attestations: {chosen}}}}}\n")["ship"]
    names = [str(step.get("name")) for step in cast("list[dict[str, object]]", ship["steps"])]
    order = ["Push", "Attest the origin of the image", "Verify the attestation", "Deploy"]
    assert [name for name in names if name in order] == order
    assert {script(ship, name).get("if") for name in order[1:3]} == {condition}


def test_without_a_place_to_ship_to_a_release_is_only_tried(tmp_path: Path) -> None:
    assert set(jobs(tmp_path, "release", PACKAGE + "ci:\n")) == {"build"}


def test_the_job_that_ships_outlasts_the_rollout(tmp_path: Path) -> None:
    rollout = "{lambda: {}, rollout: {strategy: canary, steps: [10, 50, 100], interval: 20m, patience: 45m}}"
    ship = jobs(tmp_path, "release", LAMBDA.replace("{lambda: {}}", rollout) + "ci:\n")["ship"]
    assert ship["timeout-minutes"] == 30 + 3 * 45
    assert f"'role-duration-seconds': {(30 + 3 * 45) * 60}" in str(ship["steps"])
    assert "role-duration" not in str(jobs(tmp_path, "release", LAMBDA + "ci:\n")["ship"])


def test_a_zip_has_a_role_for_its_release_too(tmp_path: Path) -> None:
    generated = files(tmp_path, EXPORT + "package: {zip: {}}\ndeploy: {lambda: {region: eu-west-1}}\nci:\n")
    assert "repo:${GITHUB_REPOSITORY}:environment:production" in generated["lambda/github-trust.json"]
    assert "lambda/github-trust.json" in generated[FOLDER + "release.yaml"]
    assert "lambda/github-trust.json" not in files(tmp_path, LAMBDA + "ci:\n")


def test_the_functions_own_secrets_reach_only_the_step_that_deploys(tmp_path: Path) -> None:
    text = LAMBDA.replace("{lambda: {}}", "{lambda: {environment: {KEY: {env: THE_KEY}}}}") + "ci:\n"
    release = jobs(tmp_path, "release", text)
    assert cast("dict[str, str]", script(release["ship"], "Deploy")["env"])["THE_KEY"] == "${{ secrets.THE_KEY }}"
    assert str(release).count("THE_KEY") == 2


def test_serverless_releases_by_its_own_stage_and_needs_no_secret_in_the_workflow(tmp_path: Path) -> None:
    function = "{iac: serverless, lambda: {environment: {KEY: {env: THE_KEY}}}}"
    release = jobs(tmp_path, "release", LAMBDA.replace("{lambda: {}}", function) + "ci:\n")
    assert "--only serverless-service --only deploy" in str(script(release["ship"], "Deploy")["run"])
    install = script(release["ship"], "Install the Serverless Framework")["run"]
    assert "npm ci --prefix serverless --ignore-scripts" in str(install)
    assert "npm install --global --ignore-scripts osls@4.3.1" in str(install), "without a lock, with a warning"
    assert "THE_KEY" not in str(release)


def test_secrets_reach_only_the_step_that_trains(tmp_path: Path) -> None:
    wandb = "{wandb: {project: cola, mode: online, api_key: {env: MY_WANDB_KEY}}}"
    text = f"ci: {{github: {{train_on: [pull_request]}}}}\ntrack: {wandb}\n"
    train = files(tmp_path, text)[FOLDER + "train.yaml"]
    assert train.count("${{ secrets.") == train.count("MY_WANDB_KEY: ${{ secrets.MY_WANDB_KEY }}") == 1
    assert "secrets" not in files(tmp_path, text)[FOLDER + "test.yaml"]


SHORT = "Check the data and train two steps"


def test_a_short_training_runs_without_a_section_of_tests(tmp_path: Path) -> None:
    test = files(tmp_path, EXPORT + "ci:\n", IN_GIT)[FOLDER + "test.yaml"]
    job = parsed(test)["jobs"]["test"]
    commands = str(script(job, SHORT)["run"]).splitlines()
    assert commands == ["mlspec run data", "mlspec run train train.max_steps=2", "mlspec run export"]
    assert "pytest" not in str(job["steps"])
    assert "so it runs no tests" in test
    assert codes(tmp_path, EXPORT + "ci:\n", IN_GIT) == []


@pytest.mark.parametrize(
    ("text", "base", "reason"),
    [("train: {}\n", BASE, "the raw data is not in git"), ("", BASE, "it has no model to train")],
)
def test_a_test_workflow_that_tests_nothing_says_so(text: str, base: str, reason: str, tmp_path: Path) -> None:
    built = build(tmp_path, text + "ci:\n", base)
    (warning,) = built.warnings
    assert (warning.code, warning.severity) == ("nothing-tested", "warning")
    assert warning.span is not None
    assert warning.source[warning.span.column - 1 : warning.span.end - 1] == "ci"
    assert reason in warning.message
    (test,) = (file.text for file in built.files if file.path == FOLDER + "test.yaml")
    head = " ".join(test.split("\nname:")[0].replace("#", " ").split())
    assert f"It tests nothing: the spec has no section `test`, and {reason}." in head
    assert "no test ran" not in head
    assert SHORT not in test


def test_data_in_git_is_checked_where_no_model_is_trained(tmp_path: Path) -> None:
    built = build(tmp_path, "ci:\n", IN_GIT)
    assert built.warnings == ()
    (text,) = (file.text for file in built.files if file.path == FOLDER + "test.yaml")
    head = " ".join(text.split("\nname:")[0].replace("#", " ").split())
    assert "and checks the data." in head
    assert "so it runs no tests" in head
    job = parsed(text)["jobs"]["test"]
    assert str(script(job, "Check the data")["run"]).strip() == "mlspec run data"


@pytest.mark.parametrize(("tests", "base"), [("test:\n", BASE), ("test:\n", IN_GIT)], ids=["dvc", "git"])
def test_the_head_of_the_test_workflow_says_what_it_does(tests: str, base: str, tmp_path: Path) -> None:
    text = files(tmp_path, EXPORT + tests + "ci:\n", base)[FOLDER + "test.yaml"]
    head = text.split("\nname:")[0]
    assert ("trains two steps" in head) == (SHORT in text) == (base == IN_GIT)
    assert "no test ran" in head


def test_a_short_run_signs_nothing(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "model.pem").write_text("")
    sign = "sign: {key: {private: {env: MODEL_SIGNING_KEY}, public: keys/model.pem}}"
    text = EXPORT.replace("{onnx: {}}", f"{{onnx: {{}}, {sign}}}") + "test:\nci:\n"
    test = jobs(tmp_path, "test", text, IN_GIT)["test"]
    assert str(script(test, SHORT)["run"]).splitlines() == ["mlspec run data", "mlspec run train train.max_steps=2"]


IDENTITY = "https://github.com/octo-org/cola/.github/workflows/mlspec-train.yaml@refs/heads/main"
ISSUER = "https://token.actions.githubusercontent.com"
ON_S3 = IN_GIT.replace("data:\n", "data:\n  remote: s3://my-bucket/dvc\n  collected: data/collected\n")


def keyless(text: str, identity: str = IDENTITY, issuer: str = ISSUER) -> str:
    sign = f"sign: {{keyless: {{identity: '{identity}', issuer: '{issuer}'}}}}"
    return text.replace("export: {onnx: {}}", f"export: {{onnx: {{}}, {sign}}}")


@pytest.mark.parametrize(
    ("base", "why"),
    [
        (IN_GIT, "to sign the bundle with Sigstore"),
        (ON_S3, "to assume the role for the DVC remote, and to sign the bundle with Sigstore"),
    ],
    ids=["git", "s3"],
)
def test_the_training_may_sign_without_a_key(base: str, why: str, tmp_path: Path) -> None:
    text = files(tmp_path, keyless(EXPORT) + "ci:\n", base)[FOLDER + "train.yaml"]
    train = parsed(text)["jobs"]["train"]
    assert train["permissions"] == {"contents": "read", "id-token": "write"}
    assert f"id-token: write # {why}\n" in text
    assert "PIP_EXTRA_INDEX_URL" not in text, "any package on it could sign"
    key = jobs(tmp_path, "train", EXPORT + "ci:\n", IN_GIT)["train"]
    assert key["permissions"] == {"contents": "read"}


@pytest.mark.parametrize(
    ("text", "base", "place"),
    [
        (keyless(PACKAGE) + "ci:\n", IN_GIT, "keyless"),
        (keyless(LAMBDA) + "ci:\nmonitor: {on_drift: retrain}\n", ON_S3, "retrain"),
        (keyless(EXPORT) + "ci: {github: {train_on: [dispatch, pull_request]}}\n", IN_GIT, "pull_request"),
        (keyless(EXPORT) + "ci: {github: {train_on: [push], branches: [main, 'release/*']}}\n", IN_GIT, "'release/*'"),
        (keyless(EXPORT) + "ci: {github: {train_on: [data], branches: [master]}}\n", IN_GIT, "master"),
        (keyless(EXPORT, issuer="https://accounts.google.com") + "ci:\n", IN_GIT, "'https://accounts.google.com'"),
        (keyless(EXPORT, IDENTITY.replace("train.yaml", "release.yaml")) + "ci:\n", IN_GIT, "'https://github"),
        (keyless(EXPORT, IDENTITY.replace("heads/main", "tags/v1")) + "ci:\n", IN_GIT, "'https://github"),
        (keyless(EXPORT) + "ci: {github: {repository: octo-org/other}}\n", IN_GIT, "'https://github"),
    ],
    ids=[
        "a release",
        "a retraining",
        "a pull request",
        "another branch",
        "a branch for data",
        "the issuer",
        "the file",
        "a tag",
        "the repository",
    ],
)
def test_an_export_under_another_identity_is_refused(text: str, base: str, place: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        build(tmp_path, text, base)
    (finding,) = (each for each in caught.value.diagnostics if each.severity == "error")
    assert finding.code == "conflicting-options"
    assert finding.span is not None
    assert finding.source[finding.span.column - 1 :].startswith(place)
    assert "export.sign.key" in finding.help


def test_pushes_to_the_branch_that_signs_train(tmp_path: Path) -> None:
    for more in ("train_on: [push]", "train_on: [dispatch], branches: [main, 'release/*']"):
        assert build(tmp_path, keyless(EXPORT) + f"ci: {{github: {{{more}}}}}\n", IN_GIT).files


def test_a_model_on_a_remote_is_released_with_the_signature_of_its_training(tmp_path: Path) -> None:
    release = jobs(tmp_path, "release", keyless(PACKAGE) + "ci: {github: {repository: octo-org/cola}}\n", ON_S3)
    assert "mlspec apply --until image" in str(release["build"]["steps"])


def test_a_signed_bundle_is_signed_where_it_is_exported_and_verified_where_it_is_deployed(tmp_path: Path) -> None:
    sign = "sign: {key: {private: {env: MODEL_SIGNING_KEY}, public: keys/model.pem}}"
    text = LAMBDA.replace("export: {onnx: {}}", f"export: {{onnx: {{}}, {sign}}}") + "ci: {github: {}}\n"
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "model.pem").write_text("")
    generated = files(tmp_path, text)
    train, release = generated[FOLDER + "train.yaml"], generated[FOLDER + "release.yaml"]
    assert "MODEL_SIGNING_KEY: ${{ secrets.MODEL_SIGNING_KEY }}" in train
    assert "PACKAGES: mlspec[train,sign]" in train
    assert "PACKAGES: mlspec[aws,sign]" in release


def test_no_expression_is_inside_a_script(tmp_path: Path) -> None:
    generated = files(tmp_path, LAMBDA + "ci: {github: {train_on: [pull_request, push]}}\n", REMOTE)
    for path, text in generated.items():
        if path.startswith(".github"):
            steps = [s for job in parsed(text)["jobs"].values() for s in job["steps"]]
            assert not [s for s in steps if "${{" in s.get("run", "")]


def test_a_project_in_a_subfolder(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "ml" / "cola"
    folder.mkdir(parents=True)
    created = {f.path: f for f in build(folder, PACKAGE + "ci:\n").files if f.part == "ci"}
    assert set(created) == {f".github/workflows/mlspec-cola-{n}.yaml" for n in ("test", "train", "release")}
    assert {f.anchor for f in created.values()} == {"repository"}
    test = parsed(created[".github/workflows/mlspec-cola-test.yaml"].text)
    assert test["defaults"]["run"]["working-directory"] == "ml/cola"
    assert test[True]["pull_request"]["paths"] == ["ml/cola/**", ".github/workflows/mlspec-cola-test.yaml"]


def test_an_arm_image_is_built_on_arm(tmp_path: Path) -> None:
    release = jobs(tmp_path, "release", EXPORT + "package: {docker: {platform: linux/arm64}}\nci:\n")
    assert release["build"]["runs-on"] == "ubuntu-24.04-arm"


def test_mlspec_may_come_from_elsewhere_than_the_index(tmp_path: Path) -> None:
    source = "git+https://github.com/octo-org/mlspec@v0.1.0"
    generated = files(tmp_path, f"ci: {{github: {{mlspec: {source!r}}}}}\n")
    assert generated
    for path, text in generated.items():
        if ".github" in path:
            assert f"mlspec[train] @ {source}" in text
            assert "mlspec[train]==" not in text


@pytest.mark.parametrize(
    "remote", ["gs://b/dvc", "azure://c/dvc", "ssh://host/dvc", "hdfs://h/dvc", "../dvc", "/mnt/dvc"]
)
def test_a_remote_that_the_runners_cannot_reach_is_refused(remote: str, tmp_path: Path) -> None:
    base = IN_GIT.replace("data:\n", f"data:\n  remote: {remote}\n")
    with pytest.raises(SpecError) as caught:
        build(tmp_path, "train: {}\nci:\n", base)
    (finding,) = caught.value.diagnostics
    assert (finding.code, finding.span is not None) == ("conflicting-options", True)
    assert remote in finding.message
    assert "s3://" in finding.help
    assert codes(tmp_path, "", base) == []
    assert codes(tmp_path, "train: {}\nci: {github: {runner: our-own}}\n", base) == []


def test_a_copied_project_does_not_take_the_workflows_of_the_first(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    one, two, moved = tmp_path / "ml" / "one", tmp_path / "ml" / "two", tmp_path / "moved"
    one.mkdir(parents=True)
    write(one, PACKAGE + "ci:\n", IN_GIT, root=tmp_path)
    shutil.copytree(one, two)
    with pytest.raises(SpecError) as caught:
        build(two, PACKAGE + "ci:\n", IN_GIT)
    (finding,) = caught.value.diagnostics
    assert finding.code == "shared-workflow"
    assert "'ml/one' and 'ml/two'" in finding.message
    assert codes(two, PACKAGE + "ci:\n", IN_GIT.replace("name: cola", "name: mood")) == []
    shutil.rmtree(two)
    assert codes(one, PACKAGE + "ci:\n", IN_GIT) == []
    one.rename(moved)
    assert codes(moved, PACKAGE + "ci:\n", IN_GIT) == []
