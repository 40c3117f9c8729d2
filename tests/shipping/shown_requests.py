"""A project that a delivery tool deploys through a proxy: what the tool and mlspec send, held against the plan before.

Afterwards the account is compared with what mlspec itself would create.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from mlspec.aws.action import Action, lines
from mlspec.aws.aws_target import AwsTarget
from mlspec.compiler import compile_project
from mlspec.sections.package import Package
from mlspec.shipping import remote_changes
from tests.shipping.cloud import Calls, Shipped, watched
from tests.shipping.coverage import not_shown
from tests.shipping.recorded_requests import AwsRequest, Recorded, recorded

Observe = Callable[..., list[Action]]
Apply = Callable[..., None]
SERVICES: Final = ("cloudwatch", "ecr", "iam", "lambda", "logs", "sts", "apigatewayv2", "s3", "cloudformation")
FUNCTION: Final = "{url: true, memory: 512, concurrency: {reserved: 2}, alarms: {error_rate: '> 0.05'}}"
BUCKET: Final = "bucket: {name: team-models}\n"
CI: Final = "ci: {github: {repository: octo-org/cola}}\n"
_TERRAFORM: Final[Mapping[str, tuple[str, ...]]] = {
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
    "CreateBucket": ("aws_s3_bucket",),
    "PutBucketTagging": ("aws_s3_bucket",),
    "PutBucketVersioning": ("aws_s3_bucket_versioning",),
    "PutBucketEncryption": ("aws_s3_bucket_server_side_encryption_configuration",),
    "PutBucketOwnershipControls": ("aws_s3_bucket_ownership_controls",),
    "PutPublicAccessBlock": ("aws_s3_bucket_public_access_block",),
    "PutBucketPolicy": ("aws_s3_bucket_policy",),
    "PutBucketLifecycle": ("aws_s3_bucket_lifecycle_configuration",),
}
"""Types of resources whose change shows a request of the provider."""
_STACK: Final = ("CreateChangeSet", "ExecuteChangeSet", "CreateStack", "UpdateStack", "DeleteChangeSet")
"""What deploying a stack sends to CloudFormation; of Serverless also an upload."""


def shows(action: Action, request: AwsRequest) -> bool:
    """Whether a plan with that action shows the request of a tool."""
    if action.kind == "terraform-module":
        types = _TERRAFORM.get(request.operation, ())
        return any(change.field.split(".")[0].split(" ")[0] in types for change in action.changes)
    if action.kind != "stack":
        return False
    own = re.search(rf"(StackName=|/){re.escape(action.name)}(&|/|-serverlessdeploymentbucke?t?|$)", request.about)
    return bool(own) and (request.operation in _STACK or request.service == "s3")


class Unstacked(AwsTarget):
    """An account whose stacks are not found: CloudFormation is asked in another region."""

    def client(self, service: str) -> Any:
        """As of any other account."""
        if service != "cloudformation":
            return super().client(service)
        return AwsTarget(self.kind, "us-east-1", self.endpoint, self.registry, self.credentials).client(service)


@dataclass
class Watched:
    """A project that a tool deploys; requests of the programs and calls of mlspec itself are recorded."""

    project: Shipped
    preview: tuple[Observe, Observe]
    """What a plan shows of the foundation, and of the service."""
    apply: Apply
    """Deploys one of them."""
    seen: Recorded
    calls: Calls

    @property
    def _ships_image(self) -> bool:
        """A zip needs neither a foundation nor a push."""
        return self.project.job().need(Package).zip is None

    def plan(self) -> list[Action]:
        """What `mlspec plan` shows of all stages that change something outside the project."""
        foundation, service = self.preview
        image = (foundation, remote_changes.push) if self._ships_image else ()
        return self._observed((*image, service, remote_changes.deploy), "mlproject.yaml", self.project.target)

    def _observed(self, observers: Sequence[Observe], spec: str, target: AwsTarget) -> list[Action]:
        where = (
            compile_project(self.project.root / spec).project,
            self.project.artifacts,
            self.project.context,
            target,
        )
        return [action for observe in observers for action in observe(*where)]

    def execute(self) -> None:
        """The stages in their order."""
        self.seen.requests.clear()
        self.calls.clear()
        if self._ships_image:
            self.apply(self.project.job(), "foundation", self.project.target)
            self.project.push()
        self.apply(self.project.job(), "service", self.project.target)
        self.project.deploy()

    def direct_plan(self) -> list[str]:
        """What mlspec would change if it were to deploy the project itself, as the stacks have left the account. It
        changes no function that is in a stack, so these stacks are hidden from it."""
        text = (self.project.root / "mlproject.yaml").read_text()
        (self.project.root / "direct.yaml").write_text(re.sub(r"deploy: \{iac: \w+, ", "deploy: {", text))
        known = self.project.target
        target = Unstacked(known.kind, known.region, known.endpoint, known.registry, known.credentials)
        push = (remote_changes.push,) if self._ships_image else ()
        return lines(self._observed((*push, remote_changes.deploy), "direct.yaml", target))

    def not_shown(self, actions: Sequence[Action]) -> list[str]:
        """What was sent, and the actions do not show."""
        sent = [request for request in self.seen.changing if not any(shows(action, request) for action in actions)]
        return [*(f"{one.operation} {one.about}" for one in sent), *not_shown(self.calls, actions)]


Watch = Callable[[Shipped, tuple[Observe, Observe], Apply], Watched]


@contextmanager
def watching(project: Shipped, preview: tuple[Observe, Observe], apply: Apply) -> Iterator[Watched]:
    """The project with a proxy before its emulated account."""
    with recorded(project.target.endpoint or "") as (endpoint, seen):
        project.target = replace(project.target, endpoint=endpoint)
        yield Watched(project, preview, apply, seen, watched(project.target, SERVICES))
