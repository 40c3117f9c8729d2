"""`releases`, `why` and `rollback` as a person calls them; AWS is emulated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlspec.aws import alias
from mlspec.aws.alias import Alias
from mlspec.aws.desired import desired_function
from mlspec.shipping import remote_changes
from mlspec.shipping.provenance import version_provenance
from mlspec.shipping.versions import version_list
from tests.shipping.cloud import Run, Shipped, move_alias, spec


@pytest.fixture
def three(shipped: Callable[..., Shipped]) -> Shipped:
    """A function with three versions, the third live."""
    project = shipped()
    project.push()
    project.deploy()
    for content in ("two", "three"):
        project.image(content)
        project.push()
        project.deploy()
    return project


def listed(mlspec: Run, project: Shipped) -> dict[str, str]:
    code, out, err = mlspec(project, "releases", "--json")
    assert code == 0, err
    return {release["version"]: release["state"] for release in json.loads(out)["releases"]}


def live(project: Shipped) -> Alias:
    result = alias.read(project.target, project.root.name, "live")
    assert result is not None
    return result


def test_releases_are_listed_newest_first_with_what_became_of_them(three: Shipped, mlspec: Run) -> None:
    assert listed(mlspec, three) == {"3": "live", "2": "previous", "1": "older"}
    code, out, _ = mlspec(three, "releases", "--last", "2")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == f"{three.root.name}:live"
    assert lines[1].split()[:2] == ["3", "live"]
    assert lines[2].split()[:2] == ["2", "previous"]
    assert lines[3].strip() == "and 1 older: --last 3"


def test_why_shows_the_origin_and_the_history_of_a_version(three: Shipped, mlspec: Run) -> None:
    code, out, _ = mlspec(three, "why")
    assert code == 0
    assert out.startswith(f"{three.root.name} version 3, live, published 20")
    assert f"  image    {three.release['image']['digest']}" in out
    assert "published" in out.partition("History")[2]
    record = json.loads(mlspec(three, "why", "1", "--json")[1])
    assert (record["version"], record["state"]) == ("1", "older")
    assert record["bundle"].startswith(b"one".hex())
    assert [event["kind"] for event in record["events"]] == ["published", "promoted"]
    code, _, err = mlspec(three, "why", "9")
    assert code == 2
    assert "version not found: 9" in err
    assert "available: 3, 2, 1" in err


def test_why_distinguishes_two_versions_of_one_image(three: Shipped, mlspec: Run) -> None:
    three.spec("deploy: {lambda: {}}", "deploy: {lambda: {memory: 2048, environment: {TOKEN: {env: HOME}, MODE: x}}}")
    three.deploy()
    code, out, _ = mlspec(three, "why", "4", "--against", "3")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"{three.root.name} version 4 against 3"
    assert "  ~ function.memory: 1024 -> 2048" in lines
    assert "  + function.environment: [MODE, TOKEN]" in lines
    assert any(line.startswith("  ~ spec: ") for line in lines)
    assert not any(" image" in line or " bundle" in line for line in lines)
    record = json.loads(mlspec(three, "why", "4", "--against", "3", "--json")[1])
    assert {"sign": "~", "what": "function.memory", "old": 1024, "new": 2048} in record["changes"]
    whole = mlspec(three, "why", "4")[1]
    assert "memory: 2048, timeout: 30" in whole
    assert str(Path.home()) not in whole
    assert "no differences" in mlspec(three, "why", "4", "--against", "4")[1]
    assert mlspec(three, "why", "4", "--against", "7")[0] == 2


def test_an_image_identifies_a_version_that_the_history_lacks(three: Shipped, mlspec: Run) -> None:
    three.target.client("logs").delete_log_group(logGroupName=f"/mlspec/{three.root.name}")
    requested = desired_function(three.target, three.job(), "")
    release = version_list(requested.target, requested.spec).find("2")
    assert release is not None
    result = version_provenance(requested, release).to_json()
    assert result["bundle"].startswith(b"two".hex())
    assert result["commit"] == "a" * 40
    assert result["image"].startswith("sha256:")
    assert listed(mlspec, three) == {"3": "live", "2": "previous", "1": "unreleased"}


def test_rollback_switches_back_and_apply_does_not_undo_it(
    three: Shipped, mlspec: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = mlspec(three, "rollback", CI="")
    assert code == 2
    assert "cannot ask for confirmation" in err
    code, out, err = mlspec(three, "rollback", "--yes", "--why", "it is slow in the shop")
    assert code == 0
    assert "3 -> 2" in out
    assert "all traffic is on version 2" in err
    assert live(three).version == "2"
    assert listed(mlspec, three) == {"3": "rolled-back", "2": "live", "1": "previous"}
    assert "it is slow in the shop" in mlspec(three, "why")[1]
    (only,) = remote_changes.deploy(three.job(), three.artifacts, three.context, three.target)
    assert next(only.lines()).startswith(
        "! lambda alias live: version 3 was rolled back manually to 2, and is not redeployed; "
    )
    assert only.held
    capsys.readouterr()
    three.deploy()
    assert "warning: version 3 was rolled back manually to 2, and is not redeployed" in capsys.readouterr().out
    assert live(three).version == "2"
    assert mlspec(three, "rollback", "3", "--yes")[0] == 0
    assert live(three).version == "3"
    three.deploy()


def test_a_new_version_after_a_rollback_is_deployed(three: Shipped, mlspec: Run) -> None:
    assert mlspec(three, "rollback", "1", "--yes")[0] == 0
    three.image("four")
    three.push()
    three.deploy()
    assert live(three).version == "4"


def test_rollback_of_a_canary_returns_all_traffic_to_the_live_version(three: Shipped, mlspec: Run) -> None:
    move_alias(three, Alias("live", "2", "3", 0.1))
    assert listed(mlspec, three) == {"3": "canary", "2": "canary", "1": "previous"}
    assert " 10 % " in mlspec(three, "releases")[1]
    assert mlspec(three, "rollback", "--yes")[0] == 0
    assert (live(three).version, live(three).other) == ("2", None)


@pytest.mark.parametrize(
    ("requested", "message"),
    [("3", "version 3 is live already"), ("9", "version not found: 9"), ("x", "version not found: x")],
)
def test_a_rollback_to_an_unknown_version_is_refused(three: Shipped, mlspec: Run, requested: str, message: str) -> None:
    code, _, err = mlspec(three, "rollback", requested, "--yes")
    assert code == 4
    assert message in err
    assert live(three).version == "3"


def test_before_the_first_deployment_each_says_so(shipped: Callable[..., Shipped], mlspec: Run) -> None:
    project = shipped()
    assert "no version was released yet" in mlspec(project, "releases")[2]
    assert "no version was released yet" in mlspec(project, "why")[2]
    code, _, err = mlspec(project, "rollback", "--yes")
    assert code == 4
    assert "nothing is deployed yet" in err


def test_where_the_account_cannot_be_read_the_rehearsal_is_suggested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlspec.cli.app import main

    (tmp_path / "mlproject.yaml").write_text(spec("cola"))
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "MLSPEC_TARGET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert main(["releases"]) == 4
    assert "--target local" not in capsys.readouterr().err
    (tmp_path / ".mlspec" / "local").mkdir(parents=True)
    assert main(["why"]) == 4
    assert "--target local" in capsys.readouterr().err
