"""What `mlspec destroy` removes where the Serverless Framework created it: the stacks, and what they retain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlspec.aws.action import Executor, ResourceKind
from mlspec.aws.desired import DesiredFunction, Spec
from mlspec.aws.resources import history_group
from mlspec.parts.serverless.deployed_stack import check_owner, deployed_stack
from mlspec.parts.serverless.service_deployment import ServiceDeployment
from mlspec.parts.serverless.services import FOLDER, FOUNDATION, SERVICE
from mlspec.serverless.serverless_program import Run, run
from mlspec.serverless.service_provider import remove_actions
from mlspec.shipping import removal
from mlspec.shipping.removal import Removal


@dataclass(frozen=True)
class ServiceRemovals:
    """The removals in order, and what removes each stack."""

    removals: tuple[Removal, ...]
    desired: DesiredFunction
    stacks: Mapping[str, Executor] = field(default_factory=dict)

    def carry_out(self, say: Callable[[str], object]) -> None:
        """Remove what is not kept. Raises StageError where the program fails; the next removal continues from there."""
        for one in self.removals:
            if one.kept:
                continue
            if one.action.kind == "serverless-service":
                self.stacks[one.action.name].apply(one.action)
                say(f"removed: {one.action.resource}")
            else:
                removal.carry_out(self.desired, [one], say)


def service_removals(
    spec: Spec, desired: DesiredFunction, root: Path, *, images: bool, run: Run = run
) -> ServiceRemovals | None:
    """The removal of the stacks that exist, the service before its foundation; None where none exists."""
    removals: list[Removal] = []
    stacks: dict[str, Executor] = {}
    for name in (SERVICE, FOUNDATION):
        deployment = ServiceDeployment(name, spec, desired.target, root, root / FOLDER / name, run=run)
        current = deployed_stack(desired.target, deployment.stack)
        if current is None:
            continue
        check_owner(deployment.stack, current, desired.project, desired.target)
        stacks[deployment.stack] = deployment.removal()
        kept = "" if name == SERVICE or images else "--images removes it too, with all its images"
        for action in remove_actions(deployment.stack, current.template):
            removals.append(Removal(action, ", ".join(change.field for change in action.changes), kept))
    retained = list(_retained(desired, images=images)) if stacks else []
    return ServiceRemovals((*removals, *retained), desired, stacks) if stacks else None


def _retained(desired: DesiredFunction, *, images: bool) -> Iterator[Removal]:
    """What a stack leaves behind: the history of the releases, and the repository."""
    kinds: dict[ResourceKind, str] = {
        "log-group": history_group(desired.name),
        "repository": desired.spec.repository,
    }
    for one in removal.plan(desired, images=images):
        if kinds.get(one.action.kind) == one.action.name:
            yield one
