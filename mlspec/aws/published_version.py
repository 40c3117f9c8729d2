"""Published versions of the function: which one equals the function as it is now, and a new one where none does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from pydantic import JsonValue

from mlspec.aws.action import Action, FieldChange, unexpected
from mlspec.aws.alias import Alias
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import code_of
from mlspec.aws.function_resource import Function
from mlspec.aws.function_state import settled, when_free
from mlspec.aws.known_after_apply import KnownAfterApply, Outputs

LATEST: Final = "$LATEST"
NEXT: Final = KnownAfterApply("{version}")
"""The number of the version that is published next."""
_DECISIVE: Final = ("CodeSha256", "Role", "MemorySize", "Timeout", "EphemeralStorage", "Environment",
                    "ImageConfigResponse", "LoggingConfig", "TracingConfig", "Architectures", "Handler", "Runtime",
                    "Layers")  # fmt: skip
"""What two versions that answer alike have in common, with their network."""


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """One version, or `$LATEST`. Two with the same `behaviour` run the same code with the same settings."""

    number: str
    function: Function
    behaviour: str
    modified: str = ""
    """When it was published, as Lambda reports it."""

    @classmethod
    def from_response(cls, answer: Mapping[str, JsonValue]) -> PublishedVersion:
        """The version in an answer of ListVersionsByFunction."""
        configuration: dict[str, Mapping[str, JsonValue]] = {"Configuration": answer}
        function = Function.from_response(configuration)
        network = function.vpc.sorted.to_json() if function.vpc else None
        decisive = [answer.get(key) or None for key in _DECISIVE]
        behaviour = json.dumps([*decisive, network], sort_keys=True)
        return cls(str(answer.get("Version", "")), function, behaviour, str(answer.get("LastModified", "")))


@dataclass(frozen=True)
class VersionProvider:
    """Reads the versions of a function, and publishes."""

    target: AwsTarget

    def read(self, name: str) -> dict[str, PublishedVersion]:
        """Every version by its number, and `$LATEST`; none where the function does not exist."""
        from botocore.exceptions import ClientError

        pages = self.target.client("lambda").get_paginator("list_versions_by_function").paginate(FunctionName=name)
        try:
            return {v["Version"]: PublishedVersion.from_response(v) for page in pages for v in page["Versions"]}
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return {}
            raise

    def apply(self, action: Action) -> Outputs:
        """Publish the function as it is now; returns the number once the version can be invoked. Fails where another
        process has changed the function in the meantime."""
        if action.operation != "publish":
            raise unexpected(action)
        name, description = action.name, str(action.arguments["Description"])[:256]
        sha256, client = settled(self.target, name).sha256, self.target.client("lambda")
        call = partial(client.publish_version, CodeSha256=sha256, Description=description)
        number = str(when_free(self.target, name, call)["Version"])
        settled(self.target, name, number)
        return {"version": number}


def current_version(versions: Mapping[str, PublishedVersion], live: Alias | None) -> str | None:
    """The version that equals the function as it is now: the live one, or the newest; None where neither does."""
    published, now = [number for number in versions if number != LATEST], versions.get(LATEST)
    newest = max(published, key=int, default=None)
    for number in (live.version if live else None, live.other if live else None, newest):
        if number and number in versions and now and versions[number].behaviour == now.behaviour:
            return number
    return None


def publish_action(name: str, description: str) -> Action:
    """The action that publishes a function's next version."""
    return Action("version", name, "publish", (FieldChange("+", new=NEXT),), {"Description": description})
