"""The same run with every text of every stage's result replaced: statuses, exit code, groups, resume and report agree.

And the same with the messages in mlspec's own code replaced, over specs, commands, a run and rollouts.

Only kinds, statuses and names decide; a message can be reworded or translated without anything else changing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from mlspec.apply.apply_plan import ApplyPlan, ApplyRequest, make_apply_plan
from mlspec.apply.execute import RunHooks, RunResult, execute
from mlspec.apply.summary import counts, exit_code, missing_requirements
from mlspec.cli.plan_text import because
from mlspec.plan.stage import Output, Stage
from mlspec.report import write as write_report
from mlspec.run.engine import Watch
from mlspec.run.engines.result import outcome_of
from mlspec.run.journal import Journal
from mlspec.run.outcome import Outcome
from mlspec.run.runner import Quiet
from mlspec.run.schedule import MissingRequirement, Selection, schedule
from mlspec.stage_context import StageContext
from mlspec.stage_result import FOLDER, Reason, StageResult, read
from mlspec.workspace.spec_file import SpecFile
from tests.conftest import CHECKOUT


def stage(name: str, *inputs: str) -> Stage:
    return Stage(name, name, "toy", inputs, (Output(f"{name}.out"),))


STAGES = (stage("data"), stage("train", "data.out"), stage("export", "train.out"), stage("image"), stage("push"),
          stage("deploy"))  # fmt: skip
RESULTS = {
    "data": StageResult("done", warnings=("a column has a single value",), decisions=("dates: ISO 8601",)),
    "train": StageResult("failed", Reason("failed", "train.batch_size is too large"), "mlspec apply --force train"),
    "deploy": StageResult("interrupted", Reason("stopped", "all traffic is on version 4")),
}
MISSING = MissingRequirement("it needs docker: no client", "install docker")
REASONS = {s.name: Reason("never-ran", "never ran") for s in STAGES}


def other(value: object) -> object:
    """Every text of a JSON value in other words; kinds, statuses and versions stay."""
    if isinstance(value, dict):
        return {k: v if k in ("kind", "status", "version", "live") else other(v) for k, v in value.items()}
    if isinstance(value, list):
        return [other(v) for v in value]
    return f"«{value[::-1]}»" if isinstance(value, str) and value else value


class FromResults:
    """Reads each stage's outcome from the result file that its process would have written."""

    max_jobs = 1

    def __init__(self, root: Path, *, reworded: bool) -> None:
        self._root, self._reworded = root, reworded

    def status(self, stages: Sequence[Stage]) -> Mapping[str, Reason | None]:
        return {s.name: self.reason(REASONS[s.name]) for s in stages}

    def reason(self, reason: Reason) -> Reason:
        return replace(reason, text=str(other(reason.text))) if self._reworded else reason

    def lacks(self, stage: Stage) -> MissingRequirement | None:
        text = str(other(MISSING.text)) if self._reworded else MISSING.text
        return replace(MISSING, text=text) if stage.name in ("image", "push") else None

    def prepare(self, stages: Sequence[Stage]) -> None: ...

    def interrupt(self) -> None: ...

    def run(self, stage: Stage, watch: Watch, *, force: bool = False) -> Outcome:
        result = RESULTS[stage.name]
        row = json.loads(json.dumps(asdict(result)))
        file = self._root / FOLDER / f"{stage.name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(other(row) if self._reworded else row))
        code = 0 if result.status == "done" else 1
        return outcome_of(stage, code, read(self._root, stage.name), "", 1.0, f"{stage.name}.log")


def planned(root: Path) -> ApplyPlan:
    root.mkdir()
    (root / "mlproject.yaml").write_bytes((CHECKOUT / "specs" / "minimal" / "mlproject.yaml").read_bytes())
    return make_apply_plan(ApplyRequest(SpecFile(root / "mlproject.yaml", root, None), StageContext(root=root)))


def ran(root: Path, *, reworded: bool) -> tuple[ApplyPlan, RunResult, Journal]:
    engine, journal = FromResults(root, reworded=reworded), Journal(root)
    plan = planned(root)
    plan = replace(plan, schedule=schedule(STAGES, engine.status(STAGES), Selection(), engine.lacks))

    def finish(given: ApplyPlan, outcomes: Sequence[Outcome]) -> Path:
        return write_report(given.build.project, given.build.plan, outcomes, root)

    return plan, execute(plan, RunHooks(lambda _: None, engine, journal, Quiet(), finish)), journal


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[ApplyPlan, RunResult, Journal]]:
    root = tmp_path_factory.mktemp("runs")
    return [ran(root / name, reworded=name == "reworded") for name in ("original", "reworded")]


Runs = list[tuple[ApplyPlan, RunResult, Journal]]


def test_the_texts_differ(runs: Runs) -> None:
    texts = [[o.reason.text for o in result.outcomes if o.status == "failed"] for _, result, _ in runs]
    assert texts[0] != texts[1]


def test_statuses_kinds_and_the_exit_code_agree(runs: Runs) -> None:
    ends = [[(o.stage, o.status, o.reason.kind, o.seconds) for o in result.outcomes] for _, result, _ in runs]
    assert ends[0] == ends[1]
    assert [end[1:3] for end in ends[0]] == [
        ("ran", "never-ran"), ("failed", "failed"), ("skipped", "blocked"), ("skipped", "lacks"), ("skipped", "lacks"),
        ("interrupted", "stopped"),
    ]  # fmt: skip
    assert exit_code(runs[0][1]) == exit_code(runs[1][1]) == 130
    assert counts(runs[0][1].outcomes) == counts(runs[1][1].outcomes)


def test_what_the_machine_lacks_is_grouped_alike(runs: Runs) -> None:
    groups = [list(missing_requirements(result.outcomes).values()) for _, result, _ in runs]
    assert groups == [[("image", "push")], [("image", "push")]]


def test_the_next_plan_resumes_alike(runs: Runs) -> None:
    last = [{name: outcome.status for name, outcome in journal.last().items()} for _, _, journal in runs]
    assert last[0] == last[1]
    shown = [because(step.reason or Reason(), "failed") for plan, _, _ in runs for step in plan.schedule.steps]
    assert set(shown) == {"the last run failed"}, "a stage that never ended has not run, whatever its reason is called"


def test_the_report_has_the_same_shape(runs: Runs) -> None:
    pages = [result.report.read_text(encoding="utf-8") for _, result, _ in runs if result.report]
    assert len(pages) == 2
    tags = [page.count("<section") + page.count("<tr") + page.count("<li") for page in pages]
    assert tags[0] == tags[1] > 0


@pytest.mark.slow
def test_mlspec_with_every_message_reworded_decides_the_same(tmp_path: Path) -> None:
    def behaviour(name: str, *reworded: str) -> dict[str, dict[str, object]]:
        folder = tmp_path / name
        folder.mkdir()
        command = [sys.executable, "-m", "tests.reworded", str(folder), *reworded]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        document: dict[str, dict[str, object]] = json.loads(done.stdout.replace(str(folder), ""))
        return document

    original, reworded = behaviour("original"), behaviour("reworded", "reworded")
    assert int(str(reworded["rewords"])) > 1000
    for scenario, texts in original["texts"].items():
        assert not texts or texts != reworded["texts"][scenario], f"{scenario}: the messages are the same"
    for scenario, decided in original["decided"].items():
        assert decided == reworded["decided"][scenario], scenario
