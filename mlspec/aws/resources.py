"""What belongs to a function, as values: its role, its log group, its addresses, its concurrency. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import JsonValue

from mlspec.aws.policy_document import PolicyDocument, Statement
from mlspec.aws.resource_tags import from_pairs, to_pairs

Auth = Literal["AWS_IAM", "NONE"]
ROLE_POLICY: Final = "mlspec"
"""Name of the inline policy of a function's role."""
API_STATEMENT: Final = "mlspec-api"
"""Id of the statement that lets API Gateway invoke the alias."""


@dataclass(frozen=True, slots=True)
class Role:
    """An IAM role with one inline policy. `boundary` is the ARN of a policy that limits it."""

    name: str
    trust: PolicyDocument
    rights: PolicyDocument | None
    boundary: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def description(self) -> str:
        """What it is for."""
        return f"Runs the Lambda function {self.name}"

    def to_request(self) -> dict[str, JsonValue]:
        """Input of CreateRole."""
        boundary: dict[str, JsonValue] = {"PermissionsBoundary": self.boundary} if self.boundary else {}
        return {
            "RoleName": self.name,
            "AssumeRolePolicyDocument": self.trust.to_text(),
            "Description": self.description,
            "Tags": [dict(pair) for pair in to_pairs(self.tags)],
            **boundary,
        }

    @classmethod
    def from_response(cls, answer: Mapping[str, JsonValue], rights: PolicyDocument | None) -> Role:
        """The role in an answer of GetRole."""
        trust, boundary, pairs = (answer.get(k) for k in ("AssumeRolePolicyDocument", "PermissionsBoundary", "Tags"))
        return cls(
            name=str(answer["RoleName"]),
            trust=PolicyDocument.parse(trust if isinstance(trust, str | dict) else {}),
            rights=rights,
            boundary=str(boundary.get("PermissionsBoundaryArn")) if isinstance(boundary, dict) else None,
            tags=from_pairs(pairs if isinstance(pairs, list) else []),  # type: ignore[arg-type]  # IAM's form of tags
        )


def history_group(function: str) -> str:
    """The name of the log group with the history of a function's releases."""
    return f"/mlspec/{function}"


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A log group of CloudWatch Logs. `retention_days` is None where it keeps its logs for ever."""

    name: str
    retention_days: int | None
    tags: Mapping[str, str] = field(default_factory=dict)
    arn: str = ""
    """Of one that exists."""
    size_bytes: int = 0

    def to_request(self) -> dict[str, JsonValue]:
        """Input of `aws logs put-retention-policy`."""
        return {"logGroupName": self.name, "retentionInDays": self.retention_days}

    @classmethod
    def from_response(cls, answer: Mapping[str, JsonValue], tags: Mapping[str, str]) -> LogGroup:
        """The log group in an answer of DescribeLogGroups; its ARN without the `:*` that no other call takes."""
        days, size = answer.get("retentionInDays"), answer.get("storedBytes")
        return cls(
            name=str(answer["logGroupName"]),
            retention_days=days if isinstance(days, int) else None,
            tags=tags,
            arn=str(answer.get("arn", "")).removesuffix(":*"),
            size_bytes=size if isinstance(size, int) else 0,
        )


@dataclass(frozen=True, slots=True)
class Cors:
    """Which web pages may send requests; no origins stand for none."""

    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("GET", "POST")
    headers: tuple[str, ...] = ("content-type",)
    max_age: int = 3600

    def to_json(self) -> dict[str, JsonValue]:
        """In AWS's form; empty without origins."""
        if not self.origins:
            return {}
        return {
            "AllowOrigins": list(self.origins),
            "AllowMethods": list(self.methods),
            "AllowHeaders": list(self.headers),
            "MaxAge": self.max_age,
        }

    @classmethod
    def from_json(cls, answer: Mapping[str, JsonValue] | None) -> Cors:
        """From one of AWS's answers. An emulated API Gateway answers `allowOrigins` for `AllowOrigins`."""
        keys = {key[0].upper() + key[1:]: value for key, value in (answer or {}).items()}
        origins, methods, headers = (_texts(keys.get(f"Allow{name}")) for name in ("Origins", "Methods", "Headers"))
        age = keys.get("MaxAge")
        return cls(origins, methods, headers, age if isinstance(age, int) else 0)


