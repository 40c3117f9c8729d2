"""The Lambda function: its settings and its code against those of `lambda/function.json`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from pydantic import JsonValue

from mlspec.aws import code_upload
from mlspec.aws.action import Action, FieldChange, create, differences, unexpected
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.error_messages import code_of, message_of
from mlspec.aws.function_resource import Function, VpcConfig
from mlspec.aws.function_state import idle, settled, when_free
from mlspec.aws.ownership import check_no_stack, check_ownership
from mlspec.aws.resource_tags import PROJECT
from mlspec.aws.waiting import until
from mlspec.errors import StageError

_ROLE_SECONDS: Final = 60.0
"""It takes a while until Lambda knows a new role."""
_PACKAGES: Final = {"Image": "an image", "Zip": "a zip file"}


def read_function(target: AwsTarget, name: str, qualifier: str = "") -> Function | None:
    """The function, or one version of it; None where it does not exist."""
    from botocore.exceptions import ClientError

    which = {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})
    try:
        return Function.from_response(target.client("lambda").get_function(**which))
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return None
        raise


def check_owner(target: AwsTarget, name: str, arn: str, project: str, current: Function) -> None:
    """Raise StageError for a function of another project."""
    command = f"aws lambda tag-resource --resource {arn} --tags {{}}={{}}"
    check_ownership(f"lambda function {name}", current.tags, project, command, target.owner)


@dataclass(frozen=True)
class FunctionProvider:
    """Reads and changes one function. It adds to an action what no plan may hold: values of variables, and the code."""

    deployed: DesiredFunction

    def read(self, name: str) -> Function | None:
        """The function; None where it does not exist."""
        return read_function(self.deployed.target, name)

    def diff(self, desired: Function | None, current: Function | None) -> list[Action]:
        """What gives the function its settings, code and tags. Raises StageError for another project's, and where its
        package type would change."""
        if desired is None:
            return []
        if current is None:
            first = create("function", desired.name, _new_code(desired), _create_request(desired))
            return [replace(first, changes=(*first.changes, *self._upload()))]
        arn = self.deployed.spec.arn
        check_owner(self.deployed.target, desired.name, arn, desired.tags[PROJECT], current)
        if not self.deployed.tool.releases:
            check_no_stack(f"lambda function {desired.name}", current.tags, self.deployed.target)
        _check_package_type(desired, current)
        tags: dict[str, JsonValue] = dict(desired.tags)
        code = _code(desired, current)
        steps: list[tuple[str, tuple[FieldChange, ...], dict[str, JsonValue]]] = [
            ("set-settings", (*_settings(desired, current), *self._variables(current)), _update_request(desired)),
            ("set-code", (*code, *self._upload()) if code else (), {"Architectures": [desired.architecture]}),
            ("tag", differences(tags, dict(current.tags)), {"Resource": arn, "Tags": tags}),
        ]
        return [Action("function", desired.name, *step) for step in steps if step[1]]

    def is_same(self, desired: Function, published: Function) -> bool:
        """Whether a published version runs the desired code with the desired settings. It has a description of its
        own."""
        version = replace(published, description=desired.description)
        return not (_settings(desired, version) or self._variables(version) or _code(desired, version))

    def _upload(self) -> tuple[FieldChange, ...]:
        """The object of a bucket that a large zip is for the time of the call."""
        place = code_upload.bucket_key(self.deployed)
        return (FieldChange("+", "temporary object", new=f"s3://{place[0]}/{place[1]}"),) if place else ()

    def _variables(self, current: Function) -> tuple[FieldChange, ...]:
        """Names alone: a value may be a secret. A variable that is not set here is left as it is there."""
        values, there = self.deployed.variables, current.variables
        added = [FieldChange("+", f"variable {name}") for name in values if name not in there]
        other = [
            FieldChange("~", f"variable {name}")
            for name, value in values.items()
            if name in there and value is not None and value != there[name]
        ]
        gone = [FieldChange("-", f"variable {name}") for name in there if name not in values]
        return (*added, *other, *gone)

    def apply(self, action: Action) -> None:
        """Execute an action, and wait until Lambda has finished."""
        client = self.deployed.target.client("lambda")
        match action.operation:
            case "create":
                self._create(action)
            case "set-settings":
                self._configure(action)
            case "set-code":
                with code_upload.code(self.deployed) as code:
                    self._change(action.name, partial(client.update_function_code, **code, **action.arguments))
            case "tag":
                client.tag_resource(**action.arguments)
            case "delete":
                client.delete_function(FunctionName=action.name)
            case _:
                raise unexpected(action)

    def _create(self, action: Action) -> None:
        target, variables = self.deployed.target, self._environment()
        more = variables if self.deployed.variables else {}

        def attempt() -> bool | None:
            from botocore.exceptions import ClientError

            try:
                target.client("lambda").create_function(**action.arguments, **more, Code=code)
            except ClientError as error:
                if "cannot be assumed by Lambda" in message_of(error):
                    return None
                raise
            return True

        with code_upload.code(self.deployed) as code:
            until(attempt, "the function's role to become usable by Lambda", seconds=_ROLE_SECONDS)
            settled(target, action.name)

    def _configure(self, action: Action) -> None:
        target, given = self.deployed.target, {**action.arguments, **self._environment()}
        if not idle(target, action.name).in_vpc and given["VpcConfig"] == VpcConfig().to_json():
            del given["VpcConfig"]  # to leave a network takes rights that one without a network need not have
        self._change(action.name, partial(target.client("lambda").update_function_configuration, **given))

    def _change(self, name: str, call: Callable[..., dict[str, JsonValue]]) -> None:
        when_free(self.deployed.target, name, call)
        settled(self.deployed.target, name)

    def _environment(self) -> dict[str, JsonValue]:
        return {"Environment": {"Variables": {name: value or "" for name, value in self.deployed.variables.items()}}}


def _create_request(desired: Function) -> dict[str, JsonValue]:
    """Input of CreateFunction without its code and its variables."""
    request = desired.to_request()
    return {k: v for k, v in request.items() if k not in ("Code", "Environment")} | {"Publish": False}


def _update_request(desired: Function) -> dict[str, JsonValue]:
    """Input of UpdateFunctionConfiguration without its variables: what the spec does not name is reset."""
    return {"VpcConfig": VpcConfig().to_json(), **desired.settings()}


def _new_code(desired: Function) -> str:
    if desired.package_type == "Zip":
        return "a zip"
    return desired.image if desired.digest else "an image that is not pushed yet"


def _check_package_type(desired: Function, current: Function) -> None:
    if desired.package_type != current.package_type:
        old, new = _PACKAGES[current.package_type], _PACKAGES[desired.package_type]
        message = f"lambda function {desired.name} consists of {old}, and Lambda cannot change it to {new}"
        raise StageError(message, help="set deploy.lambda.name to another name, or remove this one: mlspec destroy")


def _settings(desired: Function, current: Function) -> tuple[FieldChange, ...]:
    """Lambda always reports where the log goes; an emulator that does not cannot be compared."""
    new, old = (replace(function, vpc=(function.vpc or VpcConfig()).sorted) for function in (desired, current))
    settings = new.settings()
    if current.log_group is None:
        settings.pop("LoggingConfig", None)
    return differences(settings, old.settings())


def _code(desired: Function, current: Function) -> tuple[FieldChange, ...]:
    architectures: list[JsonValue] = [current.architecture] if current.architecture else []
    changes = differences({"Architectures": [desired.architecture]}, {"Architectures": architectures})
    if desired.package_type == "Zip":
        if not desired.sha256:
            return (FieldChange("~", "code", new="a zip that is not built yet"), *changes)
        return (*differences({"CodeSha256": desired.sha256}, {"CodeSha256": current.sha256}), *changes)
    if current.digest == desired.digest:
        return changes
    new = desired.digest or "an image that is not pushed yet"
    return (FieldChange("~", "image", current.digest or None, new), *changes)
