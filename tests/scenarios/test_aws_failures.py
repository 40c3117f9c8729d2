"""What goes wrong on the way, each thing once: dropped connections, throttling, credentials that end, two at once."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from mlspec.aws import alias
from mlspec.aws.alias import Alias
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import DEPLOY, aws_errors
from mlspec.aws.function_state import settled
from mlspec.aws.waiting import until
from mlspec.docker.client import Docker
from mlspec.docker.image_upload import upload
from mlspec.docker.registry_client import RegistryClient
from mlspec.errors import StageError
from tests.shipping.cloud import REGISTRY, Shipped, move_alias, watched
from tests.shipping.weather import answers, proxy

Make = Callable[..., Shipped]
UPDATING = (
    409,
    "ResourceConflictException",
    "The operation cannot be performed at this time. An update is in progress",
)
THROTTLED = (429, "TooManyRequestsException", "Rate exceeded")
EXPIRED = (403, "ExpiredTokenException", "The security token included in the request is expired")


def test_a_push_that_is_dropped_at_its_end_is_tried_again(shipped: Make, capsys: pytest.CaptureFixture[str]) -> None:
    project = shipped()
    with proxy(5000, b"PUT /v2/" + project.root.name.encode() + b"/manifests/", drops=1) as broken:
        project.target = replace(project.target, registry=broken.host)
        project.push()
        assert broken.dropped == 1
    assert "push interrupted" in capsys.readouterr().out
    assert project.release["image"]["digest"].startswith("sha256:")


@pytest.mark.slow
def test_a_layer_that_is_dropped_halfway(shipped: Make) -> None:
    """Docker itself sends it again, after five seconds."""
    project = shipped()
    project.image(os.urandom(200_000).hex())
    with proxy(5000, b"PATCH /v2/", drops=1) as broken:
        project.target = replace(project.target, registry=broken.host)
        project.push()
        assert broken.dropped == 1


def test_a_registry_that_drops_a_read_is_asked_again(shipped: Make) -> None:
    project = shipped()
    project.push()
    name, tag, pauses = project.root.name, project.release["image"]["tag"], list[float]()
    with proxy(5000, b"/manifests/", drops=2) as broken:
        result = RegistryClient(broken.host, pause=pauses.append).manifest(name, tag)
    assert result is not None
    assert result.digest == project.release["image"]["digest"]
    assert len(pauses) == 2
    with proxy(5000, b"/manifests/", drops=99) as broken, pytest.raises(StageError, match="cannot be reached"):
        RegistryClient(broken.host, pause=pauses.append).manifest(name, tag)


def client(folder: Path, *errors: str) -> Path:
    """A docker that fails with each of these in turn, and then does what it is asked."""
    script = folder / "docker"
    lines = "".join(f"{n}) echo '{text}' >&2; exit 1;;\n" for n, text in enumerate(errors))
    script.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {folder}/calls\n'
        f'[ "$1" = login ] && cat >> {folder}/passwords\n'
        f'[ "$1" = push ] || exit 0\n'
        f"n=$(cat {folder}/count 2>/dev/null || echo 0); echo $((n + 1)) > {folder}/count\n"
        f"case $n in\n{lines}esac\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def pushed(folder: Path, *errors: str) -> tuple[list[str], list[float]]:
    pauses: list[float] = []
    docker = Docker(str(client(folder, *errors)), pause=pauses.append)
    passwords = iter(f"secret{n}\n" for n in range(9))
    upload(docker, "cola", "registry.test/cola:one", lambda: next(passwords), lambda line: None)
    return (folder / "calls").read_text().splitlines(), pauses


def test_a_token_that_ends_during_the_push_is_replaced(tmp_path: Path) -> None:
    calls, pauses = pushed(tmp_path, "denied: Your authorization token has expired. Reauthenticate and try again.")
    assert [call.split()[0] for call in calls] == ["login", "tag", "push", "login", "push", "image"]
    assert (tmp_path / "passwords").read_text() == "secret0\nsecret1\n"
    assert "secret" not in "".join(calls)
    assert len(pauses) == 1


def test_a_push_is_not_tried_for_ever(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="dropped on each attempt"):
        pushed(tmp_path, *["error: write tcp: connection reset by peer"] * 9)
    assert (tmp_path / "count").read_text() == "4\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tag invalid: The image tag one already exists in the repository and cannot be overwritten because the "
         "repository is immutable.", "with another content"),
        ("name unknown: The repository with name cola does not exist", "the repository does not exist"),
        ("denied: User: ada is not authorized to perform: ecr:InitiateLayerUpload", "does not accept the push"),
        ("something new", "cannot push registry.test/cola:one: something new"),
    ],
)  # fmt: skip
def test_a_push_that_cannot_succeed_is_not_tried_again(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=message):
        pushed(tmp_path, text)
    assert (tmp_path / "count").read_text() == "1\n"


def test_the_users_docker_logins_are_not_touched(
    shipped: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "docker-config"
    own.mkdir()
    (own / "config.json").write_text('{"auths": {"mine": {}}, "credsStore": "absent"}')
    monkeypatch.setenv("DOCKER_CONFIG", str(own))
    project = shipped()
    project.push()
    assert (own / "config.json").read_text() == '{"auths": {"mine": {}}, "credsStore": "absent"}'
    assert list(project.job().scratch.iterdir()) == []


def test_the_image_that_was_tried_is_pushed_whatever_its_tag_means_by_now(shipped: Make) -> None:
    """As after another project of that name, or a person, has built an image under the same tag."""
    project = shipped()
    record = (project.artifacts / "image.json").read_text()
    project.image("two")
    (project.artifacts / "image.json").write_text(record)
    project.push()
    tag = project.release["image"]["tag"]
    result = RegistryClient(REGISTRY).manifest(project.root.name, tag)
    assert result is not None
    assert json.loads(record)["id"] in (result.config, result.digest)


def test_an_image_that_was_removed_is_not_pushed(shipped: Make) -> None:
    project = shipped()
    project.image(project.root.name)  # no other project's
    id = json.loads((project.artifacts / "image.json").read_text())["id"]
    subprocess.run([project.docker, "image", "rm", "--force", id], check=True, capture_output=True)
    with pytest.raises(StageError, match=f"image not found in Docker: mlspec-test-.* .{id}.") as caught:
        project.push()
    assert caught.value.help == "mlspec apply --force image"


def test_throttled_calls_are_repeated(shipped: Make) -> None:
    project = shipped()
    project.push()
    refused = answers(project.target.client("lambda"), "CreateFunction", THROTTLED)
    project.deploy()
    assert len(refused) == 1
    assert project.release["function"]["version"] == "1"


def test_a_role_that_lambda_does_not_know_yet_is_waited_for(shipped: Make) -> None:
    project = shipped()
    project.push()
    message = "The role defined for the function cannot be assumed by Lambda."
    refused = answers(
        project.target.client("lambda"), "CreateFunction", (400, "InvalidParameterValueException", message)
    )
    project.deploy()
    assert len(refused) == 1


def test_credentials_that_end_between_two_calls_and_the_apply_after(shipped: Make) -> None:
    project = shipped()
    project.push()
    answers(project.target.client("lambda"), "PublishVersion", EXPIRED)
    with pytest.raises(StageError, match="credentials have expired"):
        project.deploy()
    calls = watched(project.target)
    project.deploy()
    assert [c.partition(":")[2] for c in calls.changing] == ["PublishVersion", "PutImage", "CreateAlias"]


def test_credentials_that_can_be_renewed_are_renewed(
    moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that gives them for a short time is asked again, by the client that already has some."""
    count = tmp_path / "count"
    program = tmp_path / "credentials"
    program.write_text(
        f"#!/bin/sh\necho . >> {count}\n"
        'end=$(date -u -d "+5 seconds" +%Y-%m-%dT%H:%M:%SZ)\n'
        'echo "{\\"Version\\": 1, \\"AccessKeyId\\": \\"k\\", \\"SecretAccessKey\\": \\"s\\", '
        '\\"SessionToken\\": \\"t\\", \\"Expiration\\": \\"$end\\"}"\n'
    )
    program.chmod(0o700)
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    client = AwsTarget("aws", "eu-west-1", moto).client("sts")
    client.get_caller_identity()
    first = len(count.read_text().split())
    client.get_caller_identity()
    assert len(count.read_text().split()) > first


