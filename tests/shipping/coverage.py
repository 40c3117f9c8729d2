"""Which Action of a plan shows a call that changes an account."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from mlspec.aws.action import Action, ResourceKind
from mlspec.aws.known_after_apply import SHOWN
from tests.shipping.cloud import READS, Calls

Shown = tuple[ResourceKind, tuple[str, ...], str]
"""Kind and operations of the actions that show a call, and the parameter that is part of the action's name."""

ANY: Final = ""
SHOWN_BY: Final[dict[str, tuple[Shown, ...]]] = {
    "CreateRepository": (("repository", ("create",), "repositoryName"),),
    "PutLifecyclePolicy": (("repository", ("set-lifecycle",), "repositoryName"),),
    "SetRepositoryPolicy": (("repository", ("set-policy",), "repositoryName"),),
    "PutImage": (("image", ("push",), "imageTag"), ("image-tag", ("create",), "imageTag")),
    "BatchDeleteImage": (("image-tag", ("delete",), "imageIds"),),
    "CreateRole": (("role", ("create",), "RoleName"),),
    "PutRolePolicy": (("role", ("create", "set-rights"), "RoleName"),),
    "CreateLogGroup": (("log-group", ("create",), "logGroupName"),),
    "PutRetentionPolicy": (("log-group", ("create", "set-retention"), "logGroupName"),),
    "CreateLogStream": (("release-history", ("create",), "logGroupName"),),
    "PutLogEvents": (("release-history", ("record",), "logGroupName"),),
    "CreateFunction": (("function", ("create",), "FunctionName"),),
    "UpdateFunctionConfiguration": (("function", ("set-settings",), "FunctionName"),),
    "UpdateFunctionCode": (("function", ("set-code",), "FunctionName"),),
    "PublishVersion": (("version", ("publish",), "FunctionName"),),
    "CreateAlias": (("alias", ("create",), "Name"),),
    "UpdateAlias": (("alias", ("move",), "Name"),),
    "PutFunctionConcurrency": (("reserved-concurrency", ("set",), "FunctionName"),),
    "CreateFunctionUrlConfig": (("function-url", ("create",), "FunctionName"),),
    "DeleteFunctionUrlConfig": (("function-url", ("delete",), "FunctionName"),),
    "AddPermission": (("permission", ("create",), "FunctionName"),),
    "RemovePermission": (("permission", ("delete",), "FunctionName"),),
    "CreateApi": (("http-api", ("create",), "Name"),),
    "CreateIntegration": (("http-api", ("create", "create-integration"), ANY),),
    "CreateRoute": (("http-api", ("create", "create-route"), ANY),),
    "CreateStage": (("http-api", ("create", "create-stage"), ANY),),
    "PutMetricAlarm": (("alarm", ("create", "set"), "AlarmName"),),
    "DeleteAlarms": (("alarm", ("delete",), "AlarmNames"),),
    "PutObject": (("function", ("create", "set-code"), ANY),),
    "DeleteObject": (("function", ("create", "set-code"), ANY),),
}


def not_shown(calls: Calls, actions: Iterable[Action]) -> list[str]:
    """The changing calls that no action shows by resource and operation; of an alias, by its shares too."""
    planned = list(actions)
    changing = [
        (name, given) for _, name, given in calls.recorded if not name.startswith(READS) or name == "BatchDeleteImage"
    ]
    return [f"{name} {given}" for name, given in changing if not any(_shows(a, name, given) for a in planned)]


def _shows(action: Action, name: str, given: dict[str, Any]) -> bool:
    for kind, operations, parameter in SHOWN_BY.get(name, ()):
        if action.kind != kind or action.operation not in operations or action.held:
            continue
        if parameter and not _matches(action.name, str(given[parameter])):
            continue
        if kind != "alias" or _shares(action, given):
            return True
    return False


def _matches(planned: str, given: str) -> bool:
    """Whether the call names the resource of the plan, or a part of its name; `imageIds` are a list."""
    pattern = re.escape(planned).replace(re.escape(SHOWN), "[0-9]+")
    names = re.findall(r"'imageTag': '([^']+)'", given) or [given]
    return all(re.fullmatch(pattern, each) or each in re.split("[:/]", planned) for each in names)


def _shares(action: Action, given: dict[str, Any]) -> bool:
    planned = [action.arguments[name] for name in ("FunctionVersion", "RoutingConfig")]
    pattern = re.escape(str(planned)).replace(re.escape(SHOWN), "[0-9]+")
    return bool(re.fullmatch(pattern, str([given["FunctionVersion"], given["RoutingConfig"]])))
