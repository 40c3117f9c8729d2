"""Options of `deploy`: the Lambda function, the rollout of a new version, and the infrastructure tool."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from mlspec.sections.registry import REGION
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Bound, Duration, SecretRef, shown

Retention = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288,
                    3653]  # fmt: skip
"""Days that CloudWatch Logs can keep a log group for (PutRetentionPolicy)."""


_ORIGIN = r"\*|https?://(?:\*\.)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::[0-9]{1,5})?"
"""A web origin, as browsers send it: no path, no slash at its end (https://fetch.spec.whatwg.org/#origin-header)."""


def _origin(text: str) -> str:
    if re.fullmatch(_ORIGIN, text):
        return text
    message = "a web origin looks like `https://example.org`, with no path; `*` is any"
    raise PydanticCustomError("bad-format", "{what}", {"what": message, "help": ""})


class FunctionUrl(SpecModel):
    """An HTTPS address of the function's own."""

    type: Literal["function-url", "http-api"] = Field(
        "function-url", description="Lambda's own address, or an HTTP API of Amazon API Gateway"
    )
    auth: Literal["iam", "none"] = Field("iam", description="Who may call it: signed AWS requests, or anybody at all")
    cors_origins: list[Annotated[str, AfterValidator(_origin), shown(_ORIGIN), Field(max_length=253)]] = Field(
        [],
        description="Web origins that may call it from a browser",
        max_length=100,
        examples=[["https://example.org"]],
    )


class Concurrency(SpecModel):
    """How many copies of the function may run."""

    reserved: int | None = Field(None, ge=0, description="At most so many, kept for this function alone")
    provisioned: int | None = Field(None, ge=1, description="So many are always warm; they cost money day and night")


class Vpc(SpecModel):
    """A private network that the function joins."""

    subnets: list[Annotated[str, Field(pattern=r"^subnet-[0-9a-z]+$")]] = Field(
        description="Ids of the subnets", min_length=1, max_length=16
    )
    security_groups: list[Annotated[str, Field(pattern=r"^sg-[0-9a-zA-Z]+$")]] = Field(
        description="Ids of the security groups", min_length=1, max_length=5
    )


class Lambda(SpecModel):
    """The AWS Lambda function that answers with the model. Limits are Lambda's own."""

    name: str = Field(
        "", pattern=r"^[A-Za-z0-9_-]{0,64}$", description="Name of the function; the project's name when left out"
    )
    region: str | None = Field(
        None, pattern=REGION, description="AWS region; that of registry.ecr when left out", examples=["eu-west-1"]
    )
    memory: int = Field(1024, ge=128, le=10240, description="Memory in MB; the share of CPU grows with it (1769 = one)")
    timeout: int = Field(30, ge=1, le=900, description="Seconds that one answer may take")
    ephemeral_storage: int = Field(512, ge=512, le=10240, description="Size of /tmp in MB, the only place to write")
    architecture: Literal["x86_64", "arm64"] | None = Field(
        None, description="Processor; that of package.docker.platform when left out"
    )
    url: bool | FunctionUrl = Field(
        False, description="Give the function an HTTPS address, callable with IAM signatures"
    )
    concurrency: Concurrency | None = Field(None, description="How many copies may run")
    environment: dict[str, str | SecretRef] = Field({}, description="Environment variables of the function")
    log_retention: Retention = Field(30, description="Days that its logs are kept")
    alias: str = Field(
        "live", pattern=r"^[a-zA-Z_-][a-zA-Z0-9_-]{0,127}$", description="Alias that callers use; a rollout moves it"
    )
    vpc: Vpc | None = Field(None, description="Private network that the function joins")
    role: str | None = Field(
        None,
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[a-zA-Z_0-9+=,.@/-]+$",
        max_length=600,
        description="ARN of an existing role; when left out, the role of lambda/role-trust.json and role-policy.json",
    )
    permissions_boundary: str | None = Field(
        None,
        pattern=r"^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[a-zA-Z_0-9+=,.@/-]+$",
        max_length=600,
        description="ARN of the policy that limits the function's role; with it CI may create the role, else only "
        "an administrator may",
        examples=["arn:aws:iam::123456789012:policy/ml-functions"],
    )
    tracing: bool = Field(False, description="Trace calls with AWS X-Ray")


class AbortIf(SpecModel):
    """What of the new version ends the rollout and brings the old one back. Measured on the new version alone."""

    error_rate: Bound | None = Field(None, description="Share of calls that failed", examples=["> 0.01"])
    throttle_rate: Bound | None = Field(None, description="Share of calls that were turned away", examples=["> 0.01"])
    p50_ms: Bound | None = Field(None, description="Median time of an answer in ms", examples=["> 100"])
    p95_ms: Bound | None = Field(None, description="95th percentile of the time in ms", examples=["> 300"])
    p99_ms: Bound | None = Field(None, description="99th percentile of the time in ms", examples=["> 500"])
    psi: Bound | None = Field(
        None,
        description="Population stability index of its predicted labels against those of the live version",
        examples=["> 0.25"],
    )

    def given(self) -> dict[str, str]:
        """The bounds that are set, by name."""
        return {name: bound for name, bound in self.model_dump().items() if bound is not None}


class Rollout(SpecModel):
    """How a new version takes over from the old one."""

    strategy: Literal["all-at-once", "blue-green", "canary", "linear"] = Field(
        "all-at-once", description="At once; at once after checks without traffic; a small share first; in equal steps"
    )
    steps: list[Annotated[float, Field(gt=0, le=100)]] = Field(
        [],
        description="Percent of the traffic that the new version gets, step by step, up to 100",
        max_length=20,
        examples=[[10, 50, 100]],
    )
    interval: Duration = Field("5m", description="How long each step is watched")
    abort_if: AbortIf | None = Field(None, description="What ends the rollout and brings the old version back")
    min_requests: int = Field(100, ge=1, description="Calls of the new version that a step needs before it is judged")
    patience: Duration = Field("30m", description="How long a step may take to get that many calls")
    too_few: Literal["return", "promote"] = Field(
        "return",
        description="What becomes of a step with too few calls: the old version comes back, or it counts as good",
    )

    def percents(self) -> tuple[float, ...]:
        """The steps that the strategy comes to."""
        usual = {"canary": (10.0, 100.0), "linear": (20.0, 40.0, 60.0, 80.0, 100.0)}
        return tuple(self.steps) or usual.get(self.strategy, (100.0,))


class Deploy(SpecModel):
    """Where the image runs, and how a new version takes over."""

    lambda_: Lambda | None = Field(None, alias="lambda", description="An AWS Lambda function")
    rollout: Rollout | None = Field(None, description="How a new version takes over")
    iac: Literal["terraform", "sam", "serverless", "none"] = Field(
        "none", description="Tool whose files describe the infrastructure"
    )
