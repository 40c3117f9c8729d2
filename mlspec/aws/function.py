"""The Lambda function: its settings and its image as they are there against those of `lambda/function.json`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from mlspec.aws import code_upload
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.change import RemoteChange
from mlspec.aws.cli_input import Function
from mlspec.aws.converge import ConvergeStep, differences, ours
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.error_messages import code_of, message_of
from mlspec.aws.function_failures import failure
from mlspec.aws.waiting import until
from mlspec.errors import StageError

Json = dict[str, Any]
SETTINGS: Final = (
    "Description", "Runtime", "Handler", "Role", "MemorySize", "Timeout", "EphemeralStorage", "ImageConfig",
    "LoggingConfig", "TracingConfig", "VpcConfig",
)  # fmt: skip
"""What UpdateFunctionConfiguration sets, but for the environment: its values are compared, and never shown."""
_EMPTY: Final[Json] = {"Description": "", "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []}}
"""How a setting is taken back that the spec does not name."""
_ROLE_SECONDS: Final = 60.0
"""A role that was just made is known to Lambda only after a while."""


def resource(name: str) -> str:
    """What a person calls it."""
    return f"lambda function {name}"


def read(target: AwsTarget, name: str, qualifier: str = "") -> Json | None:
    """`Configuration`, `Code`, `Tags`, `Concurrency`; None where there is no such function or version."""
    from botocore.exceptions import ClientError

    which = {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})
    try:
        found: Json = target.client("lambda").get_function(**which)
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return None
        raise
    return found


def digest(found: Json) -> str:
    """Digest of the image that a function or version runs; "" where it runs none."""
    code = found.get("Code", {})
    given = str(code.get("ResolvedImageUri") or code.get("ImageUri") or "")
    return given.rpartition("@")[2] if "@" in given else ""


def steps(wanted: DesiredFunction, found: Json | None) -> list[ConvergeStep]:
    """What makes the function as wanted, given what `read` found."""
    name, target = wanted.function.name, wanted.target
    if found is None:
        code = wanted.image if wanted.digest else "the image once it is pushed" if wanted.image else "a zip"
        made = RemoteChange("+", resource(name), new=code)
        return [ConvergeStep((made,), partial(_create, wanted))]
    config, arn = found["Configuration"], wanted.function.arn
    owned(target, wanted.function, found)
    _same_kind(wanted, config)
    steps: list[ConvergeStep] = []
    if changes := (*_settings(wanted, config), *_environment(wanted, config)):
        steps.append(ConvergeStep(changes, partial(_configure, wanted)))
    if changes := _code(wanted, found):
        steps.append(ConvergeStep(changes, partial(_update, wanted)))
    tags = wanted.input()["Tags"]
    if changes := differences(resource(name), tags, found.get("Tags", {})):
        steps.append(ConvergeStep(changes, partial(target.client("lambda").tag_resource, Resource=arn, Tags=tags)))
    return steps


def owned(target: AwsTarget, function: Function, found: Json) -> None:
    """Refuse to change another project's. Raises StageError."""
    command = f"aws lambda tag-resource --resource {function.arn} --tags {{}}={{}}"
    ours(resource(function.name), found.get("Tags", {}), function.info.name, command, target)


def _same_kind(wanted: DesiredFunction, config: Json) -> None:
    kinds = {"Image": "an image", "Zip": "a zip file"}
    is_, shall = config.get("PackageType", "Image"), wanted.input()["PackageType"]
    if is_ != shall:
        raise StageError(
            f"{resource(wanted.function.name)} is made of {kinds[is_]}, and cannot be given {kinds[shall]}",
            help="set deploy.lambda.name to another name, or remove this one: mlspec destroy",
        )


def _settings(wanted: DesiredFunction, config: Json) -> tuple[RemoteChange, ...]:
    given = {key: value for key, value in wanted.input().items() if key in SETTINGS}
    given = {**{key: value for key, value in _EMPTY.items() if config.get(key)}, **given}
    found = {**config, "ImageConfig": config.get("ImageConfigResponse", {}).get("ImageConfig", {})}
    if "LoggingConfig" not in config:  # Lambda always answers it; an emulator that does not cannot be compared
        given.pop("LoggingConfig", None)
    return differences(resource(wanted.function.name), given, {k: _part(given[k], found.get(k)) for k in given})


def _part(wanted: Any, found: Any) -> Any:
    """What of `found` is to be compared: AWS adds settings of its own, and keeps lists of ids in no order."""
    if not isinstance(wanted, Mapping) or not isinstance(found, Mapping):
        return found
    part = {key: found.get(key) for key in wanted}
    same = {k: wanted[k] for k, v in part.items() if isinstance(v, list) and sorted(v) == sorted(wanted[k])}
    return {**part, **{k: v for k, v in same.items() if k.endswith("Ids")}}


