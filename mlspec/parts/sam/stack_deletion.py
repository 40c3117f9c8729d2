"""What `mlspec destroy` removes where SAM created it: the stacks, and then what they keep because it holds data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlspec.aws.action import Action, Executor, FieldChange
from mlspec.aws.desired import DesiredFunction, Spec
from mlspec.aws.owned_bucket import bucket_name
from mlspec.aws.ownership import foreign
from mlspec.cloudformation.existing_stack import read_stack, resource_ids
from mlspec.cloudformation.stack_detachment import StackDetachment
from mlspec.cloudformation.stack_provider import StackProvider
from mlspec.parts.cloudformation.stacks import FOUNDATION, SERVICE
from mlspec.parts.sam.sam_templates import FOLDER, stack_name
from mlspec.shipping import removal
from mlspec.shipping.removal import Removal

_KEPT_KINDS = ("log-group", "repository")
"""What a stack keeps when it is deleted, beside the bucket."""


@dataclass(frozen=True)
class StackRemovals:
    """The removals in order: both stacks, and what they leave."""

    removals: tuple[Removal, ...]
    desired: DesiredFunction
    root: Path

    def carry_out(self, say: Callable[[str], object]) -> None:
        """Remove what is not kept. After an interruption the next removal continues from there."""
        for one in self.removals:
            if one.kept:
                continue
            if one.action.kind == "stack":
                self._provider(one.action).apply(one.action)
                say(f"removed: {one.action.resource}")
            else:
                removal.carry_out(self.desired, [one], say)

    def _provider(self, action: Action) -> Executor:
        if action.operation == "detach":
            return StackDetachment(self.desired.target)
        return StackProvider(self.desired.target, self.root, f"{FOLDER}/{action.arguments['part']}.yaml")


@contextmanager
def stack_removals(
    spec: Spec, desired: DesiredFunction, root: Path, *, images: bool, keep: bool = False
) -> Iterator[StackRemovals | None]:
    """The removal of the stacks of the spec, with `keep` without what is in them; None where neither exists."""
    stacks = list(_stacks(desired, images=images or keep, operation="detach" if keep else "delete"))
    plan = removal.plan(desired, images=images) if stacks and not keep else ()
    left = [one for one in plan if one.action.kind in _KEPT_KINDS]
    if stacks and not keep:
        left += removal.bucket_removal(desired, bucket_name(spec), foundation=images)
    yield StackRemovals((*stacks, *left), desired, root) if stacks else None


def _stacks(desired: DesiredFunction, *, images: bool, operation: str) -> Iterator[Removal]:
    for part in (SERVICE, FOUNDATION):
        stack = read_stack(desired.target, stack_name(desired.spec, part))
        if stack is None:
            continue
        kept = foreign(stack.tags, desired.project, desired.target.owner)
        if part == FOUNDATION and not images:
            kept = kept or "--images removes it too, and the repository with all its images"
        action = Action("stack", stack.name, operation, (FieldChange("-"),), {"part": part})
        yield Removal(action, ", ".join(sorted(filter(None, resource_ids(desired.target, stack)))), kept)
