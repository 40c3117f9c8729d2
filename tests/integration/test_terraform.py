"""Terraform's own command line and AWS provider, against an emulated AWS: what it creates is what mlspec expects."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from mlspec.aws import alias
from mlspec.aws.action import Action, lines
from mlspec.aws.function import read_function
from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.parts.bucket import work as bucket_work
from mlspec.parts.terraform import observed, work
from mlspec.records.terraform_outputs import ServiceOutputs
from mlspec.shipping import bucket_changes, remote_changes
from tests.conftest import CHECKOUT
from tests.parts.terraform.providers import provider_folder, running_provider
from tests.shipping.cloud import Run, Shipped
from tests.shipping.foundation import create_release_role
from tests.shipping.shown_requests import CI, FUNCTION, Watch

Make = Callable[..., Shipped]
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def terraform(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program with the AWS provider that is installed on this machine."""
    monkeypatch.delenv("TF_CLI_CONFIG_FILE", raising=False)
    monkeypatch.setenv("TF_CLI_ARGS_init", f"-plugin-dir={provider_folder()}")


@pytest.fixture
def attached(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Shipped], None]]:
    """Let the provider run through a whole test, for the account of a project."""
    with ExitStack() as stack:

        def attach(project: Shipped) -> None:
            running = stack.enter_context(running_provider(project.target.environ))
            monkeypatch.setenv("TF_REATTACH_PROVIDERS", running)

        yield attach


BUCKET = "bucket: {name: team-models}\n"
EMULATOR = """\
# The emulated Lambda does not report the logging settings of a function.
resource "aws_lambda_function" "this" {{
  lifecycle {{
    ignore_changes = [{ignored}, logging_config]
  }}
}}
"""


EMULATED_BACKEND = """
endpoints                   = {{ s3 = "{address}" }}
use_path_style              = true
skip_credentials_validation = true
skip_requesting_account_id  = true
"""


def for_the_emulator(project: Shipped) -> None:
    """A file of the user's own beside the generated ones; it ignores what they ignore, and one setting more."""
    project.write_files()
    service = project.root / "terraform" / "service"
    _, _, function = (service / "function.tf").read_text().partition('resource "aws_lambda_function" "this" {')
    ignored = function.partition("ignore_changes = [")[2].partition("]")[0]
    (service / "emulator_override.tf").write_text(EMULATOR.format(ignored=ignored))


def planned(project: Shipped, stage: str) -> list[str]:
    """The lines of the plan of a stage."""
    spec = compile_project(project.root / "mlproject.yaml").project
    observe: dict[str, Callable[..., list[Action]]] = {
        "bucket": bucket_changes.bucket,
        "foundation": observed.foundation,
        "service": observed.service,
        "push": remote_changes.push,
        "deploy": remote_changes.deploy,
    }
    return lines(observe[stage](spec, project.artifacts, project.context, project.target))


def live_version(project: Shipped) -> str | None:
    live = alias.read(project.target, project.root.name, "live")
    return live.version if live else None


def apply(project: Shipped) -> None:
    """All four stages, in the order of the pipeline."""
    project.write_files()
    work.apply(project.job(), "foundation", project.target)
    project.push()
    work.apply(project.job(), "service", project.target)
    project.deploy()


