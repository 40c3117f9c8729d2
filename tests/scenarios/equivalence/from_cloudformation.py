"""The resources of a template of CloudFormation, with every reference replaced by what it stands for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic import JsonValue

from tests.scenarios.equivalence.canonical import (
    ACCOUNT,
    API,
    SECRETS,
    VERSION,
    CanonicalResource,
    Key,
    archived,
    canonical,
)

Properties = Mapping[str, JsonValue]
REGION: Final = "eu-west-1"
_NAMES: Final = {
    "AWS::IAM::Role": "RoleName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::ECR::Repository": "RepositoryName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::ApiGatewayV2::Api": "Name",
    "AWS::IAM::OIDCProvider": "Url",
    "AWS::S3::Bucket": "BucketName",
    "AWS::S3::BucketPolicy": "Bucket",
}
"""Property with the name of a resource, where it has one."""
KEPT: Final = ("DeletionPolicy", "UpdateReplacePolicy")
"""Attributes that say whether the resource stays when it leaves the stack, or when another one replaces it."""
CONDITIONAL: Final = "Conditional"
"""Whether a parameter decides if the resource is created at all: an account may have it already."""
_SECRET: Final = re.compile(r"\{\{resolve:secretsmanager:cola/(\w+)\}\}")
"""A reference that CloudFormation replaces by the value when it deploys."""
_OF_AN_API: Final = ("AWS::ApiGatewayV2::Integration", "AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Stage")
_DROPPED: Final = ("FunctionName", "ApiId", "Qualifier", "TargetFunctionArn", "ApplicationName")
"""Properties that say which resource another one belongs to: they are part of its name."""


@dataclass(frozen=True)
class Template:
    """A template, and the values of its parameters."""

    resources: Mapping[str, Mapping[str, JsonValue]]
    parameters: Mapping[str, str]
    uploaded: Mapping[str, bytes]
    """Zips in buckets, by their keys."""
    resolved: dict[str, Properties] = field(default_factory=dict)
    """Properties without references, by the ids of the resources whose are known."""

    def canonical(self, only: Collection[str] | None = None) -> list[CanonicalResource]:
        """Its resources, or those of the ids in `only`, but for those whose condition does not hold."""
        ids = self.resources if only is None else only
        return [self._ordered(id) for id in ids if self._exists(self.resources[id])]

    def with_dependents(self, id: str) -> list[str]:
        """The resource of that id and all that refer to it, directly or not."""
        ids, left = {id}, [id]
        while left:
            of = left.pop()
            referring = {other for other, body in self.resources.items() if of in self._before(body)} - ids
            ids |= referring
            left += referring
        return sorted(ids)

    def _before(self, body: Mapping[str, JsonValue]) -> set[str]:
        explicit = body.get("DependsOn", [])
        return {*_references(body), *map(str, explicit if isinstance(explicit, list) else [explicit])}

    def _ordered(self, id: str) -> CanonicalResource:
        body = self.resources[id]
        named = frozenset(self._keys({one for one in _references(body) if one in self.resources}))
        explicit = body.get("DependsOn", [])
        listed = frozenset(self._keys(map(str, explicit if isinstance(explicit, list) else [explicit])))
        return replace(self._canonical(id), after=named | listed, explicitly_after=listed)

    def _keys(self, ids: Iterable[str]) -> Iterator[Key]:
        yield from ((self._type(id), self._name(id)) for id in ids)

    def _exists(self, body: Mapping[str, JsonValue]) -> bool:
        condition = body.get("Condition")
        return condition is None or self.parameters.get(str(condition)) == "true"

    def _canonical(self, id: str) -> CanonicalResource:
        type, properties = self._type(id), dict(self._properties(id))
        policy = self.resources[id].get("UpdatePolicy")
        if policy is not None:
            properties["UpdatePolicy"] = self._resolved(policy)
        if "Condition" in self.resources[id]:
            properties[CONDITIONAL] = True
        for name in KEPT:
            properties[name] = self.resources[id].get(name) in ("Retain", "RetainExceptOnCreate") or None
        own = {name: value for name, value in properties.items() if name not in _DROPPED and name != _NAMES.get(type)}
        if type in _OF_AN_API:
            assert properties["ApiId"] == API
        if type in ("AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Stage"):
            own = {name: value for name, value in own.items() if name not in ("RouteKey", "StageName", "Target")}
        if type == "AWS::Lambda::Function":
            own["Code"] = self._code(own["Code"])
        if type == "AWS::ECR::Repository" and isinstance(own.get("RepositoryPolicyText"), str):
            own["RepositoryPolicyText"] = str(own["RepositoryPolicyText"])
        return canonical(type, self._name(id), own)

    def _code(self, code: JsonValue) -> JsonValue:
        """A zip by its content and its bucket: the key is another one with each upload."""
        assert isinstance(code, dict)
        if "S3Key" not in code:
            return code
        other = {name: value for name, value in code.items() if name != "S3Key"}
        return {**other, **archived(self.uploaded[str(code["S3Key"])])}

    def _type(self, id: str) -> str:
        return str(self.resources[id]["Type"])

    def _properties(self, id: str) -> Properties:
        if id not in self.resolved:
            properties = self._resolved(self.resources[id].get("Properties", {}))
            assert isinstance(properties, dict)
            self.resolved[id] = properties
        return self.resolved[id]

    def _name(self, id: str) -> str:
        """What AWS or a person calls the resource, the same in all sources."""
        type = self._type(id)
        if type == "AWS::Budgets::Budget":
            budget = self._properties(id)["Budget"]
            assert isinstance(budget, dict)
            return str(budget["BudgetName"])
        if type in _NAMES:
            return str(self._properties(id)[_NAMES[type]])
        properties = self._properties(id)
        match type:
            case "AWS::Lambda::Alias":
                return f"{properties['FunctionName']}:{properties['Name']}"
            case "AWS::Lambda::Version":
                return str(properties["FunctionName"])
            case "AWS::Lambda::Url":
                return self._alias_of(str(properties["TargetFunctionArn"]), properties)
            case "AWS::Lambda::Permission":
                alias = self._alias_of(str(properties["FunctionName"]), properties)
                return f"{alias} {properties['Action']} by {properties['Principal']}"
            case "AWS::ApiGatewayV2::Route":
                assert properties["Target"] == "integrations/INTEGRATION"
                return f"{self._api()} {properties['RouteKey']}"
            case "AWS::ApiGatewayV2::Stage":
                return f"{self._api()} {properties['StageName']}"
            case "AWS::ApiGatewayV2::Integration":
                return self._api()
        return type.rsplit("::", 1)[-1]

    def _alias_of(self, function: str, properties: Properties) -> str:
        """`NAME:ALIAS`, from the ARN of an alias or from a name with a qualifier."""
        name = function.rpartition(":function:")[2]
        return f"{name}:{properties['Qualifier']}" if "Qualifier" in properties else name

    def _api(self) -> str:
        [id] = [id for id in self.resources if self._type(id) == "AWS::ApiGatewayV2::Api"]
        return self._name(id)

    def _resolved(self, value: JsonValue) -> JsonValue:
        if isinstance(value, list):
            return [self._resolved(inner) for inner in value]
        if isinstance(value, str):
            return _SECRET.sub(lambda match: SECRETS[match[1]], value)
        if not isinstance(value, dict):
            return value
        match value:
            case {"Ref": str(id), **rest} if not rest:
                return self._reference(id)
            case {"Fn::GetAtt": [str(id), str(attribute)], **rest} if not rest:
                return self._attribute(id, attribute)
            case {"Fn::Sub": [str(text), dict(values)], **rest} if not rest:
                return re.sub(r"\$\{(\w+)\}", lambda match: str(values[match[1]]), text)
            case {"Fn::Sub": str(text), **rest} if not rest:
                return re.sub(r"\$\{([\w:.]+)\}", self._substitute, text)
            case {"Fn::If": [str(condition), then, otherwise], **rest} if not rest:
                both = self._resolved(then), self._resolved(otherwise)
                assert self.parameters[condition] == "true", condition
                assert both[0] == both[1], "the stack's own resource and the account's have one name"
                return both[0]
            case {"Fn::Join": [str(separator), list(parts)], **rest} if not rest:
                return separator.join(str(self._resolved(part)) for part in parts)
        return {key: self._resolved(inner) for key, inner in value.items()}

    def _substitute(self, match: re.Match[str]) -> str:
        id, dot, attribute = match[1].partition(".")
        return str(self._attribute(id, attribute) if dot else self._reference(id))

    def _reference(self, id: str) -> str:
        pseudo = {
            "AWS::AccountId": ACCOUNT,
            "AWS::Region": REGION,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
        }
        if id in pseudo:
            return pseudo[id]
        if id in self.parameters:
            return self.parameters[id]
        match self._type(id):
            case "AWS::Lambda::Alias":
                return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self._name(id)}"
            case "AWS::ApiGatewayV2::Api":
                return API
            case "AWS::ApiGatewayV2::Integration":
                return "INTEGRATION"
            case "AWS::IAM::OIDCProvider":
                return f"arn:aws:iam::{ACCOUNT}:oidc-provider/{self._name(id).removeprefix('https://')}"
        return self._name(id)

    def _attribute(self, id: str, attribute: str) -> str:
        match self._type(id), attribute:
            case "AWS::IAM::Role", "Arn":
                return f"arn:aws:iam::{ACCOUNT}:role/{self._name(id)}"
            case "AWS::Lambda::Version", "Version":
                return VERSION
            case "AWS::Lambda::Function", "Arn":
                return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self._name(id)}"
        raise AssertionError(f"{self._type(id)} has no attribute {attribute} here")


def _references(value: JsonValue | Mapping[str, JsonValue]) -> Iterator[str]:
    """The ids that a value refers to, parameters and pseudo parameters among them."""
    match value:
        case {"Ref": str(id)}:
            yield id
        case {"Fn::GetAtt": [str(id), _]}:
            yield id
        case {"Fn::Sub": [str(text), dict(values)]}:
            yield from re.findall(r"\$\{(\w+)", text)
            yield from _references(values)
        case {"Fn::Sub": str(text)}:
            yield from re.findall(r"\$\{(\w+)", text)
        case dict():
            for inner in value.values():
                yield from _references(inner)
        case list():
            for inner in value:
                yield from _references(inner)


def from_template(
    document: JsonValue, parameters: Mapping[str, str], uploaded: Mapping[str, bytes]
) -> list[CanonicalResource]:
    """The resources of a template in its long form; `uploaded` are the zips that it refers to, by their keys."""
    return template(document, parameters, uploaded).canonical()


def template(document: JsonValue, parameters: Mapping[str, str], uploaded: Mapping[str, bytes]) -> Template:
    """A template in its long form."""
    assert isinstance(document, dict)
    resources = document["Resources"]
    assert isinstance(resources, dict)
    bodies = {id: body for id, body in resources.items() if isinstance(body, dict)}
    return Template(bodies, parameters, uploaded)
