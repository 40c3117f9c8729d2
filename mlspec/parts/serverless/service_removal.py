"""What `mlspec destroy` removes where the Serverless Framework created it: the stacks, and what they keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mlspec.aws.action import Action, Executor, FieldChange
from mlspec.aws.desired import DesiredFunction, Spec
from mlspec.aws.owned_bucket import bucket_name
from mlspec.aws.ownership import foreign
from mlspec.cloudformation.existing_stack import read_stack, resource_ids
from mlspec.cloudformation.sam_program import RunProgram, run_program
from mlspec.cloudformation.stack_detachment import StackDetachment
from mlspec.parts.cloudformation.stacks import FOUNDATION, SERVICE
from mlspec.parts.serverless.service_deployment import ServiceDeployment
from mlspec.parts.serverless.services import FOLDER
from mlspec.shipping import removal
from mlspec.shipping.removal import Removal

_KEPT_KINDS: Final = ("log-group", "repository")
"""What a stack keeps when it is deleted, beside the bucket."""


@dataclass(frozen=True)
class ServiceRemovals:
    """The removals in order, and what removes each stack."""

    removals: tuple[Removal, ...]
    desired: DesiredFunction
    stacks: Mapping[str, Executor] = field(default_factory=dict)

    def carry_out(self, say: Callable[[str], object]) -> None:
        """Remove what is not kept. After an interruption the next removal continues from there."""
        for one in self.removals:
            if one.kept:
                continue
            if one.action.kind == "stack":
                self.stacks[one.action.name].apply(one.action)
                say(f"removed: {one.action.resource}")
            else:
                removal.carry_out(self.desired, [one], say)


@contextmanager
def service_removals(
    spec: Spec,
    desired: DesiredFunction,
    root: Path,
    *,
    images: bool,
    keep: bool = False,
    run: RunProgram = run_program,
) -> Iterator[ServiceRemovals | None]:
    """The removal of the stacks of the spec, with `keep` without what is in them; None where neither exists."""
    services = {
        name: ServiceDeployment(name, spec, desired.target, root, root / FOLDER / name, run=run)
        for name in (SERVICE, FOUNDATION)
    }
    stacks = list(_stacks(services, desired, images=images or keep, operation="detach" if keep else "remove"))
    if not stacks:
        yield None
        return
    names = {one.action.name for one in stacks}
    if keep:
        yield ServiceRemovals(tuple(stacks), desired, dict.fromkeys(names, StackDetachment(desired.target)))
        return
    executors = {one.stack: one.removal() for one in services.values() if one.stack in names}
    left = [*_kept(desired, images=images), *removal.bucket_removal(desired, bucket_name(spec), foundation=images)]
    yield ServiceRemovals((*stacks, *left), desired, executors)


def _stacks(
    services: Mapping[str, ServiceDeployment], desired: DesiredFunction, *, images: bool, operation: str
) -> Iterator[Removal]:
    for name, service in services.items():
        stack = read_stack(desired.target, service.stack)
        if stack is None:
            continue
        kept = foreign(stack.tags, desired.project, desired.target.owner)
        if name == FOUNDATION and not images:
            kept = kept or "--images removes it too, and the repository with all its images"
        action = Action("stack", stack.name, operation, (FieldChange("-"),), {"part": name})
        yield Removal(action, ", ".join(sorted(resource_ids(desired.target, stack))), kept)


def _kept(desired: DesiredFunction, *, images: bool) -> list[Removal]:
    """What the stacks keep: the log groups and the repository."""
    return [one for one in removal.plan(desired, images=images) if one.action.kind in _KEPT_KINDS]
