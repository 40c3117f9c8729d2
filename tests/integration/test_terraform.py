"""Terraform's own command line and AWS provider, against an emulated AWS: what it creates is what mlspec expects."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlspec.aws import alias
from mlspec.aws.action import Action, lines
from mlspec.aws.function import read_function
from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.parts.terraform import observed, work
from mlspec.records.terraform_outputs import ServiceOutputs
from mlspec.shipping import remote_changes
from tests.parts.terraform.providers import provider_folder
from tests.shipping.cloud import Run, Shipped

Make = Callable[..., Shipped]
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def terraform(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program with the AWS provider that is installed on this machine."""
    monkeypatch.delenv("TF_CLI_CONFIG_FILE", raising=False)
    monkeypatch.setenv("TF_CLI_ARGS_init", f"-plugin-dir={provider_folder()}")


def write_files(project: Shipped) -> None:
    for file in project.files():
        path = project.root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)


EMULATOR = """\
# The emulated Lambda does not report the logging settings of a function.
resource "aws_lambda_function" "this" {
  lifecycle {
    ignore_changes = [image_uri, logging_config]
  }
}
"""


def for_the_emulator(project: Shipped) -> None:
    """A file of the user's own beside the generated ones."""
    write_files(project)
    (project.root / "terraform" / "service" / "emulator_override.tf").write_text(EMULATOR)


def planned(project: Shipped, stage: str) -> list[str]:
    """The lines of the plan of a stage."""
    spec = compile_project(project.root / "mlproject.yaml").project
    observe: dict[str, Callable[..., list[Action]]] = {
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
    write_files(project)
    work.apply(project.job(), "foundation", project.target)
    project.push()
    work.apply(project.job(), "service", project.target)
    project.deploy()


def test_the_life_of_a_function_that_terraform_creates(
    shipped: Make, mlspec: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    project = shipped("{url: true, memory: 512}")
    project.spec("deploy: {lambda:", "deploy: {iac: terraform, lambda:")
    for_the_emulator(project)
    first = planned(project, "service")
    assert "+ terraform module service aws_lambda_alias.this" in first
    assert not list(project.root.glob("terraform/*/.terraform*")), "a plan writes nothing into the modules"
    capsys.readouterr()
    apply(project)
    reported = capsys.readouterr().out.splitlines()
    assert [line for line in first if line not in reported] == [], "what was planned is what is done"
    assert ServiceOutputs.read(project.artifacts).outputs["function_name"] == project.root.name
    assert [planned(project, stage) for stage in ("push", "deploy")] == [[], []]

    project.image("two")
    project.push()
    project.deploy()
    assert live_version(project) == "2"

    project.spec("memory: 512", "memory: 1024")
    assert planned(project, "service") == [
        "~ terraform module service aws_lambda_function.this memory_size: 512 -> 1024"
    ]
    write_files(project)
    work.apply(project.job(), "service", project.target)
    assert "~ lambda alias live version: 2 -> 3" in planned(project, "deploy")
    project.deploy()
    assert live_version(project) == "3"
    assert planned(project, "service") == [], "what a release moved is no difference"

    code, out, err = mlspec(project, "destroy", "--images", "--yes")
    assert (code, err.splitlines()[-1:]) == (0, ["removed: terraform module foundation"]), out + err
    assert "- terraform module service (aws_cloudwatch_log_group.function, " in out
    assert read_function(project.target, project.root.name) is None
    assert not list(project.root.glob(".mlspec/terraform/**/*.tfplan")), "a saved plan may hold secrets"
    assert project.target.client("ecr").describe_repositories()["repositories"] == []


def test_what_mlspec_created_is_taken_over_and_given_back(shipped: Make, mlspec: Run) -> None:
    project = shipped('{url: {type: http-api}, alarms: {error_rate: "> 0.05"}}')
    project.push()
    project.deploy()
    before = live_version(project)
    project.spec("deploy: {lambda:", "deploy: {iac: terraform, lambda:")
    for_the_emulator(project)
    apply(project)
    assert live_version(project) == before
    apis = project.target.client("apigatewayv2").get_apis()["Items"]
    assert [api["Name"] for api in apis] == [project.root.name], "nothing is created twice"
    assert len(project.target.client("cloudwatch").describe_alarms()["MetricAlarms"]) == 1
    assert ServiceOutputs.read(project.artifacts).outputs["url"] == apis[0]["ApiEndpoint"]
    project.spec("deploy: {iac: terraform, lambda:", "deploy: {lambda:")
    assert [planned(project, stage) for stage in ("push", "deploy")] == [[], []]


def test_a_function_of_another_project_is_not_taken_over(shipped: Make) -> None:
    project = shipped()
    project.push()
    project.deploy()
    function = project.target.client("lambda").get_function(FunctionName=project.root.name)["Configuration"]
    project.target.client("lambda").tag_resource(Resource=function["FunctionArn"], Tags={"mlspec:project": "other"})
    project.spec("deploy: {lambda:", "deploy: {iac: terraform, lambda:")
    with pytest.raises(StageError, match="it belongs to the project other"):
        planned(project, "service")