def test_without_credentials_one_sentence(moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(StageError, match="no AWS credentials found"), aws_errors(DEPLOY):
        AwsTarget("aws", "eu-west-1", moto).client("sts").get_caller_identity()


@pytest.mark.parametrize(
    "refusal", [(412, "PreconditionFailedException", "The Revision Id provided does not match"), UPDATING]
)
def test_an_alias_that_another_process_has_moved_meanwhile(shipped: Make, refusal: tuple[int, str, str]) -> None:
    project = shipped()
    project.push()
    project.deploy()
    answers(project.target.client("lambda"), "UpdateAlias", refusal)
    with pytest.raises(StageError, match=r"the alias live of .* was changed by another process"):
        move_alias(project, Alias("live", "1", "1", 0.5, revision="stale"))


def test_an_alias_is_read_back_unchanged(shipped: Make) -> None:
    project = shipped()
    project.push()
    project.deploy()
    project.image("two")
    project.push()
    project.deploy()
    name = project.root.name
    split = move_alias(project, Alias("live", "1", "2", 0.25, "canary"))
    assert replace(split, revision="") == Alias("live", "1", "2", 0.25, "canary")
    whole = move_alias(project, Alias("live", "2"))
    assert alias.read(project.target, name, "live") == whole
    assert (whole.version, whole.other, whole.weight) == ("2", None, 0.0)
    assert alias.read(project.target, name, "other") is None
    assert alias.read(project.target, "nobody", "live") is None


def test_a_function_in_the_making_is_waited_for(target: AwsTarget) -> None:
    lambda_ = target.client("lambda")
    with Stubber(lambda_) as stub:
        for state in ({"State": "Pending"}, {"State": "Active", "LastUpdateStatus": "InProgress"}, {"State": "Active"}):
            stub.add_response("get_function_configuration", state, {"FunctionName": "cola"})
        assert settled(target, "cola").state == "Active"
    with Stubber(lambda_) as stub:
        failed = {"State": "Failed", "StateReasonCode": "ImageAccessDenied", "StateReason": "no"}
        stub.add_response("get_function_configuration", failed, {"FunctionName": "cola"})
        with pytest.raises(StageError, match="may not pull its image"):
            settled(target, "cola")
    with Stubber(lambda_) as stub:
        failed = {"State": "Active", "LastUpdateStatus": "Failed", "LastUpdateStatusReasonCode": "InvalidImage"}
        stub.add_response("get_function_configuration", failed, {"FunctionName": "cola"})
        with pytest.raises(StageError, match="does not support its image"):
            settled(target, "cola")


def test_waiting_has_an_end() -> None:
    now, pauses = [0.0], list[float]()

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    with pytest.raises(StageError, match="timed out after 60 s waiting for the moon"):
        until(lambda: None, "the moon", seconds=60, pause=pause, clock=lambda: now[0])
    assert pauses == sorted(pauses)
    assert max(pauses) == 5.0
    assert sum(pauses) <= 60


def test_an_index_of_images_is_refused(shipped: Make) -> None:
    project = shipped()
    project.push()
    import urllib.request

    digest, name = project.release["image"]["digest"], project.root.name
    kind = "application/vnd.oci.image.index.v1+json"
    manifest = RegistryClient("127.0.0.1:5000").manifest(name, digest)
    assert manifest is not None
    entry = {"mediaType": manifest.media_type, "digest": digest, "size": len(manifest.text)}
    index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [entry]}).encode()
    url = f"http://127.0.0.1:5000/v2/{name}/manifests/index"
    request = urllib.request.Request(url, index, {"Content-Type": kind}, method="PUT")
    urllib.request.urlopen(request, timeout=60).close()
    with pytest.raises(StageError, match="is an index of images"):
        RegistryClient("127.0.0.1:5000").manifest(name, "index")


