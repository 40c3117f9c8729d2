"""The function's HTTPS address against `lambda/url.json`."""

from __future__ import annotations

from dataclasses import dataclass

from mlspec.aws.action import Action, create, delete, differences, unexpected
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.error_messages import code_of
from mlspec.aws.resources import FunctionUrlConfig


@dataclass(frozen=True)
class FunctionUrlProvider:
    """Reads and changes the address of a function's alias, which must exist when an action is executed."""

    target: AwsTarget
    alias: str

    def read(self, name: str) -> FunctionUrlConfig | None:
        """The address; None where the alias has none."""
        from botocore.exceptions import ClientError

        try:
            answer = self.target.client("lambda").get_function_url_config(FunctionName=name, Qualifier=self.alias)
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return None
            raise
        return FunctionUrlConfig.from_response(name, self.alias, answer)

    def diff(self, desired: FunctionUrlConfig | None, current: FunctionUrlConfig | None) -> list[Action]:
        """What creates, changes or removes the address."""
        if desired is None:
            return [delete("function-url", self._label(current), current.url, current.which)] if current else []
        label = self._label(desired)
        if current is None:
            return [create("function-url", label, desired.auth, desired.to_request())]
        new, old = ({"AuthType": url.auth, "Cors": url.cors.to_json()} for url in (desired, current))
        changes = differences(new, old)
        return [Action("function-url", label, "set", changes, {**desired.which, **new})] if changes else []

    def apply(self, action: Action) -> None:
        """Execute an action on the address."""
        client = self.target.client("lambda")
        match action.operation:
            case "create":
                client.create_function_url_config(**action.arguments)
            case "set":
                client.update_function_url_config(**action.arguments)
            case "delete":
                client.delete_function_url_config(**action.arguments)
            case _:
                raise unexpected(action)

    def _label(self, url: FunctionUrlConfig) -> str:
        return f"{url.function}:{url.alias}"