@dataclass(frozen=True, slots=True)
class FunctionUrlConfig:
    """The HTTPS address of a function's alias."""

    function: str
    alias: str
    auth: Auth
    cors: Cors = field(default_factory=Cors)
    url: str = ""
    """Of one that exists."""

    @property
    def which(self) -> dict[str, JsonValue]:
        """The arguments that name it."""
        return {"FunctionName": self.function, "Qualifier": self.alias}

    def to_request(self) -> dict[str, JsonValue]:
        """Input of `aws lambda create-function-url-config`."""
        cors: dict[str, JsonValue] = {"Cors": self.cors.to_json()} if self.cors.origins else {}
        return {**self.which, "AuthType": self.auth, **cors}

    @classmethod
    def from_response(cls, function: str, alias: str, answer: Mapping[str, JsonValue]) -> FunctionUrlConfig:
        """The address in an answer of GetFunctionUrlConfig."""
        auth: Auth = "NONE" if answer.get("AuthType") == "NONE" else "AWS_IAM"
        cors = answer.get("Cors")
        return cls(
            function, alias, auth, Cors.from_json(cors if isinstance(cors, dict) else {}), str(answer["FunctionUrl"])
        )


@dataclass(frozen=True, slots=True)
class AliasPermissions:
    """The statements of an alias's resource policy by their ids: who may invoke it besides the account's own users."""

    function: str
    alias: str
    statements: Mapping[str, Statement]

    @property
    def which(self) -> dict[str, JsonValue]:
        """The arguments that name it."""
        return {"FunctionName": self.function, "Qualifier": self.alias}


@dataclass(frozen=True, slots=True)
class Integration:
    """What an HTTP API calls: an alias of a function."""

    uri: str
    id: str = ""
    type: str = "AWS_PROXY"
    payload: str = "2.0"

    def to_json(self) -> dict[str, JsonValue]:
        """In API Gateway's form, without the id."""
        return {"IntegrationType": self.type, "PayloadFormatVersion": self.payload, "IntegrationUri": self.uri}

    @classmethod
    def from_json(cls, answer: Mapping[str, JsonValue]) -> Integration:
        """From one of API Gateway's answers."""
        names = ("IntegrationUri", "IntegrationId", "IntegrationType", "PayloadFormatVersion")
        return cls(*(str(answer.get(name, "")) for name in names))


@dataclass(frozen=True, slots=True)
class Route:
    """The route of an HTTP API that takes every path and method: the function knows its own."""

    auth: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class HttpApi:
    """An HTTP API of Amazon API Gateway that calls a function's alias. Of one that exists, None stands for a missing
    part, and `permission` is the statement that lets it invoke the alias."""

    name: str
    function: str
    alias: str
    integration: Integration | None
    route: Route | None
    cors: Cors = field(default_factory=Cors)
    tags: Mapping[str, str] = field(default_factory=dict)
    stage: bool = True
    permission: Statement | None = None
    id: str = ""
    endpoint: str = ""

    def to_request(self) -> dict[str, JsonValue]:
        """Input of `aws apigatewayv2 create-api`."""
        cors: dict[str, JsonValue] = {"CorsConfiguration": self.cors.to_json()} if self.cors.origins else {}
        return {"Name": self.name, "ProtocolType": "HTTP", "Tags": dict(self.tags), **cors}

    @classmethod
    def from_response(cls, alias: str, answer: Mapping[str, JsonValue]) -> HttpApi:
        """The API in an answer of GetApis, which says nothing of its integration, route and stage."""
        cors, tags = answer.get("CorsConfiguration"), answer.get("Tags")
        return cls(
            name=str(answer["Name"]),
            function=str(answer["Name"]),
            alias=alias,
            integration=None,
            route=None,
            cors=Cors.from_json(cors if isinstance(cors, dict) else {}),
            tags={key: str(value) for key, value in tags.items()} if isinstance(tags, dict) else {},
            id=str(answer["ApiId"]),
            endpoint=str(answer.get("ApiEndpoint", "")),
        )


@dataclass(frozen=True, slots=True)
class ReservedConcurrency:
    """The number of instances that are kept for a function, and are its maximum."""

    function: str
    number: int


@dataclass(frozen=True, slots=True)
class ProvisionedConcurrency:
    """The number of a function's instances that are kept initialised behind an alias."""

    function: str
    alias: str
    number: int

    @property
    def which(self) -> dict[str, JsonValue]:
        """The arguments that name it."""
        return {"FunctionName": self.function, "Qualifier": self.alias}


@dataclass(frozen=True, slots=True)
class ImageTags:
    """Tag to digest of the tagged images of a repository; desired are only those of one function's versions."""

    repository: str
    function: str
    digests: Mapping[str, str]


def _texts(value: JsonValue | Sequence[str]) -> tuple[str, ...]:
    return tuple(str(text) for text in value) if isinstance(value, list) else ()
