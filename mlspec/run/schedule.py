"""Which stages to run, in which order, and why each. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlspec.errors import UsageError
from mlspec.plan.graph import upstream
from mlspec.plan.stage import Stage
from mlspec.spec.names import suggest
from mlspec.stage_result import Reason


@dataclass(frozen=True, slots=True)
class Selection:
    """The stages that the command line selects."""

    until: str | None = None
    only: tuple[str, ...] = ()
    force: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MissingRequirement:
    """What a stage requires and this machine does not have, as part of a sentence, and the command that installs it."""

    text: str
    help: str


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of a run: why it runs, None where it is up to date.

    `certain` is False where it runs only if an earlier stage changes its inputs. `after` are the stages of this
    run that it waits for. A step with `lacks` is skipped: this machine cannot run it.
    """

    stage: Stage
    reason: Reason | None
    after: tuple[str, ...] = ()
    forced: bool = False
    certain: bool = True
    lacks: MissingRequirement | None = None


@dataclass(frozen=True, slots=True)
class StageSchedule:
    """The steps of a run, each after the steps that it depends on."""

    steps: tuple[Step, ...] = field(default=())

    @property
    def due(self) -> tuple[Step, ...]:
        """The steps that are not up to date."""
        return tuple(step for step in self.steps if step.reason is not None)


def schedule(
    stages: Sequence[Stage],
    reasons: Mapping[str, Reason | None],
    selection: Selection,
    lacks: Callable[[Stage], MissingRequirement | None] = lambda _: None,
) -> StageSchedule:
    """The steps for `stages`, which are in order. `lacks` is called for stages that are due.

    Raises UsageError for a stage that does not exist.
    """
    kept = chosen(stages, selection)
    names = {stage.name for stage in kept}
    needs = upstream(stages)
    steps: list[Step] = []
    due: set[str] = set()
    for stage in kept:
        after = tuple(name for name in needs[stage.name] if name in names)
        step = _step(stage, reasons.get(stage.name), after, [n for n in after if n in due], selection.force)
        if step.reason is not None:
            due.add(stage.name)
            step = replace(step, lacks=lacks(stage))
        steps.append(step)
    return StageSchedule(tuple(steps))


def _step(
    stage: Stage, reason: Reason | None, after: tuple[str, ...], moved: Sequence[str], force: Sequence[str]
) -> Step:
    if stage.name in force:
        return Step(stage, Reason("forced", "forced"), after, forced=True)
    if reason is None and moved:
        return Step(stage, Reason("upstream", f"after {', '.join(moved)}"), after, certain=False)
    return Step(stage, reason, after)


def chosen(stages: Sequence[Stage], selection: Selection) -> list[Stage]:
    """The selected stages, in order. Raises UsageError for one that does not exist."""
    names = [stage.name for stage in stages]
    until = [selection.until] if selection.until is not None else []
    for name in (*until, *selection.only, *selection.force):
        if name not in names:
            raise UsageError(f"this project has no stage `{name}`", help=suggest(name, names, "available stages"))
    kept = set(names)
    if selection.only:
        kept &= set(selection.only)
    if until:
        kept &= _with_all_before(until, upstream(stages))
    for name in selection.force:
        if name not in kept:
            help = (
                f"add `--only {name}`, or remove `--force {name}`"
                if selection.only
                else f"remove --until or `--force {name}`"
            )
            raise UsageError(f"--force {name}: --only or --until excludes this stage", help=help)
    return [stage for stage in stages if stage.name in kept]


def _with_all_before(names: Iterable[str], needs: Mapping[str, Sequence[str]]) -> set[str]:
    reached: set[str] = set()
    open_ = list(names)
    while open_:
        name = open_.pop()
        if name not in reached:
            reached.add(name)
            open_ += needs[name]
    return reached
