"""Options of `deploy`: the Lambda function, the rollout of a new version, and the infrastructure tool."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from mlspec.sections.registry import REGION
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Bound, Duration, SecretRef, duration_seconds, schema_pattern

Retention = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288,
                    3653]  # fmt: skip
"""Days of retention that CloudWatch Logs supports (PutRetentionPolicy)."""


_ORIGIN = r"\*|https?://(?:\*\.)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::[0-9]{1,5})?"
"""A web origin as browsers send it, without path and trailing slash (https://fetch.spec.whatwg.org/#origin-header)."""


def _origin(text: str) -> str:
    if re.fullmatch(_ORIGIN, text):
        return text
    message = "a web origin has a scheme and a host, but no path; `*` allows any"
    raise PydanticCustomError("bad-format", "{what}", {"what": message, "help": "for example `https://example.org`"})


class FunctionUrl(SpecModel):
    """A public HTTPS endpoint of the function."""

    type: Literal["function-url", "http-api"] = Field(
        "function-url", description="Lambda function URL, or an HTTP API of Amazon API Gateway"
    )
    auth: Literal["iam", "none"] = Field("iam", description="Authorization: IAM-signed requests only, or none (public)")
    cors_origins: list[Annotated[str, AfterValidator(_origin), schema_pattern(_ORIGIN), Field(max_length=253)]] = Field(
        [],
        description="Web origins that may call it from a browser (CORS)",
        max_length=100,
        examples=[["https://example.org"]],
    )


class Concurrency(SpecModel):
    """Concurrency of the function: how many instances run at the same time."""

    reserved: int | None = Field(
        None, ge=0, description="Reserved concurrency: the most instances, reserved for this function"
    )
    provisioned: int | None = Field(
        None, ge=1, description="Provisioned concurrency: instances kept initialised; billed even without requests"
    )


class Vpc(SpecModel):
    """A VPC that the function is attached to."""

    subnets: list[Annotated[str, Field(pattern=r"^subnet-[0-9a-z]+$")]] = Field(
        description="Subnet IDs", min_length=1, max_length=16
    )
    security_groups: list[Annotated[str, Field(pattern=r"^sg-[0-9a-zA-Z]+$")]] = Field(
        description="Security group IDs", min_length=1, max_length=5
    )


_TOPIC = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$"


class RequestBounds(SpecModel):
    """Bounds on what clients notice."""

    error_rate: Bound | None = Field(None, description="Fraction of requests that failed", examples=["> 0.01"])
    throttle_rate: Bound | None = Field(
        None, description="Fraction of requests that were throttled", examples=["> 0.01"]
    )
    p50_ms: Bound | None = Field(None, description="Median latency in ms", examples=["> 100"])
    p95_ms: Bound | None = Field(None, description="95th percentile of the latency in ms", examples=["> 300"])
    p99_ms: Bound | None = Field(None, description="99th percentile of the latency in ms", examples=["> 500"])

    def given(self) -> dict[str, str]:
        """The bounds that are set, by name."""
        bounds = {name: getattr(self, name) for name in RequestBounds.model_fields}
        return {name: bound for name, bound in bounds.items() if bound is not None}


class Alarms(RequestBounds):
    """CloudWatch alarms on all requests to the alias, whatever version answers them."""

    window: Duration = Field("5m", description="Time over which each value is measured, in whole minutes")
    min_requests: int = Field(
        20,
        ge=1,
        description="Smallest number of requests in the window of which a rate can raise an alarm. CloudWatch itself "
        "ignores latencies of too few requests for the percentile",
    )
    notify: list[Annotated[str, Field(pattern=_TOPIC)]] = Field(
        [],
        description="ARNs of Amazon SNS topics that are notified when an alarm fires and when it clears",
        max_length=5,
        examples=[["arn:aws:sns:eu-west-1:123456789012:on-call"]],
    )


class Lambda(SpecModel):
    """The AWS Lambda function that serves the model. The limits are those of AWS Lambda."""

    name: str = Field("", pattern=r"^[A-Za-z0-9_-]{0,64}$", description="Function name; default: the project's name")
    region: str | None = Field(
        None, pattern=REGION, description="AWS region; default: the region of `registry.ecr`", examples=["eu-west-1"]
    )
    memory: int = Field(
        1024, ge=128, le=10240, description="Memory in MB; CPU is proportional to it (1769 MB: one vCPU)"
    )
    timeout: int = Field(30, ge=1, le=900, description="Timeout of a request in seconds")
    ephemeral_storage: int = Field(512, ge=512, le=10240, description="Size of /tmp in MB, the only writable folder")
    architecture: Literal["x86_64", "arm64"] | None = Field(
        None, description="Instruction set; default: that of `package.docker.platform`"
    )
    url: bool | FunctionUrl = Field(
        False, description="Create an HTTPS endpoint; `true` accepts IAM-signed requests only"
    )
    concurrency: Concurrency | None = Field(None, description="Reserved and provisioned concurrency")
    environment: dict[str, str | SecretRef] = Field({}, description="Environment variables of the function")
    log_retention: Retention = Field(30, description="Log retention in days")
    alias: str = Field(
        "live",
        pattern=r"^[a-zA-Z_-][a-zA-Z0-9_-]{0,127}$",
        description="Alias that clients invoke; a rollout shifts its traffic",
    )
    vpc: Vpc | None = Field(None, description="VPC that the function is attached to")
    role: str | None = Field(
        None,
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[a-zA-Z_0-9+=,.@/-]+$",
        max_length=600,
        description="ARN of an existing role; default: created from lambda/role-trust.json and role-policy.json",
    )
    permissions_boundary: str | None = Field(
        None,
        pattern=r"^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[a-zA-Z_0-9+=,.@/-]+$",
        max_length=600,
        description="ARN of the permissions boundary of the function's role. CI may create the role only with a "
        "boundary; without one an administrator creates it",
        examples=["arn:aws:iam::123456789012:policy/ml-functions"],
    )
    tracing: bool = Field(False, description="Trace requests with AWS X-Ray")
    alarms: Alarms | None = Field(None, description="CloudWatch alarms on the requests of clients")


class AbortIf(RequestBounds):
    """Conditions that roll the new version back, measured on the new version alone."""

    psi: Bound | None = Field(
        None,
        description="Population stability index (PSI) of its predicted labels against those of the live version",
        examples=["> 0.25"],
    )

    def given(self) -> dict[str, str]:
        """The bounds that are set, by name."""
        return {**super().given(), **({} if self.psi is None else {"psi": self.psi})}


class Rollout(SpecModel):
    """How traffic moves from the old version to the new one."""

    strategy: Literal["all-at-once", "blue-green", "canary", "linear"] = Field(
        "all-at-once",
        description="all-at-once: all traffic immediately; blue-green: all traffic after checks of the new version "
        "without traffic; canary: a small percentage first; linear: equal steps",
    )
    steps: list[Annotated[float, Field(gt=0, le=100)]] = Field(
        [],
        description="Percentages of the traffic to the new version, rising to 100",
        max_length=20,
        examples=[[10, 50, 100]],
    )
    interval: Duration = Field("5m", description="Observation time of each step")
    abort_if: AbortIf | None = Field(None, description="Conditions that roll the new version back")
    min_requests: int = Field(
        100, ge=1, description="Requests to the new version that a step needs before it is judged"
    )
    patience: Duration = Field("30m", description="How long a step waits for that many requests")
    too_few: Literal["return", "promote"] = Field(
        "return",
        description="After a step with too few requests: roll back (return), or take the next step (promote)",
    )

    def percents(self) -> tuple[float, ...]:
        """The traffic percentages of the strategy."""
        usual = {"canary": (10.0, 100.0), "linear": (20.0, 40.0, 60.0, 80.0, 100.0)}
        return tuple(self.steps) or usual.get(self.strategy, (100.0,))

    @property
    def longest(self) -> int:
        """Seconds that its steps take at most: each waits for its interval, or up to its patience for requests."""
        watched = len(self.percents()) if self.strategy in ("canary", "linear") else 1
        return watched * max(duration_seconds(self.interval), duration_seconds(self.patience))


class TerraformOptions(SpecModel):
    """Settings of the generated Terraform modules."""

    backend: Literal["local", "s3"] = Field(
        "local",
        description="Where Terraform stores its state: a file beside the module, or an S3 bucket that "
        "`terraform/backend.hcl` names",
    )


class ServerlessOptions(SpecModel):
    """Settings of the generated services of the Serverless Framework."""

    program: Literal["auto", "osls", "serverless"] = Field(
        "auto", description="Command line that deploys them; auto: osls, else serverless, whichever is installed"
    )


class Deploy(SpecModel):
    """Deployment: the platform that serves the image, and the rollout of new versions."""

    lambda_: Lambda | None = Field(None, alias="lambda", description="An AWS Lambda function")
    rollout: Rollout | None = Field(None, description="How traffic moves to a new version")
    iac: Literal["terraform", "sam", "serverless", "none"] = Field(
        "none", description="Infrastructure-as-code tool to generate files for"
    )
    terraform: TerraformOptions = Field(default_factory=TerraformOptions, description="Settings of `iac: terraform`")
    serverless: ServerlessOptions = Field(
        default_factory=ServerlessOptions, description="Settings of `iac: serverless`"
    )

    def unread_keys(self) -> frozenset[str]:
        """The options of the tools that are not chosen."""
        return frozenset({"terraform", "serverless"} - {self.iac})
