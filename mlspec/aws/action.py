"""Changes of an account as data: what a plan shows is what is executed, in that order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol, TypeVar

from pydantic import JsonValue

from mlspec.aws.known_after_apply import Output, Outputs, is_known, resolved, resolved_text

Sign = Literal["+", "~", "-"]
ResourceKind = Literal[
    "role", "log-group", "function", "reserved-concurrency", "version", "alias", "provisioned-concurrency",
    "function-url", "permission", "http-api", "repository", "image-tag", "image", "release-file", "signature",
    "local-endpoint", "release-history", "component-template", "index-template", "ingest-pipeline", "data-stream",
    "api-key", "data-view", "dashboard", "alert-rule", "terraform-module", "stack", "alarm", "bucket",
]  # fmt: skip
LABELS: Final[Mapping[ResourceKind, str]] = {
    "role": "iam role",
    "log-group": "log group",
    "function": "lambda function",
    "reserved-concurrency": "lambda function",
    "version": "lambda version of",
    "alias": "lambda alias",
    "provisioned-concurrency": "lambda alias",
    "function-url": "function url",
    "permission": "permission of",
    "http-api": "http api",
    "repository": "ecr repository",
    "image-tag": "ecr tag",
    "image": "image",
    "release-file": "record",
    "signature": "signature of",
    "local-endpoint": "endpoint on this machine",
    "release-history": "release history",
    "component-template": "component template",
    "index-template": "index template",
    "ingest-pipeline": "ingest pipeline",
    "data-stream": "data stream",
    "api-key": "api key",
    "data-view": "kibana data view",
    "dashboard": "kibana dashboard",
    "alert-rule": "kibana alert rule",
    "terraform-module": "terraform module",
    "stack": "cloudformation stack",
    "alarm": "cloudwatch alarm",
    "bucket": "s3 bucket",
}
"""What a person calls each kind of resource, before its name."""
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One difference. `+` adds, `~` changes, `-` removes; `field` is "" where it is the resource itself.

    `old` and `new` are shown as they are: of a secret, its name alone is known here.
    """

    sign: Sign
    field: str = ""
    old: JsonValue = None
    new: JsonValue = None


@dataclass(frozen=True, slots=True)
class Action:
    """One operation on one resource, with every difference that it removes and what the call needs.

    `breaking` says what clients will notice, "" where they will not; `held` why the action is not executed although the
    spec asks for it; `condition` when alone it is executed, "" for always.
    """

    kind: ResourceKind
    name: str
    operation: str
    """What its provider does: `create`, `set-retention`; the provider lists them in `apply`."""
    changes: tuple[FieldChange, ...]
    arguments: Mapping[str, JsonValue] = field(default_factory=dict)
    breaking: str = ""
    held: str = ""
    condition: str = ""

    @property
    def resource(self) -> str:
        """What a person calls the resource: `lambda function cola`."""
        return f"{LABELS[self.kind]} {self.name}".rstrip()

    def lines(self) -> Iterator[str]:
        """One line for each difference: `~ lambda function cola MemorySize: 512 -> 1024`."""
        for change in self.changes:
            name = " ".join(word for word in (self.resource, change.field) if word)
            if self.breaking:
                yield f"{change.sign} {name}: breaking, {self.breaking}"
            elif self.held:
                yield f"! {name}: {self.held}"
            else:
                when = f", if {self.condition}" if self.condition else ""
                yield changed(change.sign, name, change.old, change.new) + when

    def rows(self) -> Iterator[dict[str, JsonValue]]:
        """One object for each difference, in the stable JSON shape of a plan."""
        for change in self.changes:
            yield {
                "sign": change.sign,
                "resource": self.resource,
                "setting": change.field,
                "old": change.old,
                "new": change.new,
                "breaking": self.breaking,
                "held": self.held,
                "condition": self.condition,
            }

    def resolved(self, outputs: Outputs) -> Action:
        """The action with the outputs of earlier ones in place of what was known only after them."""
        changes = tuple(
            replace(change, old=resolved(change.old, outputs), new=resolved(change.new, outputs))
            for change in self.changes
        )
        arguments = {key: resolved(value, outputs) for key, value in self.arguments.items()}
        return replace(self, name=resolved_text(self.name, outputs), changes=changes, arguments=arguments)


