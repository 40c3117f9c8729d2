"""Rights in the account: the statements of every policy that the project has, each where a reader finds it."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from mlspec.audit.audit_entry import AuditEntry
from mlspec.aws.policy_document import PolicyDocument, Statement
from mlspec.parts.all_parts import PARTS
from mlspec.parts.optional_part import OptionalPart
from mlspec.parts.tool_policy import ToolPolicy
from mlspec.render.renderer import RenderedFile
from mlspec.sections.delivery_tool import delivery_tool
from mlspec.spec.project import Project

_Policies = Callable[[Project], Iterable[ToolPolicy]]


def entries(project: Project, files: Iterable[RenderedFile]) -> Iterator[AuditEntry]:
    """The statements of the policies. A delivery tool has its own in its files, and uses none of the others."""
    texts = {file.path: file.text for file in files}
    policies = _of_tool(project) if delivery_tool(project).creates else of_files(texts)
    ends: dict[str, int] = {}
    for policy in policies:
        text = texts.get(policy.file, "")
        for statement in policy.document.statements:
            line, ends[policy.file] = _place(text, statement, ends.get(policy.file, 0))
            if statement.effect == "Allow":
                yield _entry(statement, policy.file, line)


def of_files(texts: dict[str, str]) -> Iterator[ToolPolicy]:
    """The policies that are files of their own."""
    for path, text in texts.items():
        if path.endswith(".json") and '"Statement"' in text and "Statement" in (document := json.loads(text)):
            yield ToolPolicy(path, PolicyDocument.parse(document))


def _of_tool(project: Project) -> Iterable[ToolPolicy]:
    tool = delivery_tool(project).name
    path = next((part.POLICIES for part in PARTS if isinstance(part, OptionalPart) and tool == part.NAME), "")
    module, _, name = path.partition(":")
    function: _Policies = getattr(importlib.import_module(module), name)
    return function(project)


def _place(text: str, statement: Statement, start: int) -> tuple[int, int]:
    """The line of a statement in JSON, YAML or HCL, and where to search for the next one: a file has them in order."""
    action = next(iter(statement.actions), "")
    key, value = ("Sid", statement.sid) if statement.sid else ("Action", action)
    match = re.compile(rf"\b{key}\b\W+{re.escape(value)}\b").search(text, start)
    return (text.count("\n", 0, match.start()) + 1, match.end()) if match is not None else (1, start)


def _entry(statement: Statement, file: str, line: int) -> AuditEntry:
    actions, resources, sid = statement.actions, _texts(statement.resource), statement.sid
    who = "" if resources else f"for {json.dumps(statement.to_json().get('Principal'), sort_keys=True)}"
    # Some actions have no resource (ecr:GetAuthorizationToken), and a condition may limit the others.
    everything = any(action in ("*", "*:*") or action.endswith(":*") for action in actions)
    everywhere = "*" in resources and not statement.condition and not all(map(_without_resource, actions))
    rule = "wildcard-permission" if everything or everywhere else ""
    detail = " ".join(filter(None, (f"on {', '.join(resources)}" if resources else who, f"({sid})" if sid else "")))
    return AuditEntry("permission", ", ".join(actions), file, line, detail, rule, "warning" if rule else "note")


def _without_resource(action: str) -> bool:
    """Whether an action of AWS cannot be limited to a resource (AWS's service authorization reference)."""
    service, _, name = action.partition(":")
    return action in _NO_RESOURCE or (service in ("ec2", "cloudwatch") and name.startswith(("Describe", "Get", "List")))


_NO_RESOURCE: Final = frozenset({
    "cloudformation:GetTemplateSummary", "cloudformation:ValidateTemplate", "cloudwatch:GetMetricData",
    "cloudwatch:PutMetricData", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ecr:GetAuthorizationToken", "logs:DescribeLogGroups", "sts:GetCallerIdentity", "tag:GetResources",
    "xray:PutTelemetryRecords", "xray:PutTraceSegments",
})  # fmt: skip


def _texts(value: str | tuple[str, ...]) -> Sequence[str]:
    return [value] if isinstance(value, str) and value else list(value)