def test_another_change_under_way_is_waited_for(shipped: Make) -> None:
    project = shipped("{memory: 512}")
    project.push()
    project.deploy()
    project.spec("512", "1024")
    refused = answers(project.target.client("lambda"), "UpdateFunctionConfiguration", UPDATING)
    project.deploy()
    assert len(refused) == 1
    assert project.release["function"]["version"] == "2"


def test_a_function_that_another_process_changes_meanwhile(shipped: Make) -> None:
    project = shipped("{memory: 512}")
    project.push()
    project.deploy()
    project.spec("512", "1024")
    stale = (412, "PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id")
    answers(project.target.client("lambda"), "PublishVersion", stale)
    with pytest.raises(StageError, match="another process is changing the same resource"):
        project.deploy()
    project.deploy()
    assert project.release["function"]["version"] == "2"


def test_another_account_than_the_spec_names_is_refused(shipped: Make) -> None:
    project = shipped()
    project.spec("region: eu-west-1}}", 'region: eu-west-1, account: "210987654321"}}')
    with pytest.raises(StageError, match="are for the AWS account 123456789012, and the spec names 210987654321"):
        project.push()


def test_variables_that_are_too_long_together(shipped: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    project = shipped("{environment: {TOKEN: {env: SERVICE_TOKEN}}}")
    project.push()
    monkeypatch.setenv("SERVICE_TOKEN", "x" * 4092)
    with pytest.raises(StageError, match="take 4097 bytes, and Lambda allows 4096"):
        project.deploy()


def test_the_next_apply_resumes_after_a_kill_at_any_call(shipped: Make) -> None:
    """The process ends before each changing call in turn, as if it were killed there."""
    project = shipped("{url: {auth: none}}")
    project.push()
    kills = ["CreateRole", "PutRolePolicy", "CreateLogGroup", "PutRetentionPolicy", "CreateFunction", "PublishVersion",
             "PutImage", "CreateAlias", "CreateFunctionUrlConfig", "AddPermission"]  # fmt: skip
    services = {"Role": "iam", "Log": "logs", "Retention": "logs", "Image": "ecr"}
    left: list[str] = []

    def killed(model: Any, **_: Any) -> None:
        if left and model.name == left[0]:
            left.pop(0)
            raise KeyboardInterrupt

    for name in kills:
        service = next((s for word, s in services.items() if word in name), "lambda")
        project.target.client(service).meta.events.register(f"before-call.*.{name}", killed)
    for name in kills:
        left[:] = [name]
        with pytest.raises(KeyboardInterrupt):
            project.deploy()
    project.deploy()
    assert project.release["function"]["version"] == "1"
    calls = watched(project.target)
    project.deploy()
    assert calls.changing == []
