"""A training on labelled predictions from its start to the release, with real bundles and a pipeline that swaps them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import numpy_helper

from mlspec.errors import ConflictError, StageError
from mlspec.monitoring.baseline.reference import Reference
from mlspec.monitoring.compute_reference import model_version, project_reference
from mlspec.monitoring.label_store import LabelStore
from mlspec.monitoring.reference_files import referenced_models
from mlspec.monitoring.retraining import Retraining, Verdict, read_history
from mlspec.monitoring.retraining_run import RetrainingOutcome, RetrainingRun
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.records.bundle_signature import BundleSignature
from mlspec.runtime.predictor import Predictor
from mlspec.sections.monitor import Monitor
from mlspec.sections.monitor_quality import Quality
from tests.bundles import text_bundle
from tests.monitoring.log_lines import DAY, line, segment
from tests.monitoring.references import REFERENCE

ROWS = 240
NOW = DAY + timedelta(hours=1)
TEXTS = ("the cat sat", "a dog ran", "the dog sat", "a cat")


def opposite(bundle: Path) -> None:
    """Make the model answer the other label."""
    model = onnx.load(bundle / "model.onnx")
    weights = next(each for each in model.graph.initializer if each.name == "weights")
    weights.CopyFrom(numpy_helper.from_array(-np.asarray(numpy_helper.to_array(weights)), "weights"))
    onnx.save(model, bundle / "model.onnx")


LENGTHS = {"length": {"column": "sentence", "by": "length", "bins": [5]}}


class Project:
    """A project whose pipeline makes a bundle: another one while there are collected rows."""

    def __init__(self, root: Path, **options: object) -> None:
        self.root, self.steps, self.fails, self.messages = root, list[str](), set[str](), list[str]()
        self.changed: dict[str, str] = {}
        self.champion, self.challenger = text_bundle(root / "old"), text_bundle(root / "new")
        opposite(self.challenger)
        artifacts = root / "artifacts"
        shutil.copytree(self.champion, artifacts / "bundle")
        schema = {
            "inputs": {"sentence": {"type": "text"}},
            "target": {"column": "label", "type": "class", "labels": ["no", "yes"]},
        }
        (artifacts / "data").mkdir()
        (artifacts / "data" / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
        folder = root / ".mlspec" / "monitor"
        (folder / "state").mkdir(parents=True)
        reference: Reference = REFERENCE.model_copy(update={"columns": {"sentence": REFERENCE.columns["sentence"]}})
        (folder / "state" / f"reference-{REFERENCE.digest}.json").write_text(
            reference.model_dump_json(), encoding="utf-8"
        )
        monitor = Monitor.model_validate({"on_drift": "retrain", "retrain": {"min_rows": 100, **options}})
        signature = BundleSignature.read(artifacts)
        self.model = WatchedModel("cola", "", monitor, artifacts, folder, signature)

    def collected(self) -> list[Path]:
        return sorted((self.root / "data" / "collected").glob("*.parquet"))

    def train(self) -> int:
        self.steps.append("train")
        if "train" in self.fails and self.collected():
            return 4
        shutil.rmtree(self.model.artifacts / "bundle")
        shutil.copytree(self.challenger if self.collected() else self.champion, self.model.artifacts / "bundle")
        return 0

    def train_without(self, rows: Path) -> None:
        """The bundle of the current model, beside the rows of the new one."""
        content = rows.read_bytes()
        rows.unlink()
        self.train()
        rows.write_bytes(content)

    def build(self) -> int:
        self.steps.append("build")
        return 4 if "build" in self.fails else self.train()

    def release(self) -> int:
        self.steps.append("release")
        return 4 if "release" in self.fails else self.train()

    def serves_challenger(self) -> bool:
        served = (self.model.artifacts / "bundle" / "model.onnx").read_bytes()
        return served == (self.challenger / "model.onnx").read_bytes()

    def predictions(self, labels_of: Path, rows: int = ROWS, *, first: int = 0, labelled: datetime = NOW) -> None:
        """Predictions with the labels that a bundle would give, numbered from `first`."""
        texts = [TEXTS[i % len(TEXTS)] for i in range(rows)]
        predictor = Predictor(labels_of)
        prepared = [feature for _, feature in predictor.prepare([{"sentence": text} for text in texts])]
        answers = predictor.compute(prepared)
        lines = [line(i, inputs={"sentence": text}) for i, text in enumerate(texts, first)]
        segment(self.model.folder, lines, f"host-1-{first}-0")
        labels = [{"request_id": f"r{i}", "label": a["label"]} for i, a in enumerate(answers, first) if "label" in a]
        LabelStore(self.model.store).add(pa.Table.from_pylist(labels), labelled)

    def run(
        self, alarms: tuple[str, ...] = ("sentence moved",), now: datetime = NOW, *, anyway: bool = False
    ) -> RetrainingOutcome:
        return self.run_of().run([*alarms], now, anyway=anyway)

    def approve(self, *, approve: bool) -> RetrainingOutcome:
        return self.run_of().decide_waiting(approve=approve)

    def run_of(self) -> RetrainingRun:
        steps = (self.train, self.build, self.release, lambda: self.changed)
        return RetrainingRun(self.model, self.root, "data/collected", *steps, self.messages.append)

    def verdicts(self) -> list[Verdict]:
        return [r.verdict for r in read_history(self.run_of().history_file).retrainings]


Make = Callable[..., Project]


@pytest.fixture
def project(tmp_path: Path) -> Make:
    return lambda **options: Project(tmp_path, **options)


def test_a_better_model_is_released_with_its_rows(project: Make) -> None:
    each = project()
    options = each.model.options.model_copy(update={"quality": Quality.model_validate({"slices": LENGTHS})})
    each.model = replace(each.model, options=options)
    each.predictions(labels_of=each.challenger)
    outcome = each.run()
    assert outcome.retraining is not None
    assert (outcome.retraining.verdict, each.serves_challenger()) == ("released", True)
    assert "the challenger is better" in outcome.reason
    rows = pq.read_table(each.collected()[0])
    assert rows.column_names == ["sentence", "label"]
    assert 0.3 * ROWS < rows.num_rows < 0.7 * ROWS
    version = model_version(each.model.artifacts)
    accepted = project_reference(each.model.artifacts, each.model.state, each.model.compared)
    assert accepted.slice_errors.keys() == accepted.tested.keys() == {"length"}
    assert (accepted.rows, referenced_models(each.model.state)[version]) == (ROWS, accepted.digest)
    assert accepted.classes is not None
    assert sum(map(sum, accepted.classes.confusion)) == ROWS - rows.num_rows
    again = each.run(now=NOW + timedelta(days=2))
    assert (again.retraining, again.reason) == (
        None,
        "0 new labelled predictions, 100 are needed (those that have compared models before do not count)",
    )


@pytest.mark.parametrize("verdict", ["lost", "undecided", "rejected"])
def test_rows_that_decided_about_a_model_decide_about_no_other(project: Make, verdict: str) -> None:
    """They join the training of the next one; the comparison has only rows whose labels came later."""
    each = project(approve=verdict == "rejected")
    if verdict == "undecided":
        opposite(each.challenger)
    each.predictions(labels_of=each.champion if verdict == "lost" else each.challenger)
    each.run()
    if verdict == "rejected":
        each.approve(approve=False)
    assert each.verdicts() == ["undecided" if verdict == "undecided" else "lost"]
    later = NOW + timedelta(days=2)
    assert each.run(now=later).reason.startswith("0 new labelled predictions, 100 are needed")
    assert each.run((), now=later, anyway=True).reason.startswith("0 new labelled predictions, 100 are needed")

    each.predictions(labels_of=each.champion, rows=60, first=ROWS, labelled=later)
    assert each.run(now=later).reason.startswith("60 new labelled predictions, 100 are needed")
    each.predictions(labels_of=each.champion, rows=60, first=ROWS + 60, labelled=later)
    each.messages.clear()
    assert each.run(now=later).retraining is not None
    trained, compared = (int(words.split()[0]) for words in each.messages[0].split(", "))
    assert trained + compared == ROWS + 120
    assert 30 < compared < 90
    assert f"in {compared:,} rows" in each.messages[1]


def test_labels_that_come_late_count_as_new(project: Make) -> None:
    """Their predictions are older than those of the earlier comparison, which did not have them."""
    each = project()
    each.predictions(labels_of=each.champion, first=ROWS)
    each.run()
    later = NOW + timedelta(days=2)
    each.predictions(labels_of=each.champion, labelled=later)
    done = each.run(now=later).retraining
    assert done is not None
    assert (done.rows, done.labels_until) == (ROWS, later)


def test_the_interval_of_the_second_comparison_is_wider(project: Make) -> None:
    """The same losses again: the interval of the second comparison is wider."""
    each, ends = project(), []
    for day in range(2):
        moment = NOW + timedelta(days=2 * day)
        each.predictions(labels_of=each.champion, first=ROWS * day, labelled=moment)
        each.messages.clear()
        each.run(now=moment)
        interval = re.search(r"\((.*) to .*\) in (\d+) rows", each.messages[1])
        assert interval
        ends.append((float(interval[1]), int(interval[2])))
    (first, rows), (second, more_rows) = ends
    assert second < first
    assert abs(rows - more_rows) < 0.1 * ROWS


def test_a_model_that_is_not_better_leaves_no_trace(project: Make) -> None:
    each = project()
    each.predictions(labels_of=each.champion)
    outcome = each.run()
    assert each.verdicts() == ["lost"]
    assert (each.serves_challenger(), each.collected(), "release" in each.steps) == (False, [], False)
    assert "the challenger is worse" in outcome.reason


def test_a_person_approves_or_rejects(project: Make) -> None:
    each = project(approve=True)
    each.predictions(labels_of=each.challenger)
    each.run()
    assert (each.verdicts(), each.serves_challenger(), each.collected()) == (["waiting"], False, [])
    assert "waits for approval" in each.run().reason
    each.approve(approve=True)
    assert (each.verdicts(), each.serves_challenger()) == (["approved"], True)
    assert project_reference(each.model.artifacts, each.model.state).rows == ROWS
    assert each.approve(approve=True).reason == "no model waits for approval"


def test_a_rejected_model_is_dropped(project: Make) -> None:
    each = project(approve=True)
    each.predictions(labels_of=each.challenger)
    each.run()
    each.approve(approve=False)
    assert (each.verdicts(), each.serves_challenger(), each.collected()) == (["lost"], False, [])


def test_a_model_is_built_released_elsewhere_and_recorded(project: Make) -> None:
    each = project()
    each.predictions(labels_of=each.challenger)
    run = replace(each.run_of(), holds=True)
    run.run(["sentence moved"], NOW)
    with pytest.raises(StageError, match=r"data/collected/.* does not hold the rows of the model"):
        run.record_release()

    each.fails.add("build")
    with pytest.raises(StageError, match="the build failed"):
        run.build_waiting()
    assert (each.verdicts(), each.serves_challenger(), each.collected()) == (["waiting"], False, [])
    each.fails.clear()
    outcome = run.build_waiting()
    assert (outcome.waiting, each.verdicts(), each.serves_challenger()) == (True, ["waiting"], True)
    assert "release" not in each.steps

    (rows,) = each.collected()
    each.train_without(rows)
    with pytest.raises(StageError, match="artifacts/bundle is the current model"):
        run.record_release()
    each.train()
    run.record_release()
    assert (each.verdicts(), each.collected()) == (["approved"], [rows])
    assert project_reference(each.model.artifacts, each.model.state).rows == ROWS
    for again in (run.build_waiting, run.record_release):
        with pytest.raises(StageError, match="no model waits for approval"):
            again()


def test_a_model_that_was_built_and_is_rejected_leaves_the_project(project: Make) -> None:
    each = project(approve=True)
    each.predictions(labels_of=each.challenger)
    each.run()
    each.run_of().build_waiting()
    each.approve(approve=False)
    assert (each.verdicts(), each.serves_challenger(), each.collected()) == (["lost"], False, [])


@pytest.mark.parametrize("step", ["train", "release"])
def test_a_failure_restores_the_current_model_and_can_be_repeated_with_its_rows(project: Make, step: str) -> None:
    each = project()
    each.predictions(labels_of=each.challenger)
    each.fails.add(step)
    each.run()
    assert (each.verdicts(), each.serves_challenger(), each.collected()) == (["failed"], False, [])
    each.fails.clear()
    assert each.run(now=NOW + timedelta(days=2)).retraining is not None
    assert each.verdicts() == ["failed", "released"]


def test_a_kill_in_training_is_cleaned_up_by_the_next_run(project: Make) -> None:
    each = project(cooldown="1s")
    each.predictions(labels_of=each.challenger)
    state = each.model.state
    file = each.root / "data" / "collected" / "killed.parquet"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"half")
    killed = Retraining(
        started=NOW, verdict="running", rows=1, cause="x", compared=True, file="data/collected/killed.parquet"
    )
    (state / "retraining.json").write_text(f'{{"retrainings": [{killed.model_dump_json()}]}}', encoding="utf-8")
    each.run(now=NOW + timedelta(hours=1))
    assert each.verdicts() == ["failed", "released"]
    assert not file.exists()


CHANGED = {"train": "train.seed changed 1 → 2"}


def test_a_project_that_has_changed_trains_no_model_on_predictions(project: Make) -> None:
    """What is compared would differ in more than the rows, and no later run could give back the current model."""
    each = project()
    each.predictions(labels_of=each.challenger)
    each.changed = CHANGED
    with pytest.raises(
        StageError, match=r"the project has changed .*: train: train.seed changed 1 → 2; the new"
    ) as error:
        each.run()
    assert "mlspec apply" in error.value.help
    assert each.steps == []


@pytest.mark.parametrize("step", ["build_waiting", "decide_waiting"])
def test_only_the_model_that_won_is_built_and_released(project: Make, step: str) -> None:
    each = project(approve=True)
    each.predictions(labels_of=each.challenger)
    each.run()
    each.steps.clear()
    run = each.run_of()
    approve = partial(run.decide_waiting, approve=True) if step == "decide_waiting" else run.build_waiting
    each.changed = CHANGED
    with pytest.raises(StageError, match=r"train.seed changed 1 → 2; what would be released is not the model that won"):
        approve()
    assert (each.steps, each.collected(), each.verdicts()) == ([], [], ["waiting"])

    each.changed = {}
    won, each.challenger = each.challenger, text_bundle(each.root / "third")  # trained again, with another result
    opposite(each.challenger)
    (each.challenger / "note.txt").write_text("another", encoding="utf-8")
    with pytest.raises(StageError, match="gave another model than the one that won") as error:
        approve()
    assert "dvc pull --run-cache" in error.value.help
    assert (each.steps, each.serves_challenger(), each.collected()) == (["train", "train"], False, [])

    each.challenger = won
    approve()
    assert each.serves_challenger()


def test_an_exception_leaves_the_data_unchanged(project: Make) -> None:
    each = project()
    each.predictions(labels_of=each.challenger)

    def killed() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(each.run_of(), train=killed).run(["sentence moved"], NOW)
    assert (each.verdicts(), each.collected()) == (["failed"], [])
    assert each.messages[-1] != "restoring the current model"
    assert "no alarm" in each.run(()).reason
    assert (each.messages[-1], each.steps) == ("restoring the current model", ["train"]), (
        "what was interrupted may be left"
    )
    each.run(())
    assert each.steps == ["train"]


def test_only_one_training_at_a_time(project: Make) -> None:
    each = project()
    with each.model.store.folders.retraining() as alone, pytest.raises(ConflictError, match="another"):
        assert alone
        each.run()


def test_a_log_without_the_inputs_cannot_train(project: Make) -> None:
    each = project()
    hidden = Monitor.model_validate({"log": {"columns": {"sentence": "redacted"}}})
    each.model = WatchedModel("cola", "", hidden, each.model.artifacts, each.model.folder, each.model.signature)
    with pytest.raises(StageError, match="does not have the values of sentence"):
        each.run(now=datetime.now(UTC))


def test_an_approval_whose_release_fails_can_be_repeated(project: Make) -> None:
    each = project(approve=True)
    each.predictions(labels_of=each.challenger)
    each.run()
    each.fails.add("release")
    with pytest.raises(StageError, match="the release failed"):
        each.approve(approve=True)
    assert (each.verdicts(), each.serves_challenger(), each.collected()) == (["waiting"], False, [])
    assert each.steps[-1] == "train"
    each.fails.clear()
    each.approve(approve=True)
    assert (each.verdicts(), each.serves_challenger()) == (["approved"], True)
