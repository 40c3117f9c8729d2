"""Published versions of the function: which one is what is there now, and a new one where none is."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from mlspec.aws.alias import Alias
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.function import settled, when_free

Json = dict[str, Any]
_SAME: Final = ("CodeSha256", "Role", "MemorySize", "Timeout", "EphemeralStorage", "Environment", "ImageConfigResponse",
                "LoggingConfig", "TracingConfig", "Architectures", "Handler", "Runtime", "Layers")  # fmt: skip
"""What two versions that answer alike have in common."""


def published(target: AwsTarget, name: str, live: Alias | None) -> str | None:
    """The version that holds what the function is now: the live one, or the newest; None where neither does."""
    found = versions(target, name)
    now = found.pop("$LATEST", None)
    newest = max(found, key=int, default=None)
    candidates = [live.version if live else None, live.other if live else None, newest]
    return next((n for n in candidates if n in found and now is not None and same(found[n], now)), None)


def versions(target: AwsTarget, name: str) -> dict[str, Json]:
    """Configuration of every version by its number, and `$LATEST`; none where there is no function."""
    from botocore.exceptions import ClientError

    from mlspec.aws.error_messages import code_of

    pages = target.client("lambda").get_paginator("list_versions_by_function").paginate(FunctionName=name)
    try:
        return {found["Version"]: found for page in pages for found in page["Versions"]}
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return {}
        raise


def same(one: Json, other: Json) -> bool:
    """Whether two versions run the same code with the same settings."""
    alike = all((one.get(key) or None) == (other.get(key) or None) for key in _SAME)
    return alike and _network(one) == _network(other)


def _network(config: Json) -> tuple[list[str], list[str]]:
    found = config.get("VpcConfig") or {}
    return sorted(found.get("SubnetIds", [])), sorted(found.get("SecurityGroupIds", []))


def publish(target: AwsTarget, name: str, description: str) -> str:
    """A new version of what the function is now, ready to be called. Fails where somebody has changed it meanwhile."""
    code = settled(target, name)["CodeSha256"]
    call = partial(target.client("lambda").publish_version, CodeSha256=code, Description=description[:256])
    made = when_free(target, name, call)
    number = str(made["Version"])
    settled(target, name, number)
    return number
