"""What `mlspec destroy` removes where Terraform created it: each module as a whole, and the log groups that stay."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlspec.aws.action import Action, Executor, FieldChange, ResourceKind
from mlspec.aws.desired import DesiredFunction, Spec
from mlspec.aws.image_retention import ImageTagProvider, other_functions_tags
from mlspec.aws.owned_bucket import bucket_name
from mlspec.aws.repository import RepositoryProvider
from mlspec.parts.terraform.infrastructure import TerraformModule
from mlspec.parts.terraform.modules import FOLDER, FOUNDATION, SERVICE
from mlspec.sections.delivery_tool import TERRAFORM
from mlspec.shipping import removal
from mlspec.shipping.removal import Removal
from mlspec.spec.project import Project
from mlspec.spec.shared_values import at


@dataclass(frozen=True)
class ModuleRemovals:
    """The removals in order, and who executes those of each module."""

    removals: tuple[Removal, ...]
    desired: DesiredFunction
    modules: Mapping[str, Executor] = field(default_factory=dict)

    def carry_out(self, say: Callable[[str], object]) -> None:
        """Remove what is not kept. Raises StageError where Terraform fails; the next removal continues from there."""
        for one in self.removals:
            action = one.action
            if one.kept:
                continue
            if action.kind in ("log-group", "bucket"):
                removal.carry_out(self.desired, [one], say)
            else:
                self._executor(action.kind, action.name).apply(action)
                say(f"removed: {action.resource}")

    def _executor(self, kind: ResourceKind, name: str) -> Executor:
        return self.modules[name] if kind == "terraform-module" else RepositoryProvider(self.desired.target)


@contextmanager
def planned_removals(
    spec: Spec, desired: DesiredFunction, root: Path, *, images: bool, keep: bool = False
) -> Iterator[ModuleRemovals | None]:
    """The removal of the modules that Terraform has a state of, with `keep` of the state alone; None where it has none.
    The plans are deleted at the end."""
    with ExitStack() as stack:
        removals: list[Removal] = []
        executors: dict[str, Executor] = {}
        for name in (SERVICE, FOUNDATION):
            module = TerraformModule(name, spec, desired.target, root, root / FOLDER / name)
            if not module.folder.is_dir():
                continue
            if keep:
                actions, executors[name] = module.forgotten()
                removals.extend(Removal(action, _resources(action)) for action in actions)
                continue
            actions, executors[name] = stack.enter_context(module.planned("destroy"))
            kept = _kept(desired, images=images) if name == FOUNDATION else ""
            if name == FOUNDATION and actions and not kept:
                removals.extend(_images(desired))
            removals.extend(Removal(action, _resources(action), kept) for action in actions)
            if name == FOUNDATION:
                removals.extend(removal.bucket_removal(desired, bucket_name(spec), foundation=not kept))
            if name == SERVICE and actions:
                left = removal.plan(desired, images=False)
                removals.extend(one for one in left if one.action.kind == "log-group")
        yield ModuleRemovals(tuple(removals), desired, executors) if removals else None


def left(project: Project, root: Path) -> list[str]:
    """Local states of modules with resources, where no environment of the spec uses Terraform."""
    if any(at(values, ("deploy", "iac")) == TERRAFORM.name for values in project.variants.values()):
        return []
    counts = {name: _resource_count(root / FOLDER / name / "terraform.tfstate") for name in (SERVICE, FOUNDATION)}
    iac = f"iac: {TERRAFORM.name}"
    return [
        f"{FOLDER}/{name}/terraform.tfstate has {number} resources, and the spec has no `{iac}`: to remove them with "
        f"Terraform, put `deploy` with `{iac}` back, then: mlspec destroy"
        for name, number in counts.items()
        if number
    ]


def _resource_count(state: Path) -> int:
    try:
        resources = json.loads(state.read_text(encoding="utf-8"))["resources"]
        return sum(len(one["instances"]) for one in resources if one["mode"] == "managed")
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _kept(desired: DesiredFunction, *, images: bool) -> str:
    """Why the module with the repository is not removed; "" where it is."""
    if not images:
        return "--images removes it too, with all its images"
    tags = ImageTagProvider(desired.target, desired.name).read(desired.spec.repository)
    others = other_functions_tags(tags) if tags else []
    return f"it has images that other functions run ({', '.join(others[:3])}); destroy these first" if others else ""


def _images(desired: DesiredFunction) -> list[Removal]:
    """A repository with images cannot be deleted."""
    name = desired.spec.repository
    provider = RepositoryProvider(desired.target, parts=False)
    if not name or provider.read(name) is None:
        return []
    count = len(provider.images(name))
    action = Action("repository", name, "empty", (FieldChange("-", "images", old=count),))
    return [Removal(action, f"all its {count} images")] if count else []


def _resources(action: Action) -> str:
    return ", ".join(change.field for change in action.changes)
