"""What stages with effects would change outside the project, observed by the parts' functions. Changes nothing."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypedDict

from pydantic import JsonValue

from mlspec.aws.action import Action
from mlspec.errors import MlspecError
from mlspec.parts.optional_part import used
from mlspec.parts.part_protocol import Part
from mlspec.run.engine import Observer
from mlspec.spec.project import Project
from mlspec.stage_context import StageContext
from mlspec.stage_result import Reason

NOT_COMPARED = Reason("not-compared", "compares, and changes what differs")
"""Why a stage with effects runs whose resources cannot be read from this machine."""
Observe = Callable[[Project, Path, StageContext], Sequence[Action]]


class RemoteJson(TypedDict):
    """The stable JSON shape of the changes outside the project: a row for each, and for unseen stages why."""

    changes: list[dict[str, JsonValue]]
    unseen: dict[str, str]


@dataclass(frozen=True, slots=True)
class RemoteState:
    """The changes of each stage that could be observed, and for the others why not, by stage."""

    seen: Mapping[str, tuple[Action, ...]] = field(default_factory=dict)
    unobserved: Mapping[str, str] = field(default_factory=dict)

    @property
    def reasons(self) -> dict[str, Reason | None]:
        """Why each of these stages would run; None where nothing differs."""
        observed = {stage: _reason(actions) for stage, actions in self.seen.items()}
        return {**observed, **dict.fromkeys(self.unobserved, NOT_COMPARED)}

    @property
    def actions(self) -> list[Action]:
        """The actions of all stages, in the order in which they would be executed."""
        return [action for actions in self.seen.values() for action in actions]

    @property
    def breaking(self) -> list[str]:
        """What breaks clients of the live version."""
        return [action.breaking for action in self.actions if action.breaking]

    def to_json(self) -> RemoteJson:
        """The stable JSON shape."""
        rows = [{"stage": stage, **row} for stage, actions in self.seen.items() for a in actions for row in a.rows()]
        return {"changes": rows, "unseen": dict(self.unobserved)}


def observe(
    project: Project, artifacts: Path, context: StageContext, stages: Sequence[str], parts: Sequence[Part]
) -> RemoteState:
    """What those of `stages` that have an observer would change. A network that does not answer is tried once."""
    seen: dict[str, tuple[Action, ...]] = {}
    unobserved: dict[str, str] = {}
    unreachable = ""
    for stage, function in _functions(project, parts).items():
        if stage not in stages:
            continue
        if unreachable:
            unobserved[stage] = unreachable
            continue
        try:
            seen[stage] = tuple(function(project, artifacts, context))
        except MlspecError as error:
            unobserved[stage] = error.message
            unreachable = error.message if error.code == "unreachable" else ""
    return RemoteState(seen, unobserved)


def observers(
    project: Project, artifacts: Path, context: StageContext, parts: Sequence[Part]
) -> Mapping[str, Observer]:
    """For each stage that has an observer a function that observes again: earlier stages of a run change resources."""
    return {
        name: partial(_observed, function, project, artifacts, context)
        for name, function in _functions(project, parts).items()
    }


def _observed(function: Observe, project: Project, artifacts: Path, context: StageContext) -> Reason | None:
    try:
        return _reason(function(project, artifacts, context))
    except MlspecError:
        return NOT_COMPARED


def _reason(actions: Sequence[Action]) -> Reason | None:
    signs: Counter[str] = Counter(change.sign for action in actions if not action.held for change in action.changes)
    counts = " ".join(f"{sign}{signs[sign]}" for sign in "+~-")
    return Reason("remote-differs", counts) if signs else None


def _functions(project: Project, parts: Sequence[Part]) -> dict[str, Observe]:
    """The observers of the parts by stage, in the order of the parts; each module is loaded when it is called."""
    paths = {name: path for part in used(parts, project) for name, path in getattr(part, "OBSERVERS", {}).items()}
    return {name: partial(_call, path) for name, path in paths.items()}


def _call(path: str, project: Project, artifacts: Path, context: StageContext) -> Sequence[Action]:
    module, _, name = path.partition(":")
    function: Observe = getattr(importlib.import_module(module), name)
    return function(project, artifacts, context)
