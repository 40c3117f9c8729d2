"""The repository in Amazon ECR: its settings as they are there against those of `ecr/*.json`."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from mlspec.aws import ecr as settings
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.change import RemoteChange
from mlspec.aws.converge import SOURCE, ConvergeStep, ours, pairs, sourced, unpaired
from mlspec.aws.error_messages import code_of
from mlspec.errors import StageError
from mlspec.sections.registry import Ecr

Json = dict[str, Any]


def steps(target: AwsTarget, ecr: Ecr, project: str, on_lambda: bool) -> list[ConvergeStep]:
    """What makes the repository as wanted; `ecr` names its account."""
    wanted = settings.create_repository(ecr, project)
    wanted["tags"] = pairs(sourced(unpaired(wanted["tags"]), target.source))
    client, name = target.client("ecr"), {"repositoryName": ecr.repository}
    found = read(target, ecr.repository)
    if found is None:
        made = RemoteChange("+", resource(ecr.repository), new=settings.image_uri(ecr))
        first = [ConvergeStep((made,), partial(client.create_repository, **wanted))]
    else:
        _owned(target, found, project)
        first = [*_tagged(target, found), *_settings(client, name, wanted, found)]
    return first + _lifecycle(client, name, ecr) + _policy(client, name, settings.repository_policy(ecr, on_lambda))


def resource(name: str) -> str:
    """What a person calls it."""
    return f"ecr repository {name}"


def read(target: AwsTarget, name: str) -> Json | None:
    """The repository as AWS describes it; None where there is none."""
    from botocore.exceptions import ClientError

    try:
        found: list[Json] = target.client("ecr").describe_repositories(repositoryNames=[name])["repositories"]
    except ClientError as error:
        if code_of(error) == "RepositoryNotFoundException":
            return None
        raise
    return found[0] if found else None


def tags_of(target: AwsTarget, found: Json) -> dict[str, str]:
    """Tags of a repository that was read."""
    return unpaired(target.client("ecr").list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"])


def _owned(target: AwsTarget, found: Json, project: str) -> None:
    """Refuse another project's."""
    arn = found["repositoryArn"]
    command = f"aws ecr tag-resource --resource-arn {arn} --tags Key={{}},Value={{}}"
    ours(resource(found["repositoryName"]), tags_of(target, found), project, command, target)


def _tagged(target: AwsTarget, found: Json) -> list[ConvergeStep]:
    """One that was made by an earlier mlspec, or before there was a remote, gets the project's address."""
    there = tags_of(target, found).get(SOURCE)
    if not target.source or there == target.source:
        return []
    change = RemoteChange("~", resource(found["repositoryName"]), SOURCE, there, target.source)
    tag = {"resourceArn": found["repositoryArn"], "tags": pairs({SOURCE: target.source})}
    return [ConvergeStep((change,), partial(target.client("ecr").tag_resource, **tag))]


def _settings(client: Any, name: Json, wanted: Json, found: Json) -> list[ConvergeStep]:
    made: list[ConvergeStep] = []
    what = resource(name["repositoryName"])
    key = "imageTagMutability"
    if found.get(key) != wanted[key]:
        change = RemoteChange("~", what, key, found.get(key), wanted[key])
        made.append(ConvergeStep((change,), partial(client.put_image_tag_mutability, **name, **{key: wanted[key]})))
    scan = wanted["imageScanningConfiguration"]
    if (found.get("imageScanningConfiguration") or {}).get("scanOnPush", False) != scan["scanOnPush"]:
        change = RemoteChange("~", what, "scanOnPush", not scan["scanOnPush"], scan["scanOnPush"])
        act = partial(client.put_image_scanning_configuration, **name, imageScanningConfiguration=scan)
        made.append(ConvergeStep((change,), act))
    _encryption(what, wanted["encryptionConfiguration"], found.get("encryptionConfiguration") or {})
    return made


def _encryption(what: str, wanted: Json, found: Json) -> None:
    """How a repository is encrypted is settled when it is made."""
    if found.get("encryptionType", "AES256") == wanted["encryptionType"] and (
        "kmsKey" not in wanted or found.get("kmsKey") == wanted["kmsKey"]
    ):
        return
    message = (
        f"{what} is encrypted with {found.get('kmsKey') or found.get('encryptionType')}, and AWS cannot change that"
    )
    raise StageError(message, help="give the repository another name, or set registry.ecr.kms_key to what is there")


def _lifecycle(client: Any, name: Json, ecr: Ecr) -> list[ConvergeStep]:
    wanted = settings.lifecycle(ecr)
    text = _read(client.get_lifecycle_policy, name, "lifecyclePolicyText")
    put = partial(client.put_lifecycle_policy, **name, lifecyclePolicyText=json.dumps(wanted))
    return _document(resource(ecr.repository), "lifecycle policy", "rules", text, wanted, put)


def _policy(client: Any, name: Json, wanted: Json | None) -> list[ConvergeStep]:
    text = _read(client.get_repository_policy, name, "policyText")
    what = resource(name["repositoryName"])
    if wanted is None:
        gone = RemoteChange("-", what, "policy", old=_brief(text, "Statement"))
        return [ConvergeStep((gone,), partial(client.delete_repository_policy, **name))] if text else []
    put = partial(client.set_repository_policy, **name, policyText=json.dumps(wanted))
    return _document(what, "policy", "Statement", text, wanted, put)


def _read(call: Any, name: Json, key: str) -> str:
    """A document of the repository; "" where there is none, or no repository."""
    from botocore.exceptions import ClientError

    try:
        return str(call(**name)[key])
    except ClientError as error:
        if code_of(error).endswith("NotFoundException"):
            return ""
        raise


def _document(what: str, kind: str, key: str, text: str, wanted: Json, put: Any) -> list[ConvergeStep]:
    """A policy is put as a whole; a person is shown what its rules are for."""
    if text and json.loads(text) == wanted:
        return []
    change = RemoteChange("~" if text else "+", what, kind, _brief(text, key) or None, _brief(json.dumps(wanted), key))
    return [ConvergeStep((change,), put)]


def _brief(text: str, key: str) -> str:
    """What the rules or statements of a policy say they are for."""
    if not text:
        return ""
    found = json.loads(text).get(key, [])
    return ", ".join(str(rule.get("description") or rule.get("Sid") or "unnamed") for rule in found)
