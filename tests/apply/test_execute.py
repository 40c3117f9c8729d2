"""A plan is a value: it is executed with other hooks, and nothing in it changes while it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from mlspec.apply.apply_plan import ApplyPlan, ApplyRequest, make_apply_plan
from mlspec.apply.execute import RunHooks, dry_run_hooks, execute
from mlspec.apply.summary import exit_code, result_json
from mlspec.run.outcome import Outcome
from mlspec.run.schedule import MissingRequirement, StageSchedule
from mlspec.stage_context import StageContext
from mlspec.workspace.spec_file import SpecFile
from tests.integration.lines import SPEC


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> ApplyPlan:
    root = tmp_path_factory.mktemp("planned")
    (root / "data").mkdir()
    (root / "data/rows.csv").write_text("a,label\n" + "".join(f"{i},{'yes' if i % 2 else 'no'}\n" for i in range(40)))
    (root / "mlproject.yaml").write_text(SPEC.replace('"src.rows:load"', "data/rows.csv"))
    return make_apply_plan(ApplyRequest(SpecFile(root / "mlproject.yaml", root, None), StageContext(root=root)))


def test_a_dry_run_executes_the_same_plan_and_leaves_nothing(plan: ApplyPlan) -> None:
    result = execute(plan, dry_run_hooks(plan))
    assert [(o.stage, o.status, o.reason.kind) for o in result.outcomes] == [("data", "skipped", "dry-run")]
    assert (result.report, exit_code(result)) == (None, 0)
    assert {path.name for path in plan.roots.project.iterdir()} == {"data", "mlproject.yaml"}


def test_files_are_written_before_stages_run_and_the_report_comes_last(plan: ApplyPlan) -> None:
    calls: list[str] = []
    hooks = dry_run_hooks(plan)

    class Recording:
        def started(self, step: object) -> None: ...
        def line(self, stage: str, text: str) -> None: ...
        def ended(self, outcome: Outcome) -> None:
            calls.append(outcome.stage)

    def finish(given: ApplyPlan, outcomes: Sequence[Outcome]) -> Path:
        calls.append(f"finish {len(outcomes)}")
        return given.roots.project / "report.html"

    write = lambda given: calls.append(f"write {len(given.changes.pending)}")  # noqa: E731
    result = execute(plan, RunHooks(write, hooks.engine, hooks.recorder, Recording(), finish))
    assert calls == [f"write {len(plan.changes.pending)}", "data", "finish 1"]
    assert result_json(plan, result)["report"] == "report.html"


def test_a_stage_is_skipped_for_what_the_plan_says_the_machine_lacks(plan: ApplyPlan) -> None:
    missing = MissingRequirement("it needs docker: no client", "install docker")
    (step,) = plan.schedule.steps
    lacking = replace(plan, schedule=StageSchedule((replace(step, lacks=missing),)))
    (outcome,) = execute(lacking, dry_run_hooks(lacking)).outcomes
    assert (outcome.status, outcome.reason.kind, outcome.help) == ("skipped", "lacks", "install docker")


def test_a_plan_cannot_be_changed(plan: ApplyPlan) -> None:
    for name in ("schedule", "remote", "changes"):
        with pytest.raises(FrozenInstanceError):
            setattr(plan, name, None)