def _environment(wanted: DesiredFunction, config: Json) -> tuple[RemoteChange, ...]:
    """Names alone: a value may be a secret. One that is not set here, and set there, is taken as it is."""
    found, what = (config.get("Environment") or {}).get("Variables") or {}, resource(wanted.function.name)
    given = wanted.variables
    added = [RemoteChange("+", what, f"variable {name}") for name in given if name not in found]
    gone = [RemoteChange("-", what, f"variable {name}") for name in found if name not in given]
    other = [RemoteChange("~", what, f"variable {name}") for name, value in given.items()
             if name in found and value is not None and value != found[name]]  # fmt: skip
    return (*added, *other, *gone)


def _code(wanted: DesiredFunction, found: Json) -> tuple[RemoteChange, ...]:
    what, config = resource(wanted.function.name), found["Configuration"]
    changes = differences(what, {"Architectures": wanted.input()["Architectures"]}, config)
    if wanted.archive is not None:
        return (*differences(what, {"CodeSha256": wanted.archive.sha256}, config), *changes)
    if not wanted.image:
        return (RemoteChange("~", what, "code", new="the zip that is made then"), *changes)
    if digest(found) != wanted.digest:
        new = wanted.digest or "the one that is pushed then"
        changes = (RemoteChange("~", what, "image", digest(found) or None, new), *changes)
    return changes


def _create(wanted: DesiredFunction) -> None:
    client = wanted.target.client("lambda")

    def attempt() -> Json | None:
        from botocore.exceptions import ClientError

        try:
            made: Json = client.create_function(**wanted.input(), Code=code)
        except ClientError as error:
            if "cannot be assumed by Lambda" in message_of(error):
                return None
            raise
        return made

    with code_upload.code(wanted) as code:
        until(attempt, "Lambda to know the function's role", seconds=_ROLE_SECONDS)
        settled(wanted.target, wanted.function.name)


def _configure(wanted: DesiredFunction) -> None:
    name = wanted.function.name
    config = idle(wanted.target, name)
    given = {key: value for key, value in wanted.input().items() if key in (*SETTINGS, "Environment")}
    given = {**_EMPTY, "Environment": {"Variables": {}}, **given}
    if not config.get("VpcConfig") and not given["VpcConfig"]["SubnetIds"]:
        del given["VpcConfig"]  # to leave a network takes rights that one without a network need not have
    when_free(wanted.target, name, partial(wanted.target.client("lambda").update_function_configuration, **given))
    settled(wanted.target, name)


def _update(wanted: DesiredFunction) -> None:
    call, given = wanted.target.client("lambda").update_function_code, wanted.input()
    with code_upload.code(wanted) as code:
        change = partial(call, **code, Architectures=given["Architectures"])
        when_free(wanted.target, wanted.function.name, change)
        settled(wanted.target, wanted.function.name)


def when_free(target: AwsTarget, name: str, call: Callable[..., Json]) -> Json:
    """Change the function as soon as no other change of it is under way. Fails where somebody changes it meanwhile."""

    def attempt() -> Json | None:
        from botocore.exceptions import ClientError

        config = idle(target, name)
        try:
            return call(FunctionName=name, **revision(config))
        except ClientError as error:
            if code_of(error) == "ResourceConflictException" and "in progress" in message_of(error):
                return None
            raise

    return until(attempt, f"another change of {resource(name)} to end")


def revision(config: Json) -> Json:
    """The argument that makes a write fail which somebody else has overtaken."""
    return {"RevisionId": config["RevisionId"]} if config.get("RevisionId") else {}


def settled(target: AwsTarget, name: str, qualifier: str = "") -> Json:
    """The configuration once Lambda has made it ready. Raises StageError with Lambda's reason where it cannot."""
    config = idle(target, name, qualifier)
    if config.get("State") == "Failed":
        raise failure(resource(name), config.get("StateReasonCode", ""), config.get("StateReason", ""))
    if config.get("LastUpdateStatus") == "Failed":
        code, reason = config.get("LastUpdateStatusReasonCode", ""), config.get("LastUpdateStatusReason", "")
        raise failure(resource(name), code, reason)
    return config


def idle(target: AwsTarget, name: str, qualifier: str = "") -> Json:
    """The configuration once Lambda has done with it, well or not: what failed before can be mended by a change."""
    which = {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {})

    def look() -> Json | None:
        config: Json = target.client("lambda").get_function_configuration(**which)
        busy = config.get("State") == "Pending" or config.get("LastUpdateStatus") == "InProgress"
        return None if busy else config

    return until(look, f"{resource(name)} to become ready")
