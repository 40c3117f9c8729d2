"""A function and what belongs to it, from the sections of the spec to resources. Pure."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from mlspec.aws.alarm_settings import MetricAlarm, service_alarms
from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.ecr import ecr_location
from mlspec.aws.function_resource import Function, ImageConfig, VpcConfig
from mlspec.aws.policy_document import PolicyDocument, Statement
from mlspec.aws.resource_tags import tags
from mlspec.aws.resources import (
    Cors,
    FunctionUrlConfig,
    HttpApi,
    Integration,
    LogGroup,
    ProvisionedConcurrency,
    ReservedConcurrency,
    Role,
    Route,
    history_group,
)
from mlspec.sections.deploy import FunctionUrl, Lambda
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.spec.project import ProjectInfo

HANDLER: Final = "handler.handle"


class FunctionSpec(NamedTuple):
    """The sections that a function follows from, and where it runs."""

    info: ProjectInfo
    options: Lambda
    package: Package
    location: AwsLocation
    repository: str = ""
    """The repository of its image; "" for a zip, which needs none."""
    source: str = ""
    """The project's address, for the tags."""
    upload: tuple[Statement, ...] = ()
    """Rights on the key of the bucket that its zip is uploaded through; only generated policies have them."""

    @property
    def name(self) -> str:
        """The function's name."""
        return self.options.name or self.info.name.replace(".", "-")

    @property
    def arn(self) -> str:
        """The function's ARN, without a version."""
        return self.location.arn("lambda", f"function:{self.name}")

    @property
    def role_arn(self) -> str:
        """ARN of the role it runs as."""
        return self.options.role or self.location.iam_arn(f"role/{self.name}")

    @property
    def log_group_name(self) -> str:
        """The log group that it writes to."""
        return f"/aws/lambda/{self.name}"

    @property
    def tags(self) -> dict[str, str]:
        """Tags of everything that belongs to it."""
        return tags(self.info.name, self.source)

    def function(self) -> Function:
        """The function itself. Its image has no digest yet."""
        options, zipped = self.options, self.package.zip
        return Function(
            name=self.name,
            package_type="Zip" if zipped else "Image",
            description=self.info.description[:256],
            role=self.role_arn,
            architecture=self.package.architecture,
            memory=options.memory,
            timeout=options.timeout,
            ephemeral_storage=options.ephemeral_storage,
            log_group=self.log_group_name,
            tracing="Active" if options.tracing else "PassThrough",
            runtime=f"python{zipped.python}" if zipped else None,
            handler=HANDLER if zipped else None,
            image_config=None if zipped else ImageConfig((HANDLER,)),
            vpc=VpcConfig(tuple(options.vpc.subnets), tuple(options.vpc.security_groups)) if options.vpc else None,
            tags=self.tags,
            variables=options.environment,
            image="" if zipped else self.location.image_uri(self.repository),
        )

    def log_group(self) -> LogGroup:
        """Its log group."""
        return LogGroup(self.log_group_name, self.options.log_retention, self.tags)

    def history_group(self) -> LogGroup:
        """The log group with the history of its releases, which never expires."""
        return LogGroup(history_group(self.name), None, self.tags)

    def role(self) -> Role | None:
        """Its role; None where the spec names an existing one."""
        if self.options.role is not None:
            return None
        return Role(self.name, role_trust(), self._rights(), self.options.permissions_boundary, self.tags)

    def url(self) -> FunctionUrlConfig | None:
        """Its address; None where it has none of this kind."""
        url = self._url("function-url")
        return FunctionUrlConfig(self.name, self.options.alias, _auth(url), _cors(url)) if url else None

    def api(self) -> HttpApi | None:
        """Its HTTP API, whose one route calls the alias; None where it has none."""
        url = self._url("http-api")
        if url is None:
            return None
        integration, route = Integration(f"{self.arn}:{self.options.alias}"), Route(_auth(url))
        return HttpApi(self.name, self.name, self.options.alias, integration, route, _cors(url), self.tags)

    def reserved(self) -> ReservedConcurrency | None:
        """The instances that are kept for it; None where the spec says nothing."""
        number = self.options.concurrency.reserved if self.options.concurrency else None
        return None if number is None else ReservedConcurrency(self.name, number)

    def provisioned(self) -> ProvisionedConcurrency | None:
        """The instances that are kept initialised; None where there are none."""
        number = self.options.concurrency.provisioned if self.options.concurrency else None
        return None if number is None else ProvisionedConcurrency(self.name, self.options.alias, number)

    def alarms(self) -> tuple[MetricAlarm, ...]:
        """The alarms on all requests to its alias."""
        return service_alarms(self.name, self.options, self.tags)

    def _url(self, type: str) -> FunctionUrl | None:
        options = self.options.url
        url = options if isinstance(options, FunctionUrl) else FunctionUrl() if options else None
        return url if url is not None and url.type == type else None

    def _rights(self) -> PolicyDocument:
        """Rights of the function itself: to write its log, and what its network and its traces need."""
        logs = self.location.arn("logs", f"log-group:{self.log_group_name}:*")
        statements = [Statement(("logs:CreateLogStream", "logs:PutLogEvents"), logs, "Log")]
        if self.options.vpc:  # these actions know no resource, see the service authorization reference
            statements.append(Statement(_NETWORK, "*", "Network"))
        if self.options.tracing:
            statements.append(Statement(("xray:PutTraceSegments", "xray:PutTelemetryRecords"), "*", "Trace"))
        return PolicyDocument(tuple(statements))


_NETWORK: Final = (
    "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
)  # fmt: skip


def function_location(options: Lambda, registry: Registry | None) -> AwsLocation | None:
    """Where the function runs: the registry's account and region, or its own region. None where neither is known."""
    if registry is not None:
        return ecr_location(registry.ecr)
    return AwsLocation(options.region) if options.region else None


def role_trust() -> PolicyDocument:
    """Who may assume a function's role: Lambda itself."""
    return PolicyDocument((Statement("sts:AssumeRole", principal={"Service": "lambda.amazonaws.com"}),))


def _auth(url: FunctionUrl) -> Literal["AWS_IAM", "NONE"]:
    return "AWS_IAM" if url.auth == "iam" else "NONE"


def _cors(url: FunctionUrl) -> Cors:
    return Cors(tuple(url.cors_origins)) if url.cors_origins else Cors()
