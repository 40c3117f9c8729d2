"""Push and deploy against an emulated AWS and a real registry: from nothing, again, after a change, after drift."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from mlspec.aws.action import lines
from mlspec.aws.alias_permissions import AliasPermissionProvider
from mlspec.aws.desired import desired_function
from mlspec.aws.policy_document import Statement
from mlspec.errors import StageError
from mlspec.parts.package.prediction_difference import difference
from mlspec.records.bundle_signature import SignatureInput
from mlspec.records.packaged import PackagedImage
from mlspec.shipping import remote_changes, start_rollout, target_choice
from mlspec.shipping.rollout.cloudwatch import CloudWatch
from mlspec.stage_context import StageContext
from tests.packaged import with_inputs
from tests.shipping.cloud import Shipped, watched

Make = Callable[..., Shipped]


def changes(project: Shipped) -> list[str]:
    """What a plan shows."""
    job = project.job()
    results = [
        *remote_changes.push(job, project.artifacts, job.context, project.target),
        *remote_changes.deploy(job, project.artifacts, job.context, project.target),
    ]
    return [line.replace(project.root.name, "NAME") for line in lines(results)]


def statements(project: Shipped) -> Mapping[str, Statement]:
    """The alias's resource policy, by the statements' ids."""
    permissions = AliasPermissionProvider(project.target, "live").read(project.root.name)
    return permissions.statements if permissions else {}


def config(project: Shipped, qualifier: str = "live") -> dict[str, Any]:
    result = project.target.client("lambda").get_function_configuration(
        FunctionName=project.root.name, Qualifier=qualifier
    )
    return dict(result)


def test_from_nothing_and_the_second_time_nothing(shipped: Make) -> None:
    project = shipped("{url: true, memory: 512}")
    assert [line.split(":")[0] for line in changes(project)] == [
        "+ ecr repository NAME",
        "+ ecr repository NAME lifecycle policy",
        "+ ecr repository NAME policy",
        "+ image NAME",
        "+ record artifacts/release.json",
        "+ iam role NAME",
        "+ log group /aws/lambda/NAME",
        "+ log group /mlspec/NAME",
        "+ lambda function NAME",
        "+ release history /mlspec/NAME",
        "+ lambda version of NAME",
        "+ release history /mlspec/NAME events",
        "+ ecr tag keep-(known after apply)",
        "+ lambda alias live",
        "+ function url NAME",
        "~ record artifacts/release.json",
    ]
    project.push()
    project.deploy()
    client, name = project.target.client("lambda"), project.root.name
    assert config(project)["MemorySize"] == 512
    assert config(project)["CodeSha256"] == project.release["image"]["digest"].removeprefix("sha256:")
    url = client.get_function_url_config(FunctionName=name, Qualifier="live")["FunctionUrl"]
    assert project.release["function"] == {"name": name, "version": "1", "alias": "live", "url": url}
    assert project.release["release"]["commit"] == "a" * 40
    calls = watched(project.target)
    assert changes(project) == []
    project.push()
    project.deploy()
    assert calls.changing == []
    assert project.release["function"]["version"] == "1"


def test_a_change_of_the_spec_changes_that_and_publishes(shipped: Make) -> None:
    project = shipped("{memory: 512}")
    project.push()
    project.deploy()
    project.spec("memory: 512", "memory: 1024, timeout: 60")
    shown = [re.sub("sha256:[0-9a-f]{64}", "DIGEST", line) for line in changes(project)]
    assert shown == [
        "~ lambda function NAME MemorySize: 512 -> 1024",
        "~ lambda function NAME Timeout: 30 -> 60",
        "+ lambda version of NAME: (known after apply)",
        "+ release history /mlspec/NAME events: published, started, promoted",
        "+ ecr tag keep-(known after apply): DIGEST",
        "~ lambda alias live version: 1 -> (known after apply)",
        "~ record artifacts/release.json: function, rollout",
    ]
    calls = watched(project.target)
    project.push()
    project.deploy()
    assert [call.partition(":")[2] for call in calls.changing] == [
        "UpdateFunctionConfiguration",
        "PublishVersion",
        "PutImage",
        "UpdateAlias",
    ]
    assert (config(project)["MemorySize"], config(project)["Version"]) == (1024, "2")
    assert config(project, "1")["MemorySize"] == 512
    assert changes(project) == []


def test_a_new_image_is_a_new_version_and_both_are_kept(shipped: Make) -> None:
    project = shipped()
    project.push()
    project.deploy()
    first = project.release["image"]["digest"]
    for content in ("two", "three"):
        project.image(content)
        project.push()
        project.deploy()
    assert config(project)["Version"] == "3"
    images = project.target.client("ecr").describe_images(repositoryName=project.root.name)["imageDetails"]
    kept = {tag: image["imageDigest"] for image in images for tag in image["imageTags"] if tag.startswith("keep-")}
    assert kept.keys() == {"keep-2", "keep-3"}
    assert kept["keep-3"] == project.release["image"]["digest"]
    assert first not in kept.values()
    assert len([tag for image in images for tag in image["imageTags"]]) == 5


@pytest.mark.parametrize(
    ("by_hand", "shown"),
    [
        (
            lambda clients, name: clients("lambda").update_function_configuration(FunctionName=name, MemorySize=3008),
            "~ lambda function NAME MemorySize: 3008 -> 1024",
        ),
        (
            lambda clients, name: clients("lambda").put_function_concurrency(
                FunctionName=name, ReservedConcurrentExecutions=1
            ),
            "- lambda function NAME reserved concurrency: 1",
        ),
        (
            lambda clients, name: clients("logs").put_retention_policy(
                logGroupName=f"/aws/lambda/{name}", retentionInDays=7
            ),
            "~ log group /aws/lambda/NAME retentionInDays: 7 -> 30",
        ),
        (
            lambda clients, name: clients("iam").put_role_policy(
                RoleName=name,
                PolicyName="mlspec",
                PolicyDocument=json.dumps(
                    {
                        "Version": "2012-10-17",
                        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
                    }
                ),
            ),
            "~ iam role NAME rights: [s3:*] -> [logs:CreateLogStream, logs:PutLogEvents]",
        ),
        (
            lambda clients, name: clients("ecr").put_image_tag_mutability(
                repositoryName=name, imageTagMutability="MUTABLE"
            ),
            "~ ecr repository NAME imageTagMutability: MUTABLE -> IMMUTABLE",
        ),
        (
            lambda clients, name: clients("ecr").put_image_scanning_configuration(
                repositoryName=name, imageScanningConfiguration={"scanOnPush": False}
            ),
            "~ ecr repository NAME scanOnPush: False -> True",
        ),
        (
            lambda clients, name: clients("lambda").create_function_url_config(
                FunctionName=name, Qualifier="live", AuthType="NONE"
            ),
            "- function url NAME:live: ",
        ),
    ],
)
def test_manual_changes_are_detected_and_reverted(shipped: Make, by_hand: Any, shown: str) -> None:
    project = shipped()
    project.push()
    project.deploy()
    by_hand(project.target.client, project.root.name)
    assert shown in (changes(project) or [""])[0]
    project.push()
    project.deploy()
    assert changes(project) == []


def test_secrets_are_read_from_the_environment_and_never_shown(
    shipped: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = shipped("{environment: {TOKEN: {env: SERVICE_TOKEN}, LEVEL: info}}")
    project.push()
    with pytest.raises(StageError, match="SERVICE_TOKEN, which is not set"):
        project.deploy()
    monkeypatch.setenv("SERVICE_TOKEN", "hunter2-first")
    project.deploy()
    monkeypatch.setenv("SERVICE_TOKEN", "hunter2-second")
    assert changes(project)[0] == "~ lambda function NAME variable TOKEN"
    project.deploy()
    assert config(project)["Environment"]["Variables"] == {"TOKEN": "hunter2-second", "LEVEL": "info"}
    monkeypatch.delenv("SERVICE_TOKEN")
    assert changes(project) == []
    written = "".join(file.read_text() for file in project.artifacts.glob("*.json"))
    output = capsys.readouterr()
    assert "hunter2" not in written + output.out + output.err


def test_a_variable_that_the_spec_no_longer_names_is_removed(shipped: Make) -> None:
    project = shipped("{environment: {LEVEL: info}}")
    project.push()
    project.deploy()
    project.spec("{environment: {LEVEL: info}}", "{}")
    assert "- lambda function NAME variable LEVEL" in changes(project)
    project.deploy()
    assert "Environment" not in config(project)


def test_a_public_function_url_gets_and_loses_both_permissions(shipped: Make) -> None:
    project = shipped("{url: {auth: none}}")
    project.push()
    project.deploy()
    assert {s.action for s in statements(project).values()} == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
    assert changes(project) == []
    project.spec("auth: none", "auth: iam")
    assert [line[0] for line in changes(project)] == ["~", "-", "-", "~"]
    project.deploy()
    assert statements(project) == {}


def test_resources_of_others_are_not_touched(shipped: Make) -> None:
    project = shipped()
    project.target.client("iam").create_role(RoleName=project.root.name, AssumeRolePolicyDocument="{}")
    project.push()
    with pytest.raises(StageError, match=r"iam role .* exists already: it was not created by mlspec") as failure:
        project.deploy()
    assert "mlspec apply --adopt" in failure.value.help


def test_a_breaking_signature_is_named_and_refused(shipped: Make) -> None:
    project = shipped()
    project.push()
    project.deploy()
    new = with_inputs(SignatureInput(name="text", type="text"))
    project.image("other", new)
    bundle = project.artifacts / "bundle"
    bundle.mkdir()
    new.write_file(bundle / "signature.json")
    assert "~ signature of NAME: breaking, the input `sentence` is called `text` now" in changes(project)
    project.push()
    with pytest.raises(StageError, match="breaks clients of the live one") as failure:
        project.deploy()
    assert "--allow-breaking" in failure.value.help
    assert config(project)["Version"] == "1"
    project.context = StageContext(allow_breaking=True)
    project.deploy()
    assert config(project)["Version"] == "2"


def test_every_call_is_granted_by_the_generated_policies(shipped: Make) -> None:
    project = shipped("{url: {auth: none}, environment: {LEVEL: info}, concurrency: {reserved: 2}}")
    files = {f.path: json.loads(f.text) for f in project.files() if f.path.endswith("-policy.json")}

    def granted(path: str) -> set[str]:
        results = [s["Action"] for s in files[path]["Statement"]]
        return {a for action in results for a in ([action] if isinstance(action, str) else action)}

    calls = watched(project.target)
    project.push()
    created = calls.actions()
    assert created <= granted("ecr/push-policy.json")
    for old, new in (("LEVEL: info", "LEVEL: debug"), ("reserved: 2", "reserved: 3"), ("none}", "iam}")):
        calls.clear()
        project.deploy()
        created |= calls.actions()
        administrator = granted("lambda/role-admin-policy.json")  # the first deployment creates the role
        assert calls.actions() <= granted("lambda/deploy-policy.json") | administrator
        project.spec(old, new)
    assert {"lambda:AddPermission", "lambda:PutFunctionConcurrency", "iam:CreateRole", "ecr:PutImage"} <= created


def test_an_http_api_calls_the_alias(shipped: Make) -> None:
    project = shipped('{url: {type: http-api, cors_origins: ["https://example.org"]}}')
    project.push()
    project.deploy()
    client, name = project.target.client("apigatewayv2"), project.root.name
    (api,) = [api for api in client.get_apis()["Items"] if api["Name"] == name]
    (integration,) = client.get_integrations(ApiId=api["ApiId"])["Items"]
    (route,) = client.get_routes(ApiId=api["ApiId"])["Items"]
    assert integration["IntegrationUri"].endswith(f":function:{name}:live")
    assert (route["RouteKey"], route["AuthorizationType"]) == ("$default", "AWS_IAM")
    assert route["Target"] == f"integrations/{integration['IntegrationId']}"
    assert project.release["function"]["url"] == api["ApiEndpoint"]
    assert f":{api['ApiId']}/*/*" in str(statements(project)["mlspec-api"].condition)
    assert changes(project) == []
    client.delete_route(ApiId=api["ApiId"], RouteId=route["RouteId"])
    project.spec('cors_origins: ["https://example.org"]', "auth: none")
    first, second, _ = changes(project)
    assert first == "+ http api NAME route: NONE"
    assert second.startswith("~ http api NAME CorsConfiguration: ")
    assert second.endswith("MaxAge: 3600} -> {}")
    project.deploy()
    assert changes(project) == []
    project.spec("type: http-api, ", "")
    assert [line.split(":")[0] for line in changes(project)] == [
        "+ function url NAME",
        "+ permission of NAME mlspec-url",
        "+ permission of NAME mlspec-url-invoke",
        "- http api NAME",
        "- permission of NAME mlspec-api",
        "~ record artifacts/release.json",
    ]
    project.deploy()
    assert changes(project) == []
    assert [api for api in client.get_apis()["Items"] if api["Name"] == name] == []


def test_without_what_the_model_is_to_answer_nothing_is_deployed(shipped: Make) -> None:
    project = shipped("{memory: 512}")
    project.push()
    image = PackagedImage.read(project.artifacts)
    untested = image.proof.model_copy(update={"examples": ()})
    image.model_copy(update={"proof": untested}).write(project.artifacts)
    with pytest.raises(StageError, match="has no example predictions to verify against"):
        project.deploy()
    there = project.target.client("lambda").list_functions()["Functions"]
    assert project.root.name not in {function["FunctionName"] for function in there}


def test_a_rollout_counts_the_labels_of_what_was_packed_with_no_bundle_at_hand(shipped: Make) -> None:
    project = shipped("{memory: 512}")
    assert not (project.artifacts / "bundle").exists()
    job = project.job()
    function = desired_function(project.target, job, "").spec
    tests = start_rollout.Tests([], [], difference, 0.0)
    published = start_rollout.Published(job, replace(project.target, kind="aws"), function, "1", tests, list)
    meter = target_choice.instruments(published).meter
    assert isinstance(meter, CloudWatch)
    assert list(meter.labels) == ["no", "yes"]
