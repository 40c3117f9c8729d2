"""A Lambda function as a value: as the spec describes it, or as it is in the account. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import JsonValue

from mlspec.spec.types import SecretRef

PackageType = Literal["Image", "Zip"]
_HANDLER_COMMAND: Final = ("python", "-m", "awslambdaric")
_PLACEHOLDER: Final = "${IMAGE_DIGEST}"


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What a function's image is started with."""

    command: tuple[str, ...]
    entry_point: tuple[str, ...] = _HANDLER_COMMAND
    directory: str = "/app"

    def to_json(self) -> JsonValue:
        """In Lambda's form."""
        return {
            "EntryPoint": list(self.entry_point),
            "Command": list(self.command),
            "WorkingDirectory": self.directory,
        }

    @classmethod
    def from_json(cls, answer: Mapping[str, JsonValue]) -> ImageConfig:
        """From one of Lambda's answers."""
        return cls(_texts(answer.get("Command")), _texts(answer.get("EntryPoint")), _text(answer, "WorkingDirectory"))


@dataclass(frozen=True, slots=True)
class VpcConfig:
    """A private network; the ids have no order."""

    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()

    def to_json(self) -> JsonValue:
        """In Lambda's form."""
        return {"SubnetIds": list(self.subnets), "SecurityGroupIds": list(self.security_groups)}

    @classmethod
    def from_json(cls, answer: Mapping[str, JsonValue]) -> VpcConfig:
        """From one of Lambda's answers."""
        return cls(_texts(answer.get("SubnetIds")), _texts(answer.get("SecurityGroupIds")))

    @property
    def sorted(self) -> VpcConfig:
        """The same network with its ids in order."""
        return VpcConfig(tuple(sorted(self.subnets)), tuple(sorted(self.security_groups)))


@dataclass(frozen=True, slots=True)
class Function:
    """A function's settings and code. Of one in the account, None stands for what Lambda does not report."""

    name: str
    package_type: PackageType
    description: str = ""
    role: str = ""
    architecture: str = ""
    memory: int = 0
    timeout: int = 0
    ephemeral_storage: int = 0
    log_group: str | None = None
    log_format: str = "JSON"
    tracing: str = "PassThrough"
    runtime: str | None = None
    handler: str | None = None
    image_config: ImageConfig | None = None
    vpc: VpcConfig | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str | SecretRef] = field(default_factory=dict, repr=False)
    """Environment variables. Desired ones refer to secrets by name; those in the account have their values."""
    image: str = ""
    """Address of the image by its digest; "" for a zip, and without a digest where it is still to be pushed."""
    sha256: str = ""
    """Of the code, in base64, as Lambda reports it."""
    reserved_concurrency: int | None = None
    """Of a function in the account."""

    @property
    def digest(self) -> str:
        """Digest of the image; "" where it is not known, and of a zip."""
        return self.image.rpartition("@")[2] if "@" in self.image else ""

    def settings(self) -> dict[str, JsonValue]:
        """Settings by the names of UpdateFunctionConfiguration, but for the environment variables."""
        values: dict[str, JsonValue] = {
            "Runtime": self.runtime,
            "Handler": self.handler,
            "ImageConfig": self.image_config.to_json() if self.image_config else None,
            "Description": self.description,
            "Role": self.role,
            "MemorySize": self.memory,
            "Timeout": self.timeout,
            "EphemeralStorage": {"Size": self.ephemeral_storage},
            "LoggingConfig": {"LogFormat": self.log_format, "LogGroup": self.log_group} if self.log_group else None,
            "TracingConfig": {"Mode": self.tracing},
            "VpcConfig": self.vpc.to_json() if self.vpc else None,
        }
        return {name: value for name, value in values.items() if value is not None}

    def to_request(self) -> dict[str, JsonValue]:
        """Input of `aws lambda create-function`; of a zip, with `--zip-file fileb://artifacts/function.zip` beside it.

        Secrets and an unknown digest are placeholders for `envsubst`.
        """
        settings = self.settings()
        request: dict[str, JsonValue] = {"PackageType": self.package_type}
        if self.package_type == "Image":
            request["Code"] = {"ImageUri": self.image if self.digest else f"{self.image}@{_PLACEHOLDER}"}
        request |= {name: settings.pop(name) for name in ("Runtime", "Handler", "ImageConfig") if name in settings}
        request |= {"FunctionName": self.name, "Description": self.description, "Role": self.role}
        request |= {"Architectures": [self.architecture]}
        request |= {name: value for name, value in settings.items() if name not in (*request, "VpcConfig")}
        request |= {"Publish": True, "Tags": dict(self.tags)}
        if self.variables:
            request["Environment"] = {"Variables": {name: _written(value) for name, value in self.variables.items()}}
        return request | ({"VpcConfig": self.vpc.to_json()} if self.vpc else {})

    @classmethod
    def from_response(cls, answer: Mapping[str, Mapping[str, JsonValue]]) -> Function:
        """The function in an answer of GetFunction."""
        config, code = answer["Configuration"], answer.get("Code", {})
        logging, network = _object(config, "LoggingConfig"), VpcConfig.from_json(_object(config, "VpcConfig"))
        image = _object(_object(config, "ImageConfigResponse"), "ImageConfig")
        return cls(
            name=_text(config, "FunctionName"),
            package_type="Zip" if config.get("PackageType") == "Zip" else "Image",
            description=_text(config, "Description"),
            role=_text(config, "Role"),
            architecture=next(iter(_texts(config.get("Architectures"))), ""),
            memory=_number(config, "MemorySize"),
            timeout=_number(config, "Timeout"),
            ephemeral_storage=_number(_object(config, "EphemeralStorage"), "Size"),
            log_group=_text(logging, "LogGroup") if logging else None,
            log_format=_text(logging, "LogFormat"),
            tracing=_text(_object(config, "TracingConfig"), "Mode") or "PassThrough",
            runtime=_text(config, "Runtime") or None,
            handler=_text(config, "Handler") or None,
            image_config=ImageConfig.from_json(image) if image else None,
            vpc=network if network != VpcConfig() else None,
            tags={key: str(value) for key, value in answer.get("Tags", {}).items()},
            variables={k: str(v) for k, v in _object(_object(config, "Environment"), "Variables").items()},
            image=str(code.get("ResolvedImageUri") or code.get("ImageUri") or ""),
            sha256=_text(config, "CodeSha256"),
            reserved_concurrency=_reserved(answer.get("Concurrency")),
        )


def _written(value: str | SecretRef) -> str:
    return f"${{{value.env}}}" if isinstance(value, SecretRef) else value


def _reserved(answer: Mapping[str, JsonValue] | None) -> int | None:
    number = (answer or {}).get("ReservedConcurrentExecutions")
    return number if isinstance(number, int) else None


def _object(answer: Mapping[str, JsonValue], key: str) -> Mapping[str, JsonValue]:
    value = answer.get(key)
    return value if isinstance(value, dict) else {}


def _text(answer: Mapping[str, JsonValue], key: str) -> str:
    value = answer.get(key)
    return value if isinstance(value, str) else ""


def _number(answer: Mapping[str, JsonValue], key: str) -> int:
    value = answer.get(key)
    return value if isinstance(value, int) else 0


def _texts(value: JsonValue | Sequence[str]) -> tuple[str, ...]:
    return tuple(str(text) for text in value) if isinstance(value, list) else ()
