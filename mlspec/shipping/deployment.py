"""A function and everything around it, in the order in which it is created: what would change, and the change itself.

The providers are listed here once. A plan is a value: `plan` only reads, and a deployment executes the actions that it
returned, each through the provider of its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from mlspec.aws import alias
from mlspec.aws.action import Action, Execution, Executor, FieldChange, Provider, ResourceKind
from mlspec.aws.alias import Alias, AliasProvider
from mlspec.aws.alias_permissions import AliasPermissionProvider, public
from mlspec.aws.concurrency import ProvisionedConcurrencyProvider, ReservedConcurrencyProvider
from mlspec.aws.desired import DesiredFunction
from mlspec.aws.function import FunctionProvider, read_function
from mlspec.aws.function_url import FunctionUrlProvider
from mlspec.aws.http_api import HttpApiProvider
from mlspec.aws.image_retention import ImageTagProvider
from mlspec.aws.known_after_apply import KnownAfterApply
from mlspec.aws.log_group import LogGroupProvider
from mlspec.aws.metric_alarm import MetricAlarmProvider, desired_alarms
from mlspec.aws.published_version import LATEST, NEXT, VersionProvider, current_version, publish_action
from mlspec.aws.release_events import Kind, ReleaseEvent, ReleaseHistory, record_action, rolled_back_by_hand
from mlspec.aws.resources import ImageTags, history_group
from mlspec.aws.role import RoleProvider
from mlspec.errors import StageError
from mlspec.sections.deploy import Rollout
from mlspec.shipping.rollout.rollout_plan import RolloutPlan, make_rollout_plan

R = TypeVar("R")
Say = Callable[[str], object]
_DIGEST: Final = KnownAfterApply("{digest}")
_DESCRIPTION: Final = KnownAfterApply("{description}")


@dataclass(frozen=True)
class DeploymentPlan:
    """Everything that a deployment changes. `version` is the one to roll out, known after apply where it is to be
    published."""

    live: Alias | None
    version: str
    function: tuple[Action, ...]
    """The function and what it needs to run, and its history. Clients notice none of it before a version is
    published."""
    alias: tuple[Action, ...]
    """What belongs to the alias: the address, who may use it, and the provisioned concurrency."""
    tags: tuple[Action, ...]
    """What keeps the images of the new and the live version from expiring."""
    roll_out: RolloutPlan
    publish: tuple[Action, ...] = ()
    expired: tuple[Action, ...] = ()
    """Tags of versions that are neither live nor were before; only once the new version is live."""
    recorded: bool = True
    """Whether the history has what led to the version."""

    @property
    def events(self) -> tuple[Action, ...]:
        """The events that are written to the history while the others are executed."""
        published: tuple[Kind, ...] = () if self.recorded else ("published",)
        kinds = (*published, *self.roll_out.kinds)
        return (record_action(self.roll_out.function, kinds),) if kinds else ()

    @property
    def actions(self) -> tuple[Action, ...]:
        """All of them in the order of their execution: of a first deployment, the alias is created before its parts."""
        first, rollout = (*self.function, *self.publish, *self.events), self.roll_out.actions
        if self.live is None:
            return (*first, *self.tags, *rollout, *self.alias)
        return (*first, *self.alias, *self.tags, *rollout, *self.expired)


@dataclass(frozen=True)
class Deployment:
    """The deployment of one function. `options` are those of `deploy.rollout`."""

    desired: DesiredFunction
    options: Rollout = field(default_factory=Rollout)

    @property
    def providers(self) -> Mapping[ResourceKind, Executor]:
        """Who executes the actions of each kind."""
        target, name = self.desired.target, self.desired.alias
        return {
            "role": RoleProvider(target),
            "log-group": LogGroupProvider(target),
            "release-history": self.history,
            "function": FunctionProvider(self.desired),
            "reserved-concurrency": ReservedConcurrencyProvider(target),
            "version": VersionProvider(target),
            "alias": self._aliases,
            "function-url": FunctionUrlProvider(target, name),
            "permission": AliasPermissionProvider(target, name),
            "http-api": self._http_api,
            "provisioned-concurrency": ProvisionedConcurrencyProvider(target, name),
            "image-tag": ImageTagProvider(target, self.desired.name),
            "alarm": MetricAlarmProvider(target, name, self.desired.project),
        }

    @property
    def history(self) -> ReleaseHistory:
        """The history of its releases."""
        return ReleaseHistory(self.desired.target, self.desired.name)

    @property
    def _aliases(self) -> AliasProvider:
        return AliasProvider(self.desired.target, self.desired.name)

    @property
    def _http_api(self) -> HttpApiProvider:
        desired = self.desired
        return HttpApiProvider(desired.target, desired.spec.location, desired.alias, desired.project)

    def execution(self, say: Say) -> Execution:
        """Executes the actions of its plan."""
        return Execution(self.providers, say)

    def plan(self, description: str = _DESCRIPTION) -> DeploymentPlan:
        """What a deployment would change. Changes nothing; an image that is still to be pushed has no digest yet. A new
        version is called `description`."""
        live, events = self.live(), self.history.find()
        if self.desired.tool.releases:
            return self._plan_of_delivered(live, events)
        function = self.function_actions()
        if live is None and self.desired.tool.creates:
            return self._plan_of_new_function(events)
        number = self._equal_version(function, live)
        version = number or NEXT
        roll_out = self._roll_out(live, version, events or [])
        known = [event.version for event in events or [] if event.kind == "published"]
        return DeploymentPlan(
            live=live,
            version=version,
            function=(*function, *self.history.diff(events)),
            publish=() if number else (publish_action(self.desired.name, description),),
            alias=tuple(self.alias_actions()),
            tags=tuple(self._tag_actions(version, live, release=False)),
            roll_out=roll_out,
            expired=tuple(self._expired(version, live)) if live and roll_out.promote else (),
            recorded=version in known,
        )

    def _plan_of_new_function(self, events: Sequence[ReleaseEvent] | None) -> DeploymentPlan:
        """What is left to do once another tool has created the function with the image, a version and the alias."""
        return DeploymentPlan(
            live=None,
            version=NEXT,
            function=tuple(self.history.diff(events)),
            alias=tuple(self.alias_actions()),
            tags=tuple(self._tag_actions(NEXT, None, release=False)),
            roll_out=RolloutPlan(self.options, self.desired.name, self.desired.alias, NEXT, None),
            recorded=False,
        )

    def _plan_of_delivered(self, live: Alias | None, events: Sequence[ReleaseEvent] | None) -> DeploymentPlan:
        """What is left to do once another tool has moved the alias to the new version: to record it, and to keep its
        image."""
        version = NEXT if live is None or self._undelivered() else live.version
        known = [event.version for event in events or [] if event.kind == "published"]
        return DeploymentPlan(
            live=live,
            version=version,
            function=tuple(self.history.diff(events)),
            alias=(),
            tags=tuple(self._delivered_tags(version, live)),
            roll_out=RolloutPlan(self.options, self.desired.name, self.desired.alias, version, live),
            recorded=version in known,
        )

    def _delivered_tags(self, version: str, live: Alias | None) -> list[Action]:
        """What keeps the images of that version and of the one before it from expiring."""
        if version == NEXT or live is None or not self.desired.image:
            return self._tag_actions(NEXT, live, release=True)
        versions = VersionProvider(self.desired.target).read(self.desired.name)
        earlier = [int(number) for number in versions if number != LATEST and int(number) < int(live.version)]
        numbers = [live.version, *([str(max(earlier))] if earlier else [])]
        return self._tags_of(numbers, release=True)

    def check_infrastructure(self) -> None:
        """Raise StageError where another tool creates the function, and has not brought it to the state of the spec."""
        name = self.desired.name
        help = f"apply the infrastructure first: mlspec apply --until {self.desired.tool.service}"
        if not self.desired.tool.creates:
            return
        if self.live() is None:
            raise StageError(
                f"lambda function {name} does not exist yet with its alias {self.desired.alias}", help=help
            )
        settings = [line for action in self._undelivered() for line in action.lines()]
        if settings:
            what = (
                "the stack does not run this release" if self.desired.tool.releases else "settings differ from the spec"
            )
            raise StageError(f"{what}: " + "; ".join(settings), help=help)

    def _undelivered(self) -> list[Action]:
        """What the tool that creates the function has still to change of it."""
        actions = _diff(FunctionProvider(self.desired), self.desired.name, self.desired.function())
        operations = ("set-settings", "set-code") if self.desired.tool.releases else ("set-settings",)
        return [action for action in actions if action.operation in operations]

    def function_actions(self) -> list[Action]:
        """What gives the function, what it needs to run and the log group of its history their desired state; where
        another tool creates them, its code."""
        target, spec = self.desired.target, self.desired.spec
        if self.desired.tool.creates:
            actions = _diff(FunctionProvider(self.desired), spec.name, self.desired.function())
            return [action for action in actions if action.operation == "set-code"]
        role, groups = spec.role(), LogGroupProvider(target)
        return [
            *(_diff(RoleProvider(target), role.name, role) if role else ()),
            *_diff(groups, spec.log_group_name, spec.log_group()),
            *_diff(groups, history_group(spec.name), spec.history_group()),
            *_diff(FunctionProvider(self.desired), spec.name, self.desired.function()),
            *_diff(ReservedConcurrencyProvider(target), spec.name, spec.reserved()),
        ]

    def history_actions(self) -> list[Action]:
        """What creates the history where it is missing."""
        group = self.desired.spec.history_group()
        return [
            *_diff(LogGroupProvider(self.desired.target), group.name, group),
            *self.history.diff(self.history.find()),
        ]

    def alias_actions(self) -> list[Action]:
        """What gives the address, the provisioned concurrency and the alarms their desired state; where another tool
        creates them, the permissions of a public address, which not every release of that tool can express."""
        target, spec, name = self.desired.target, self.desired.spec, self.desired.alias
        url = spec.url()
        permissions = public(spec.name, name) if url and url.auth == "NONE" else None
        if self.desired.tool.creates:
            return _diff(AliasPermissionProvider(target, name), spec.name, permissions)
        return [
            *_diff(FunctionUrlProvider(target, name), spec.name, url),
            *_diff(AliasPermissionProvider(target, name), spec.name, permissions),
            *_diff(self._http_api, spec.name, spec.api()),
            *_diff(ProvisionedConcurrencyProvider(target, name), spec.name, spec.provisioned()),
            *_diff(MetricAlarmProvider(target, name, self.desired.project), spec.name, desired_alarms(spec.alarms())),
        ]

    def _tag_actions(self, version: str, live: Alias | None, *, release: bool) -> list[Action]:
        """What keeps the images of the two versions from expiring; with `release`, of no others. Lambda keeps zips."""
        return self._tags_of((version, live.version) if live else (version,), release=release)

    def _tags_of(self, numbers: Sequence[str], *, release: bool) -> list[Action]:
        if not self.desired.image:
            return []
        repository, name = self.desired.spec.repository, self.desired.name
        digests = {number: self.digest(number) for number in numbers}
        provider = ImageTagProvider(self.desired.target, name, release)
        return provider.diff(ImageTags(repository, name, digests), provider.read(repository))

    def _expired(self, version: str, live: Alias) -> list[Action]:
        actions = self._tag_actions(version, live, release=True)
        return [action for action in actions if action.operation == "delete"]

    def _roll_out(self, live: Alias | None, version: str, events: Sequence[ReleaseEvent]) -> RolloutPlan:
        plan = make_rollout_plan(self.options, self._aliases, self.desired.alias, live, version)
        event = rolled_back_by_hand(events, version)
        if live is None or event is None or version in (live.version, live.other):
            return plan
        reason = _not_redeployed(event, version)
        held = Action("alias", self.desired.alias, "move", (FieldChange("~"),), held=reason)
        return RolloutPlan(self.options, plan.function, plan.name, version, live, held=(held,))

    def live(self) -> Alias | None:
        """The alias as it is; None before the first deployment."""
        return alias.read(self.desired.target, self.desired.name, self.desired.alias)

    def _equal_version(self, function: Sequence[Action], live: Alias | None) -> str | None:
        """The published version that equals the function once the actions are executed; None where there is none."""
        versions = VersionProvider(self.desired.target).read(self.desired.name)
        if not any(action.kind == "function" and action.operation != "tag" for action in function):
            return current_version(versions, live)
        newest = max((number for number in versions if number != LATEST), key=int, default=None)
        candidates = dict.fromkeys((live.version, live.other, newest) if live else (newest,))
        return next((number for number in candidates if number and self._is_desired(number)), None)

    def _is_desired(self, number: str) -> bool:
        published = read_function(self.desired.target, self.desired.name, number)
        provider = FunctionProvider(self.desired)
        return published is not None and provider.is_same(self.desired.function(), published)

    def url(self) -> str | None:
        """Where clients reach it; None where it has no address."""
        target, name = self.desired.target, self.desired.name
        if url := FunctionUrlProvider(target, self.desired.alias).read(name):
            return url.url
        api = replace(self._http_api, parts=False).read(name) if self.desired.spec.api() else None
        return api.endpoint if api else None

    def digest(self, number: str) -> str:
        """Digest of the image that a version runs; "" where it runs none."""
        if number == NEXT:
            return self.desired.digest or _DIGEST
        function = read_function(self.desired.target, self.desired.name, number)
        return function.digest if function else ""


def _diff(provider: Provider[R], name: str, desired: R | None) -> list[Action]:
    return provider.diff(desired, provider.read(name))


def _not_redeployed(event: ReleaseEvent, version: str) -> str:
    """Why an apply does not redeploy a version that was rolled back manually."""
    return (
        f"version {version} was rolled back manually to {event.version}, and is not redeployed; to redeploy it: "
        f"mlspec rollback {version}"
    )
