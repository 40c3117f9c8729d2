"""What stages with effects would change outside the project, observed once for a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from mlspec.apply.remote import NOT_COMPARED, RemoteState, observe, observers
from mlspec.aws.action import Action, FieldChange
from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.spec.project import Project
from mlspec.stage_context import StageContext
from mlspec.stage_result import Reason
from tests.conftest import CHECKOUT
from tests.toy import Toy

CALLS: list[str] = []


def differs(*_: object) -> Sequence[Action]:
    CALLS.append("differs")
    return [
        Action("function", "a", "create", (FieldChange("+"),)),
        Action("role", "b", "update", (FieldChange("~"),)),
        Action("alias", "c", "move", (FieldChange("~"),), held="no"),
    ]


def unreachable(*_: object) -> Sequence[Action]:
    CALLS.append("unreachable")
    raise StageError("AWS does not answer", code="unreachable")


def same(*_: object) -> Sequence[Action]:
    CALLS.append("same")
    return []


@dataclass(frozen=True)
class Observed(Toy):
    NAME: str = "toy"
    OBSERVERS: dict[str, str] = field(default_factory=dict)
    order: ClassVar[tuple[str, ...]] = ("differs", "unreachable", "same")


PART = Observed(OBSERVERS={name: f"{__name__}:{name}" for name in Observed.order})


@pytest.fixture(scope="module")
def project() -> Project:
    return compile_project(CHECKOUT / "specs" / "minimal" / "mlproject.yaml").project


def observed(project: Project, *stages: str) -> RemoteState:
    CALLS.clear()
    return observe(project, Path(), StageContext(), stages, [PART])


def test_the_state_is_a_value_with_reasons(project: Project) -> None:
    state = observed(project, "differs", "same")
    assert state.reasons == {"differs": Reason("remote-differs", "+1 ~1 -0"), "same": None}
    assert [action.resource for action in state.actions] == ["lambda function a", "iam role b", "lambda alias c"]
    assert CALLS == ["differs", "same"], "a stage that is not selected is not observed"


def test_a_network_that_does_not_answer_is_tried_once(project: Project) -> None:
    state = observed(project, "unreachable", "same")
    assert state.unobserved == {"unreachable": "AWS does not answer", "same": "AWS does not answer"}
    assert state.reasons == {"unreachable": NOT_COMPARED, "same": NOT_COMPARED}
    assert CALLS == ["unreachable"]


def test_each_run_observes_again_and_changes_no_state(project: Project) -> None:
    state = observed(project, "differs")
    before = dict(state.seen)
    functions = observers(project, Path(), StageContext(), [PART])
    assert [functions[name]() for name in Observed.order] == [Reason("remote-differs", "+1 ~1 -0"), NOT_COMPARED, None]
    assert state.seen == before