def test_the_life_of_a_function_that_terraform_creates(
    shipped: Make, mlspec: Run, attached: Callable[[Shipped], None], watch: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = shipped(FUNCTION, CI + BUCKET)
    project.spec("deploy: {lambda:", "deploy: {iac: terraform, lambda:")
    for_the_emulator(project)
    watched = watch(project, (observed.foundation, observed.service), work.apply)
    attached(project)
    first = watched.plan()
    assert "+ terraform module service aws_lambda_alias.this" in lines(first)
    assert not list(project.root.glob("terraform/*/.terraform*")), "a plan writes nothing into the modules"
    capsys.readouterr()
    watched.execute()
    assert watched.not_shown(first) == [], "what was planned is what is done"
    reported = capsys.readouterr().out.splitlines()
    assert [
        line for one in first if one.kind == "terraform-module" for line in one.lines() if line not in reported
    ] == []
    changed = {request.operation for request in watched.seen.changing}
    assert {"CreateRepository", "CreateRole", "PutRolePolicy", "CreateFunction", "CreateAlias"} <= changed
    without = [action for action in first if action.kind != "terraform-module"]
    assert len(watched.not_shown(without)) >= len(watched.seen.changing), "the test of the test"
    assert ServiceOutputs.read(project.artifacts).outputs["function_name"] == project.root.name
    assert [planned(project, stage) for stage in ("bucket", "push", "deploy")] == [[], [], []]

    project.image("two")
    project.push()
    project.deploy()
    assert live_version(project) == "2"

    project.spec("memory: 512", "memory: 1024")
    project.write_files()
    capsys.readouterr()
    work.apply(project.job(), "service", project.target)
    assert capsys.readouterr().out.splitlines() == [
        "~ terraform module service aws_lambda_function.this memory_size: 512 -> 1024"
    ]
    assert "~ lambda alias live version: 2 -> 3" in planned(project, "deploy")
    project.deploy()
    assert live_version(project) == "3"
    assert planned(project, "service") == [], "what a release moved is no difference"

    code, out, err = mlspec(project, "destroy", "--images", "--yes")
    removed = ["removed: terraform module foundation", "removed: s3 bucket team-models"]
    assert (code, err.splitlines()[-2:]) == (0, removed), out + err
    assert "- terraform module service (aws_cloudwatch_log_group.function, " in out
    assert read_function(project.target, project.root.name) is None
    assert not list(project.root.glob(".mlspec/terraform/**/*.tfplan")), "a saved plan may hold secrets"
    assert project.target.client("ecr").describe_repositories()["repositories"] == []


def test_the_state_is_in_the_bucket_that_the_file_of_the_backend_names(
    shipped: Make, mlspec: Run, attached: Callable[[Shipped], None]
) -> None:
    project = shipped(FUNCTION, CI)
    project.spec("deploy: {lambda:", "deploy: {iac: terraform, terraform: {backend: s3}, lambda:")
    for_the_emulator(project)
    attached(project)
    with pytest.raises(StageError, match=r"backend\.hcl"):
        work.apply(project.job(), "foundation", project.target)

    guide = (CHECKOUT / "docs" / "targets" / "terraform.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"`terraform/backend\.hcl`.*?```hcl\n(.*?)```", guide, re.DOTALL)
    (bucket,) = re.findall(r'bucket *= *"(.*)"', shown)
    address = project.target.client("s3").meta.endpoint_url
    (project.root / "terraform" / "backend.hcl").write_text(shown + EMULATED_BACKEND.format(address=address))
    storage = project.target.client("s3")
    storage.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    apply(project)
    name = project.root.name
    keys = [one["Key"] for one in storage.list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == [f"mlspec/{name}/{name}/{module}.tfstate" for module in ("foundation", "service")]
    state = json.load(storage.get_object(Bucket=bucket, Key=keys[1])["Body"])
    assert "aws_lambda_alias" in {one["type"] for one in state["resources"]}
    assert not list(project.root.glob("terraform/*/*.tfstate"))
    assert [planned(project, stage) for stage in ("foundation", "service")] == [[], []]
    code, out, err = mlspec(project, "destroy", "--images", "--yes")
    assert code == 0, out + err
    assert [json.load(storage.get_object(Bucket=bucket, Key=key)["Body"])["resources"] for key in keys] == [[], []]


def test_what_mlspec_created_is_taken_over_and_given_back(
    shipped: Make, mlspec: Run, attached: Callable[[Shipped], None]
) -> None:
    project = shipped('{url: {type: http-api}, alarms: {error_rate: "> 0.05"}}', CI + BUCKET)
    bucket_work.ship(project.job(), project.target)
    project.push()
    project.deploy()
    create_release_role(project.target, project.root.name)
    before = live_version(project)
    project.spec("deploy: {lambda:", "deploy: {iac: terraform, lambda:")
    for_the_emulator(project)
    attached(project)
    apply(project)
    assert live_version(project) == before
    apis = project.target.client("apigatewayv2").get_apis()["Items"]
    assert [api["Name"] for api in apis] == [project.root.name], "nothing is created twice"
    assert len(project.target.client("cloudwatch").describe_alarms()["MetricAlarms"]) == 1
    iam = project.target.client("iam")
    assert len(iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]) == 1
    trust = iam.get_role(RoleName=f"{project.root.name}-release")["Role"]["AssumeRolePolicyDocument"]
    assert "token.actions.githubusercontent.com" in str(trust), "what was taken over is as the spec describes it"
    assert ServiceOutputs.read(project.artifacts).outputs["url"] == apis[0]["ApiEndpoint"]
    code, out, err = mlspec(project, "destroy", "--keep-resources", "--yes")
    forgotten = [line for line in err.splitlines() if line.startswith("removed")]
    modules = [f"removed: terraform module {name}" for name in ("service", "foundation")]
    assert (code, forgotten) == (0, modules), out + err
    states = [json.loads(file.read_text()) for file in project.root.glob("terraform/*/*.tfstate")]
    assert [state["resources"] for state in states] == [[], []]
    project.spec("deploy: {iac: terraform, lambda:", "deploy: {lambda:")
    assert [planned(project, stage) for stage in ("bucket", "push", "deploy")] == [[], [], []]


def test_a_function_of_another_project_is_not_taken_over(shipped: Make) -> None:
    project = shipped()
    project.push()
    project.deploy()
    function = project.target.client("lambda").get_function(FunctionName=project.root.name)["Configuration"]
    project.target.client("lambda").tag_resource(Resource=function["FunctionArn"], Tags={"mlspec:project": "other"})
    project.spec("deploy: {lambda:", "deploy: {iac: terraform, lambda:")
    with pytest.raises(StageError, match="it belongs to the project other"):
        planned(project, "service")
