"""Every request of Terraform, SAM and osls that changes an account is shown by the plan: resource by resource, or as a stack.

The emulated CloudFormation creates fewer resources than AWS's; which a template creates is judged elsewhere. What is
compared here are the requests of the programs themselves.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

from mlspec.aws.action import Action
from mlspec.compiler import compile_project
from mlspec.parts.sam import stack_preview
from mlspec.parts.sam import work as sam
from mlspec.parts.serverless import service_preview
from mlspec.parts.serverless import work as serverless
from mlspec.parts.terraform import observed
from mlspec.parts.terraform import work as terraform
from mlspec.shipping import remote_changes
from tests.parts.sam.sam_environment import sam_folder
from tests.parts.serverless.packages import osls
from tests.parts.terraform.providers import provider_folder
from tests.shipping.cloud import Calls, Shipped, watched
from tests.shipping.coverage import not_shown
from tests.shipping.recorded_requests import AwsRequest, Recorded, recorded

pytestmark = pytest.mark.slow
SERVICES: Final = ("cloudwatch", "ecr", "iam", "lambda", "logs", "sts", "apigatewayv2", "s3", "cloudformation")
APPLY: Final[Mapping[str, Callable[..., None]]] = {
    "terraform": terraform.apply,
    "sam": sam.deploy,
    "serverless": serverless.apply,
}
PREVIEWS: Final[Mapping[str, tuple[Callable[..., list[Action]], Callable[..., list[Action]]]]] = {
    "terraform": (observed.foundation, observed.service),
    "sam": (stack_preview.foundation, stack_preview.service),
    "serverless": (service_preview.foundation, service_preview.service),
}
FUNCTION: Final = "{url: true, memory: 512, concurrency: {reserved: 2}, alarms: {error_rate: '> 0.05'}}"
CI: Final = "ci: {github: {repository: octo-org/cola}}\n"
TERRAFORM: Final[Mapping[str, tuple[str, ...]]] = {
    "CreateRepository": ("aws_ecr_repository",),
    "PutLifecyclePolicy": ("aws_ecr_lifecycle_policy",),
    "SetRepositoryPolicy": ("aws_ecr_repository_policy",),
    "CreateRole": ("aws_iam_role",),
    "UpdateAssumeRolePolicy": ("aws_iam_role",),
    "PutRolePolicy": ("aws_iam_role_policy",),
    "CreateOpenIDConnectProvider": ("aws_iam_openid_connect_provider",),
    "CreateLogGroup": ("aws_cloudwatch_log_group",),
    "PutRetentionPolicy": ("aws_cloudwatch_log_group",),
    "DeleteRetentionPolicy": ("aws_cloudwatch_log_group",),
    "CreateFunction": ("aws_lambda_function",),
    "PutFunctionConcurrency": ("aws_lambda_function",),
    "UpdateFunctionConfiguration": ("aws_lambda_function",),
    "PublishVersion": ("aws_lambda_function",),
    "CreateAlias": ("aws_lambda_alias",),
    "CreateFunctionUrlConfig": ("aws_lambda_function_url",),
    "PutMetricAlarm": ("aws_cloudwatch_metric_alarm",),
}
"""Types of resources whose change shows a request of the provider."""
STACK: Final = ("CreateChangeSet", "ExecuteChangeSet", "CreateStack", "UpdateStack", "DeleteChangeSet")
"""What deploying a stack sends to CloudFormation; of Serverless also an upload."""


def shows(action: Action, request: AwsRequest) -> bool:
    """Whether a plan with that action shows the request."""
    if action.kind == "terraform-module":
        types = TERRAFORM.get(request.operation, ())
        return any(change.field.split(".")[0].split(" ")[0] in types for change in action.changes)
    if action.kind != "stack":
        return False
    own = re.search(rf"(StackName=|/){re.escape(action.name)}(&|/|-serverlessdeploymentbucke?t?|$)", request.about)
    return bool(own) and (request.operation in STACK or request.service == "s3")


@dataclass
class Watched:
    """A project that a tool deploys; requests of the programs and calls of mlspec itself are recorded."""

    project: Shipped
    tool: str
    seen: Recorded
    calls: Calls

    def plan(self) -> list[Action]:
        """What `mlspec plan` shows of all stages that change something outside the project."""
        project = compile_project(self.project.root / "mlproject.yaml").project
        foundation, service = PREVIEWS[self.tool]
        where = (project, self.project.artifacts, self.project.context, self.project.target)
        observers = (foundation, remote_changes.push, service, remote_changes.deploy)
        return [action for observe in observers for action in observe(*where)]

    def apply(self, actions: Sequence[Action]) -> list[str]:
        """Execute the stages in their order; what they sent and the plan does not show."""
        for file in self.project.files():
            path = self.project.root / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text)
        self.seen.requests.clear()
        self.calls.clear()
        APPLY[self.tool](self.project.job(), "foundation", self.project.target)
        self.project.push()
        APPLY[self.tool](self.project.job(), "service", self.project.target)
        if self.tool == "terraform":  # the emulated CloudFormation creates no alias, of which `deploy` writes a record
            self.project.deploy()
        sent = [request for request in self.seen.changing if not any(shows(action, request) for action in actions)]
        return [*(f"{one.operation} {one.about}" for one in sent), *not_shown(self.calls, actions)]


@pytest.fixture
def deployed(shipped: Callable[..., Shipped], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Watched]]:
    with ExitStack() as stack:

        def make(tool: str) -> Watched:
            programs = {"sam": lambda: sam_folder() / "bin", "serverless": lambda: Path(osls()).parent}
            if tool == "terraform":
                monkeypatch.delenv("TF_CLI_CONFIG_FILE", raising=False)
                monkeypatch.setenv("TF_CLI_ARGS_init", f"-plugin-dir={provider_folder()}")
            else:
                monkeypatch.setenv("PATH", f"{programs[tool]()}{os.pathsep}{os.environ['PATH']}")
            project = shipped(FUNCTION, CI)
            project.spec("deploy: {lambda:", f"deploy: {{iac: {tool}, lambda:")
            endpoint, seen = stack.enter_context(recorded(project.target.endpoint or ""))
            project.target = replace(project.target, endpoint=endpoint)
            return Watched(project, tool, seen, watched(project.target, SERVICES))

        yield make


SENT: Final = {
    "terraform": {"CreateRepository", "CreateRole", "PutRolePolicy", "CreateFunction", "CreateAlias", "PutMetricAlarm"},
    "sam": {"CreateChangeSet", "ExecuteChangeSet"},
    "serverless": {"CreateChangeSet", "ExecuteChangeSet", "PutObject"},
}
"""Some of what each tool must have sent: otherwise nothing was recorded."""


@pytest.mark.parametrize("tool", SENT)
def test_a_plan_of_an_empty_account_shows_every_request(tool: str, deployed: Callable[[str], Watched]) -> None:
    watching = deployed(tool)
    actions = watching.plan()
    assert watching.apply(actions) == []
    assert SENT[tool] <= {request.operation for request in watching.seen.changing}
    less = [action for action in actions if action.kind not in ("stack", "terraform-module")]
    assert all(any(shows(one, request) for one in actions) for request in watching.seen.changing)
    assert not any(shows(one, request) for one in less for request in watching.seen.changing), "the test of the test"
