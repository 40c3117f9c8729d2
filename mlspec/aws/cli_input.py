"""The Lambda function as JSON that the AWS command line takes (`--cli-input-json`, `--policy-document`). Pure.

What is known only on the day, or belongs to no file, stands as `${NAME}` for `envsubst`: the image's digest, the AWS
account where the spec does not name it, and secrets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlspec.aws.ecr import account, arn, image_uri, partition, tags
from mlspec.sections.deploy import FunctionUrl, Lambda
from mlspec.sections.package import Package
from mlspec.sections.registry import Ecr, Registry
from mlspec.spec.project import ProjectInfo
from mlspec.spec.types import SecretRef

Json = dict[str, Any]
HANDLER = "handler.handle"


@dataclass(frozen=True, slots=True)
class Function:
    """Everything of the spec that a function follows from."""

    info: ProjectInfo
    options: Lambda
    package: Package
    ecr: Ecr
    """Its repository, account and region; of a zip, which needs no repository, only the last two."""

    @property
    def name(self) -> str:
        """The function's name."""
        return self.options.name or self.info.name.replace(".", "-")

    @property
    def arn(self) -> str:
        """The function's ARN, without a version."""
        return arn(self.ecr, "lambda", f"function:{self.name}")

    @property
    def role(self) -> str:
        """ARN of the role it runs as."""
        return self.options.role or f"arn:{partition(self.ecr)}:iam::{account(self.ecr)}:role/{self.name}"


def ecr_of(options: Lambda, registry: Registry | None) -> Ecr | None:
    """Where the function is: the registry's account and region, or its own region. None where neither is known."""
    if registry is not None:
        return registry.ecr
    return Ecr.model_construct(repository="", region=options.region) if options.region else None


def files(function: Function) -> dict[str, Json]:
    """File name in `lambda/` to its content."""
    made = {
        "function": create_function(function),
        "log-group": {"logGroupName": log_group(function), "retentionInDays": function.options.log_retention},
    }
    if function.options.role is None:
        made |= {"role-trust": role_trust(), "role-policy": role_policy(function)}
    addresses = {"url": create_url(function), "api": create_api(function)}
    return made | {name: value for name, value in addresses.items() if value is not None}


def create_function(function: Function) -> Json:
    """Input of `aws lambda create-function`; of a zip, with `--zip-file fileb://artifacts/function.zip` beside it."""
    options = function.options
    made: Json = {
        **_code(function),
        "FunctionName": function.name,
        "Description": function.info.description[:256],
        "Role": function.role,
        "Architectures": [function.package.architecture],
        "MemorySize": options.memory,
        "Timeout": options.timeout,
        "EphemeralStorage": {"Size": options.ephemeral_storage},
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": log_group(function)},
        "TracingConfig": {"Mode": "Active" if options.tracing else "PassThrough"},
        "Publish": True,
        "Tags": tags(function.info.name),
    }
    if options.environment:
        made["Environment"] = {"Variables": {name: _written(value) for name, value in options.environment.items()}}
    if options.vpc:
        made["VpcConfig"] = {"SubnetIds": options.vpc.subnets, "SecurityGroupIds": options.vpc.security_groups}
    return made


def _code(function: Function) -> Json:
    if function.package.zip is not None:
        return {"PackageType": "Zip", "Runtime": f"python{function.package.zip.python}", "Handler": HANDLER}
    entry = ["python", "-m", "awslambdaric"]
    return {
        "PackageType": "Image",
        "Code": {"ImageUri": f"{image_uri(function.ecr)}@${{IMAGE_DIGEST}}"},
        "ImageConfig": {"EntryPoint": entry, "Command": [HANDLER], "WorkingDirectory": "/app"},
    }


def _written(value: str | SecretRef) -> str:
    return f"${{{value.env}}}" if isinstance(value, SecretRef) else value


def url(function: Function) -> FunctionUrl | None:
    """The address that is wanted; None where there is to be none."""
    wanted = function.options.url
    return wanted if isinstance(wanted, FunctionUrl) else FunctionUrl() if wanted else None


def create_url(function: Function) -> Json | None:
    """Input of `aws lambda create-function-url-config`; the address is the alias's, so that a rollout moves it."""
    wanted = url(function)
    if wanted is None or wanted.type != "function-url":
        return None
    made: Json = {
        "FunctionName": function.name,
        "Qualifier": function.options.alias,
        "AuthType": "AWS_IAM" if wanted.auth == "iam" else "NONE",
    }
    return made | ({"Cors": _cors(wanted)} if wanted.cors_origins else {})


def create_api(function: Function) -> Json | None:
    """Input of `aws apigatewayv2 create-api`, whose one route calls the alias."""
    wanted = url(function)
    if wanted is None or wanted.type != "http-api":
        return None
    made: Json = {"Name": function.name, "ProtocolType": "HTTP", "Tags": tags(function.info.name)}
    return made | ({"CorsConfiguration": _cors(wanted)} if wanted.cors_origins else {})


def _cors(wanted: FunctionUrl) -> Json:
    return {
        "AllowOrigins": wanted.cors_origins,
        "AllowMethods": ["GET", "POST"],
        "AllowHeaders": ["content-type"],
        "MaxAge": 3600,
    }


def log_group(function: Function) -> str:
    """Where its log goes."""
    return f"/aws/lambda/{function.name}"


def role_trust() -> Json:
    """Who may run as the function's role: Lambda itself."""
    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return _policy([statement])


def role_policy(function: Function) -> Json:
    """What the function itself may do: write its own log, and what its network and its traces need."""
    logs = arn(function.ecr, "logs", f"log-group:{log_group(function)}:*")
    statements: list[Json] = [
        {"Sid": "Log", "Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": logs}
    ]
    if function.options.vpc:  # these actions know no resource, see the service authorization reference
        actions = ["CreateNetworkInterface", "DescribeNetworkInterfaces", "DescribeSubnets", "DeleteNetworkInterface",
                   "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses"]  # fmt: skip
        statements.append({"Sid": "Network", "Effect": "Allow", "Action": [f"ec2:{a}" for a in actions],
                           "Resource": "*"})  # fmt: skip
    if function.options.tracing:
        statements.append({"Sid": "Trace", "Effect": "Allow",
                           "Action": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
                           "Resource": "*"})  # fmt: skip
    return _policy(statements)


def _policy(statements: list[Json]) -> Json:
    return {"Version": "2012-10-17", "Statement": statements}