def replace_or_delete(action: Action, replace_it: Callable[[], object], delete_it: Callable[[], object]) -> None:
    """Execute an action on a resource that is created and replaced by the same request."""
    match action.operation:
        case "create" | "replace":
            replace_it()
        case "delete":
            delete_it()
        case _:
            raise unexpected(action)


def unexpected(action: Action) -> AssertionError:
    """A bug: an action that its provider never returns."""
    return AssertionError(f"{action.kind} has no operation {action.operation}")


class Provider(Protocol[R]):
    """One kind of resource in an account. `read` and `diff` change nothing."""

    def read(self, name: str) -> R | None:
        """The resource as it is; None where it does not exist."""

    def diff(self, desired: R | None, current: R | None) -> list[Action]:
        """What makes `current` as `desired`. Raises StageError where AWS or its owner does not allow that."""

    def apply(self, action: Action) -> Outputs | None:
        """Execute one of the actions that `diff` returned; what later actions take from it, None where that is nothing.
        Raises botocore's errors and StageError."""


class Executor(Protocol):
    """The part of a provider that executes actions."""

    def apply(self, action: Action) -> Outputs | None:
        """Execute it."""


def create(kind: ResourceKind, name: str, new: JsonValue, arguments: Mapping[str, JsonValue]) -> Action:
    """The action that creates a resource; `new` is what to show of it."""
    return Action(kind, name, "create", (FieldChange("+", new=new),), arguments)


def delete(kind: ResourceKind, name: str, old: JsonValue, arguments: Mapping[str, JsonValue]) -> Action:
    """The action that removes a resource; `old` is what to show of it."""
    return Action(kind, name, "delete", (FieldChange("-", old=old),), arguments)


def put(field: str, old: JsonValue, new: JsonValue) -> tuple[FieldChange]:
    """A field that is added, or changed where it has a value."""
    return (FieldChange("+" if old is None else "~", field, old, new),)


@dataclass
class Execution:
    """The execution of a plan: each action by the provider of its kind, with the outputs of the ones before it.

    It alone replaces what a plan shows as known after apply.
    """

    providers: Mapping[ResourceKind, Executor]
    say: Callable[[str], object]
    outputs: dict[Output, str] = field(default_factory=dict)

    def run(self, actions: Iterable[Action]) -> None:
        """Report and execute the actions in order. One that shows its own output is reported after it."""
        for action in actions:
            ready = action.resolved(self.outputs)
            if not is_known([ready.name, *ready.arguments.values()]):
                raise AssertionError(f"{ready.kind} {ready.operation} comes before the action that it depends on")
            before = is_known([change.new for change in ready.changes])
            if before:
                self._report(ready)
            self.outputs.update(self.providers[ready.kind].apply(ready) or {})
            if not before:
                self._report(ready.resolved(self.outputs))

    def _report(self, action: Action) -> None:
        for line in action.lines():
            self.say(line)

    def value(self, text: str) -> str:
        """The text with the outputs in it."""
        return resolved_text(text, self.outputs)


def lines(actions: Iterable[Action]) -> list[str]:
    """All lines of the actions."""
    return [line for action in actions for line in action.lines()]


def differences(desired: Mapping[str, JsonValue], current: Mapping[str, JsonValue]) -> tuple[FieldChange, ...]:
    """A change for each desired field that has another value; a field that is not desired is ignored."""
    return tuple(
        FieldChange("~", key, current.get(key), value)
        for key, value in desired.items()
        if not same(current.get(key), value)
    )


def same(one: JsonValue, other: JsonValue) -> bool:
    """Whether two values mean the same: AWS leaves empty ones out of some of its answers."""
    return _without_empty({"": one}) == _without_empty({"": other})


def _without_empty(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        parts = {key: _without_empty(inner) for key, inner in value.items()}
        return {key: part for key, part in parts.items() if part not in (None, "", [], {})}
    return [_without_empty(inner) for inner in value] if isinstance(value, list) else value


def changed(sign: Sign, name: str, old: object, new: object) -> str:
    """One difference on a line: `~ NAME: OLD -> NEW`."""
    if old is None and new is None:
        return f"{sign} {name}"
    if sign == "-":
        return f"{sign} {name}: {shown(old)}"
    return f"{sign} {name}: " + (f"{shown(old)} -> " if old is not None else "") + shown(new)


def shown(value: object) -> str:
    """A value on one line."""
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {shown(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, str):
        return value if len(value) <= 100 else f"{value[:60]} ... {value[-30:]}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(shown(inner) for inner in value) + "]"
    return str(value)
