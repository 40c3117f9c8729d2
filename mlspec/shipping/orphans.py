"""What an earlier spec of the project created and no environment of the present one names, found by its tags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pydantic import JsonValue

from mlspec.aws.action import Action, Executor, ResourceKind, delete, unexpected
from mlspec.aws.aws_target import IMPATIENT, AwsTarget
from mlspec.aws.error_messages import code_of
from mlspec.aws.function import read_function
from mlspec.aws.image_retention import ImageTagProvider, running_functions
from mlspec.aws.log_group import LogGroupProvider
from mlspec.aws.metric_alarm import MetricAlarmProvider
from mlspec.aws.ownership import existing_stack, foreign
from mlspec.aws.published_version import LATEST, VersionProvider
from mlspec.aws.resources import history_group
from mlspec.aws.role import RoleProvider
from mlspec.aws.tagged_resources import TaggedResource, tagged_resources
from mlspec.cloudformation.existing_stack import delete as delete_stack
from mlspec.shipping.removal import Removal, ResourcePlace, bucket_removal, count, data_providers, repository_removal
from mlspec.shipping.spec_names import SpecNames

NOT_ASKED: Final = "no environment of the spec names it; --orphans removes it too"
_ORDER: Final[tuple[ResourceKind, ...]] = (
    "stack", "function", "http-api", "alarm", "role", "log-group", "repository", "bucket",
)  # fmt: skip
"""A function goes before its log group, which is how its role is found after an interruption."""
_RETAINED: Final = ("log-group", "repository", "bucket")
"""What a stack keeps when it is deleted."""
_FOUNDATION: Final = "--images removes it too, and the repository with all its images"
_GROUPS: Final = ("/aws/lambda/", history_group(""))
"""What stands before a function's name in those of its log groups."""


@dataclass(frozen=True)
class Orphans:
    """The search for them in the account and region of `place`. With `remove` they are removed."""

    place: ResourcePlace
    names: SpecNames
    remove: bool = False
    images: bool = False

    def find(self) -> list[Removal]:
        """Their removals, in order."""
        tagged = tagged_resources(replace(self.place.target, patience=IMPATIENT), self.place.project)
        unnamed = [one for one in tagged if not self._is_named(one)]
        functions = self._functions(unnamed)
        roles = [TaggedResource("role", name, {}) for name in functions]
        ordered = sorted((*unnamed, *roles), key=lambda one: (_ORDER.index(one.kind), _is_foundation(one), one.name))
        removals = [removal for one in ordered for removal in self._removal(one, functions)]
        if self.remove:
            return removals
        return [replace(one, kept=NOT_ASKED) for one in removals]

    def _is_named(self, one: TaggedResource) -> bool:
        """Whether an environment names it, or the stack that it belongs to."""
        stack = existing_stack(one.tags, self.place.target)
        if stack and (stack in self.names.stacks or one.kind not in _RETAINED):
            return True  # of a stack that is an orphan itself, it goes with that
        if one.kind == "http-api":
            return self._api_name(one.name) in (*self.names.functions, "")
        return one.name in self.names.of[one.kind]

    def _api_name(self, id: str) -> str:
        """The name of an API, "" for one that is gone."""
        from botocore.exceptions import ClientError

        try:
            return str(self.place.target.client("apigatewayv2").get_api(ApiId=id)["Name"])
        except ClientError as error:
            if code_of(error) == "NotFoundException":
                return ""
            raise

    def _functions(self, unnamed: list[TaggedResource]) -> list[str]:
        """The names of functions that are there, or were: what is left of one has its name."""
        names = [one.name for one in unnamed if one.kind == "function"]
        groups = [one.name for one in unnamed if one.kind == "log-group"]
        left = [name.removeprefix(before) for before in _GROUPS for name in groups if name.startswith(before)]
        return sorted({*names, *left} - self.names.functions)

    def _removal(self, one: TaggedResource, functions: list[str]) -> Iterable[Removal]:
        """Whether it exists is asked again: the list of tagged resources lags behind."""
        match one.kind:
            case "function":
                return self._function(one.name)
            case "role":
                return self._role(one.name)
            case "log-group":
                return self._log_group(one.name)
            case "repository":
                return repository_removal(self.place, one.name, functions, images=self.images)
            case "bucket":
                return bucket_removal(self.place, one.name)
            case _:
                kept = _FOUNDATION if _is_foundation(one) and not self.images else ""
                arguments: dict[str, JsonValue] = {"AlarmNames": [one.name]} if one.kind == "alarm" else {}
                arguments |= {"ApiId": one.name} if one.kind == "http-api" else {}
                return [Removal(delete(one.kind, one.name, None, arguments), kept=kept)]

    def _function(self, name: str) -> Iterator[Removal]:
        if function := read_function(self.place.target, name):
            versions = [one for one in VersionProvider(self.place.target).read(name) if one != LATEST]
            kept = self._foreign(function.tags)
            yield Removal(delete("function", name, None, {}), count(len(versions), "version"), kept)

    def _role(self, name: str) -> Iterator[Removal]:
        """The role of a function has its name."""
        role = RoleProvider(self.place.target, parts=False).read(name)
        if role and not self._foreign(role.tags) and not existing_stack(role.tags, self.place.target):
            yield Removal(delete("role", name, None, {}))

    def _log_group(self, name: str) -> Iterator[Removal]:
        if group := LogGroupProvider(self.place.target).read(name):
            kept = self._foreign(group.tags)
            yield Removal(delete("log-group", name, None, {}), f"{group.size_bytes} bytes", kept)

    def _foreign(self, tags: Mapping[str, str]) -> str:
        return foreign(tags, self.place.project, self.place.target.owner)


def _is_foundation(one: TaggedResource) -> bool:
    return one.kind == "stack" and one.name.endswith("-foundation")


@dataclass(frozen=True)
class _Deletion:
    """Deletes a function, an API or a stack of which the spec has no settings."""

    target: AwsTarget

    def apply(self, action: Action) -> None:
        match action.kind:
            case "function":
                self.target.client("lambda").delete_function(FunctionName=action.name)
            case "http-api":
                self.target.client("apigatewayv2").delete_api(**action.arguments)
            case "stack":
                delete_stack(self.target, action.name)
            case _:
                raise unexpected(action)


def providers(place: ResourcePlace) -> dict[ResourceKind, Executor]:
    """Who removes orphans of each kind."""
    deletion = _Deletion(place.target)
    return {
        "stack": deletion,
        "function": deletion,
        "http-api": deletion,
        "alarm": MetricAlarmProvider(place.target, "", place.project),
        "role": RoleProvider(place.target),
        "log-group": LogGroupProvider(place.target),
        **data_providers(place),
    }


def gone_functions(place: ResourcePlace, repository: str, removed: Iterable[Removal]) -> list[str]:
    """The functions that no longer run images of a repository, although its tags name them: those that are removed
    before it, and those that do not exist."""
    tags = ImageTagProvider(place.target, "").read(repository)
    going = {one.action.name for one in removed if one.action.kind == "function" and not one.kept}
    names = running_functions(tags) if tags else []
    return [name for name in names if name in going or read_function(place.target, name) is None]
