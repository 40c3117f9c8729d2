"""A function and everything around it, in the order in which it is created: what would change, and the change itself.

The providers are listed here once. A plan is a value: `plan` only reads, and a deployment executes the actions that it
returned, each through the provider of its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from pydantic import JsonValue

from mlspec.aws import alias
from mlspec.aws.action import Action, Executor, FieldChange, Provider, ResourceKind, create, execute
from mlspec.aws.alias import Alias
from mlspec.aws.alias_permissions import AliasPermissionProvider, public
from mlspec.aws.concurrency import ProvisionedConcurrencyProvider, ReservedConcurrencyProvider
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.function import FunctionProvider, read_function
from mlspec.aws.function_url import FunctionUrlProvider
from mlspec.aws.http_api import HttpApiProvider
from mlspec.aws.image_retention import ImageTagProvider
from mlspec.aws.log_group import LogGroupProvider
from mlspec.aws.published_version import VersionProvider, current_version, publish_action
from mlspec.aws.release_events import ReleaseHistory, history_group
from mlspec.aws.resources import ImageTags
from mlspec.aws.role import RoleProvider
from mlspec.shipping.rollback import not_redeployed, rolled_back_by_hand

R = TypeVar("R")
Say = Callable[[str], object]
_NEW = "the new version"


@dataclass(frozen=True)
class DeploymentPlan:
    """Everything that a deployment changes. `number` is the version to roll out, None where one is to be published."""

    live: Alias | None
    number: str | None
    function: tuple[Action, ...]
    """The function and what it needs to run. Clients notice none of it before a version is published."""
    alias: tuple[Action, ...]
    """What belongs to the alias: the address, who may use it, and the provisioned concurrency."""
    tags: tuple[Action, ...]
    """What keeps the images of the new and the live version from expiring."""
    roll_out: tuple[Action, ...]
    publish: tuple[Action, ...] = ()
    expired: tuple[Action, ...] = ()
    """Tags of versions that are neither live nor were before; only once the new version is live."""

    @property
    def actions(self) -> tuple[Action, ...]:
        """All of them in the order of their execution: of a first deployment, the alias is created before its parts."""
        if self.live is None:
            return (*self.function, *self.publish, *self.tags, *self.roll_out, *self.alias)
        return (*self.function, *self.publish, *self.alias, *self.tags, *self.roll_out, *self.expired)


@dataclass(frozen=True)
class Deployment:
    """The deployment of one function."""

    desired: DesiredFunction

    @property
    def providers(self) -> Mapping[ResourceKind, Executor]:
        """Who executes the actions of each kind; versions and the alias are those of the rollout."""
        target, name = self.desired.target, self.desired.alias
        return {
            "role": RoleProvider(target),
            "log-group": LogGroupProvider(target),
            "function": FunctionProvider(self.desired),
            "reserved-concurrency": ReservedConcurrencyProvider(target),
            "function-url": FunctionUrlProvider(target, name),
            "permission": AliasPermissionProvider(target, name),
            "http-api": self._http_api,
            "provisioned-concurrency": ProvisionedConcurrencyProvider(target, name),
            "image-tag": ImageTagProvider(target, self.desired.name),
        }

    @property
    def _http_api(self) -> HttpApiProvider:
        desired = self.desired
        return HttpApiProvider(desired.target, desired.spec.location, desired.alias, desired.project)

    def execute(self, actions: Iterable[Action], say: Say) -> int:
        """Execute actions in order; returns their number."""
        return execute(actions, self.providers, say)

    def plan(self) -> DeploymentPlan:
        """What a deployment would change. Changes nothing; an image that is still to be pushed has no digest yet."""
        live, function = self.live(), self.function_actions()
        changed = any(action.kind == "function" and action.operation != "tag" for action in function)
        number = None if changed else self.version(live)
        roll_out = self._roll_out(live, number)
        moves = any(not action.held for action in roll_out)
        return DeploymentPlan(
            live=live,
            number=number,
            function=tuple(function),
            publish=() if number else (publish_action(self.desired.name),),
            alias=tuple(self.alias_actions()),
            tags=tuple(self._tag_actions(number, live)),
            roll_out=tuple(roll_out),
            expired=tuple(self._expired(number, live)) if live and moves else (),
        )

    def function_actions(self) -> list[Action]:
        """What gives the function and what it needs to run its desired state."""
        target, spec = self.desired.target, self.desired.spec
        role, groups = spec.role(), LogGroupProvider(target)
        history = groups.read(history_group(spec.name))
        return [
            *(_diff(RoleProvider(target), role.name, role) if role else ()),
            *_diff(groups, spec.log_group_name, spec.log_group()),
            *(groups.diff_tags(spec.log_group(), history) if history else ()),
            *_diff(FunctionProvider(self.desired), spec.name, self.desired.function()),
            *_diff(ReservedConcurrencyProvider(target), spec.name, spec.reserved()),
        ]

    def alias_actions(self) -> list[Action]:
        """What gives the address and the provisioned concurrency their desired state."""
        target, spec, name = self.desired.target, self.desired.spec, self.desired.alias
        url = spec.url()
        permissions = public(spec.name, name) if url and url.auth == "NONE" else None
        return [
            *_diff(FunctionUrlProvider(target, name), spec.name, url),
            *_diff(AliasPermissionProvider(target, name), spec.name, permissions),
            *_diff(self._http_api, spec.name, spec.api()),
            *_diff(ProvisionedConcurrencyProvider(target, name), spec.name, spec.provisioned()),
        ]

    def tag_actions(self, *numbers: str | None, release: bool) -> list[Action]:
        """What keeps the images of these versions from expiring; with `release`, of no others. Lambda keeps zips."""
        if not self.desired.image:
            return []
        repository, name = self.desired.spec.repository, self.desired.name
        digests = {number: self.digest(number) for number in numbers if number is not None}
        provider = ImageTagProvider(self.desired.target, name, release)
        return provider.diff(ImageTags(repository, name, digests), provider.read(repository))

    def _tag_actions(self, number: str | None, live: Alias | None) -> list[Action]:
        known = self.tag_actions(number, live.version if live else None, release=False)
        if number is not None or not self.desired.image:
            return known
        return [create("image-tag", f"of {_NEW}", self.desired.digest or None, {}), *known]

    def _expired(self, number: str | None, live: Alias) -> list[Action]:
        actions = self.tag_actions(number, live.version, release=True)
        return [action for action in actions if action.operation == "delete"]

    def _roll_out(self, live: Alias | None, number: str | None) -> list[Action]:
        action = Action("alias", self.desired.alias, "roll-out", (FieldChange("+", new=number or _NEW),))
        if live is None:
            return [action]
        if live.version == number and live.other is None:
            return []
        if number not in (None, live.other):
            events = ReleaseHistory(self.desired.target, self.desired.name).read()
            if event := rolled_back_by_hand(events, str(number)):
                return [replace(action, changes=(FieldChange("~"),), held=not_redeployed(event, str(number)))]
        return [replace(action, changes=(FieldChange("~", "version", _shares(live), number or _NEW),))]

    def live(self) -> Alias | None:
        """The alias as it is; None before the first deployment."""
        return alias.read(self.desired.target, self.desired.name, self.desired.alias)

    def version(self, live: Alias | None) -> str | None:
        """The published version that equals the function as it is; None where there is none."""
        return current_version(VersionProvider(self.desired.target).read(self.desired.name), live)

    def publish(self, description: str, say: Say) -> str:
        """Publish the function as it is; returns the version's number."""
        number = VersionProvider(self.desired.target).publish(self.desired.name, description)
        say(f"+ lambda version of {self.desired.name}: {number}")
        return number

    def url(self) -> str | None:
        """Where clients reach it; None where it has no address."""
        target, name = self.desired.target, self.desired.name
        if url := FunctionUrlProvider(target, self.desired.alias).read(name):
            return url.url
        api = replace(self._http_api, parts=False).read(name)
        return api.endpoint if api else None

    def digest(self, number: str) -> str:
        """Digest of the image that a version runs; "" where it runs none."""
        function = read_function(self.desired.target, self.desired.name, number)
        return function.digest if function else ""


def _shares(live: Alias) -> JsonValue:
    """The live version, or while the traffic is split each with its share."""
    return {live.version: 1 - live.weight, live.other: live.weight} if live.other else live.version


def _diff(provider: Provider[R], name: str, desired: R | None) -> list[Action]:
    return provider.diff(desired, provider.read(name))
