"""One stage after the other, with an engine of values."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlspec.plan.stage import Output, Stage
from mlspec.run.engine import Watch
from mlspec.run.engines.dry_run import DryRun
from mlspec.run.journal import Silent
from mlspec.run.outcome import Outcome
from mlspec.run.runner import run
from mlspec.run.schedule import MissingRequirement, Selection, Step, schedule
from mlspec.stage_result import Reason


def stage(name: str, *inputs: str) -> Stage:
    return Stage(name, name, "toy", inputs, (Output(f"{name}.out"),))


LINE = (stage("data"), stage("train", "data.out"), stage("export", "train.out"), stage("lint"))


@dataclass
class Toy:
    """Fails, lacks and stops where it is told to."""

    reasons: dict[str, Reason | None] = field(
        default_factory=lambda: dict.fromkeys(("data", "train", "export", "lint"), Reason("input-changed", "x"))
    )
    fails: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    stops: str = ""
    left: str = "it was stopped"
    calls: list[str] = field(default_factory=list)
    max_jobs: int = 1
    interrupted: threading.Event = field(default_factory=threading.Event)

    def status(self, stages: Sequence[Stage]) -> Mapping[str, Reason | None]:
        return {stage.name: self.reasons[stage.name] for stage in stages}

    def lacks(self, stage: Stage) -> MissingRequirement | None:
        missing = MissingRequirement("it needs docker: no client", "install docker")
        return missing if stage.name in self.missing else None

    def prepare(self, stages: Sequence[Stage]) -> None:
        self.calls.append("prepare")

    def interrupt(self) -> None:
        self.interrupted.set()

    def run(self, stage: Stage, watch: Watch, *, force: bool = False) -> Outcome:
        self.calls.append(stage.name)
        if stage.name == self.stops:
            return Outcome(stage.name, "interrupted", Reason("stopped", self.left), "mlspec apply")
        return Outcome(stage.name, "failed" if stage.name in self.fails else "ran", help="mend it")


class RecordingWatcher(Silent):
    def __init__(self) -> None:
        self.started_: list[str] = []
        self.ended_: list[str] = []
        self.verdict = ""

    def started(self, step: Step) -> None:
        self.started_.append(step.stage.name)

    def line(self, stage: str, text: str) -> None:
        pass

    def ended(self, outcome: Outcome) -> None:
        self.ended_.append(outcome.stage)

    def end(self, status: str) -> None:
        self.verdict = status


def carried_out(engine: Toy) -> tuple[dict[str, Outcome], RecordingWatcher]:
    watcher = RecordingWatcher()
    steps = schedule(LINE, engine.status(LINE), Selection(), engine.lacks)
    return {outcome.stage: outcome for outcome in run(steps, engine, watcher, watcher)}, watcher


def test_every_stage_in_order() -> None:
    engine = Toy()
    outcomes, messages = carried_out(engine)
    assert engine.calls == ["prepare", "data", "train", "export", "lint"]
    assert {o.status for o in outcomes.values()} == {"ran"}
    assert outcomes["data"].reason.text == "x"
    assert (messages.started_, messages.verdict) == (["data", "train", "export", "lint"], "done")


def test_up_to_date_stages_are_skipped_without_preparation() -> None:
    engine = Toy(reasons=dict.fromkeys(("data", "train", "export", "lint")))
    outcomes, _ = carried_out(engine)
    assert engine.calls == []
    assert {o.status for o in outcomes.values()} == {"cached"}


def test_what_depends_on_a_failure_is_skipped_and_the_rest_runs() -> None:
    engine = Toy(fails=("data",))
    outcomes, messages = carried_out(engine)
    assert engine.calls == ["prepare", "data", "lint"]
    assert (outcomes["train"].status, outcomes["train"].reason) == ("skipped", Reason("blocked", "data failed"))
    assert (outcomes["export"].status, outcomes["export"].reason) == ("skipped", Reason("blocked", "train was skipped"))
    assert messages.verdict == "failed"


def test_a_missing_capability_skips_the_stage_with_its_fix() -> None:
    outcomes, messages = carried_out(Toy(missing=("train",)))
    assert (outcomes["train"].status, outcomes["train"].help) == ("skipped", "install docker")
    assert outcomes["export"].help == "install docker"
    assert messages.verdict == "done"


def test_an_interruption_is_an_outcome_and_ends_the_run() -> None:
    engine = Toy(stops="train")
    outcomes, messages = carried_out(engine)
    assert engine.calls == ["prepare", "data", "train"]
    assert [outcomes[name].status for name in ("data", "train", "export", "lint")] == [
        "ran", "interrupted", "skipped", "skipped",
    ]  # fmt: skip
    assert messages.verdict == "interrupted"


def test_an_interrupted_stage_says_how_it_left_the_world() -> None:
    left = "all calls go to version 4 again"
    assert carried_out(Toy(stops="train", left=left))[0]["train"].reason == Reason("stopped", left)


def test_a_stage_after_unchanged_outputs_does_not_run() -> None:
    engine = Toy(reasons={"data": Reason("input-changed", "x"), "train": None, "export": None, "lint": None})
    outcomes, messages = carried_out(engine)
    assert engine.calls == ["prepare", "data"]
    assert outcomes["train"].reason.text == "data did not change its inputs"
    assert outcomes["export"].status == "cached"
    assert messages.started_ == ["data"]


def test_a_dry_run_is_another_engine() -> None:
    engine, watcher = Toy(), RecordingWatcher()
    outcomes = run(schedule(LINE, engine.status(LINE), Selection(), engine.lacks), DryRun(engine), watcher, watcher)
    assert engine.calls == []
    assert {o.status for o in outcomes} == {"skipped"}


@dataclass
class Parallel(Toy):
    """Holds each stage until as many run as `together` names, so that a run one by one would never end."""

    max_jobs: int = 2
    together: int = 2
    log: list[tuple[str, str]] = field(default_factory=list)
    barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(2))

    def run(self, stage: Stage, watch: Watch, *, force: bool = False) -> Outcome:
        if stage.name in ("data", "lint"):
            self.barrier.wait(60)
        watch(f"{stage.name} works")
        return super().run(stage, watch, force=force)


class Lines(RecordingWatcher):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []

    def line(self, stage: str, text: str) -> None:
        self.lines.append((stage, text))


def test_stages_that_wait_for_nothing_run_at_once_where_the_engine_can() -> None:
    engine, messages = Parallel(), Lines()
    outcomes = run(schedule(LINE, engine.status(LINE), Selection(), engine.lacks), engine, messages, messages, jobs=4)
    assert [o.stage for o in outcomes] == ["data", "train", "export", "lint"], "in the order of the schedule"
    assert {o.status for o in outcomes} == {"ran"}
    assert sorted(messages.lines) == [(name, f"{name} works") for name in ("data", "export", "lint", "train")]
    assert engine.calls.index("data") < engine.calls.index("train") < engine.calls.index("export")


def test_an_engine_that_runs_one_at_a_time_is_asked_for_no_more() -> None:
    engine, watcher = Toy(), RecordingWatcher()
    run(schedule(LINE, engine.status(LINE), Selection(), engine.lacks), engine, watcher, watcher, jobs=4)
    assert engine.calls == ["prepare", "data", "train", "export", "lint"]


def test_an_interruption_reaches_stages_in_other_threads() -> None:
    @dataclass
    class Endless(Toy):
        max_jobs: int = 2

        def run(self, stage: Stage, watch: Watch, *, force: bool = False) -> Outcome:
            if stage.name == "lint":
                signal.pthread_kill(main, signal.SIGINT)
            assert self.interrupted.wait(60)
            return Outcome(stage.name, "interrupted", Reason("stopped", "it was stopped"))

    main, engine, watcher = threading.main_thread().ident or 0, Endless(), RecordingWatcher()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        outcomes = run(schedule(LINE, engine.status(LINE), Selection(), engine.lacks), engine, watcher, watcher, jobs=2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert [o.status for o in outcomes] == ["interrupted", "skipped", "skipped", "interrupted"]
    assert watcher.verdict == "interrupted"


def test_an_interruption_while_an_outcome_is_shown_loses_none() -> None:
    class Interrupted(RecordingWatcher):
        def ended(self, outcome: Outcome) -> None:
            super().ended(outcome)
            if len(self.ended_) == 1:
                raise KeyboardInterrupt

    @dataclass
    class Two(Toy):
        max_jobs: int = 2

    engine, watcher = Two(), Interrupted()
    outcomes = run(schedule(LINE, engine.status(LINE), Selection(), engine.lacks), engine, watcher, watcher, jobs=2)
    assert {o.stage: o.status for o in outcomes} == {
        "data": "ran", "lint": "ran", "train": "skipped", "export": "skipped"
    }  # fmt: skip
    assert set(watcher.ended_) == {"data", "train", "export", "lint"}
    assert engine.interrupted.is_set()
    assert watcher.verdict == "interrupted"
