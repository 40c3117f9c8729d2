"""One training on labelled predictions: train, compare with the current model on rows new to both, release or restore.

The project holds the rows of a new model only while it is trained, and for good once it is released: whatever fails or
is interrupted, the next run finds the current model and its data.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from mlspec.errors import ConflictError, StageError
from mlspec.monitoring.challenge import LabelledRows, as_table, labelled_rows, losses, write_collected
from mlspec.monitoring.compute_reference import live_reference, model_version, reference_digest
from mlspec.monitoring.quality.betting_interval import BettingInterval
from mlspec.monitoring.quality.compare_versions import Comparison, PairedComparison
from mlspec.monitoring.reference_files import store_reference
from mlspec.monitoring.retraining import (
    Retraining,
    RetrainingHistory,
    Verdict,
    allowed_error,
    decide,
    read_history,
    write_history,
)
from mlspec.monitoring.watched_model import WatchedModel
from mlspec.records.bundle_provenance import bundle_digest
from mlspec.records.schema import Schema

HISTORY: Final = "retraining.json"
_CHAMPION: Final = "champion"
_CANDIDATE: Final = "candidate.parquet"
_CHANGED: Final = "the project has changed since the current model was trained"
_AGAIN: Final = "train again with it: mlspec monitor approve --reject, mlspec apply, mlspec monitor retrain --now"


@dataclass(frozen=True, slots=True)
class RetrainingOutcome:
    """What a run did: the entry of the history, or why it did nothing."""

    retraining: Retraining | None
    reason: str
    help: str = ""
    waiting: bool = False
    """Whether a model waits for approval now."""


@dataclass(frozen=True)
class RetrainingRun:
    """The steps of a training.

    `train` runs the pipeline up to the export, `build` up to the image, `release` all of it: exit codes. `outdated` has
    the stages up to the export that would run because of something else than missing files, and why.
    """

    model: WatchedModel
    root: Path
    collected: str
    """The folder `data.collected`."""
    train: Callable[[], int]
    build: Callable[[], int]
    release: Callable[[], int]
    outdated: Callable[[], Mapping[str, str]]
    say: Callable[[str], None]
    holds: bool = False
    """A model that wins waits for approval, whatever the options say."""

    @property
    def history_file(self) -> Path:
        """Where the history is."""
        return self.model.state / HISTORY

    def run(self, alarms: list[str], now: datetime, *, anyway: bool = False) -> RetrainingOutcome:
        """Train, compare and release if the policy allows it; `anyway` ignores alarms, pauses and limits.

        Raises ConflictError while another process does, StageError where no model can train on the log.
        """
        with self._alone() as history:
            rows = labelled_rows(self.model, history.used_until)
            fresh = len(rows.since(history.judged_until))
            causes = alarms or (["started manually"] if anyway else [])
            decision = decide(self.model.options.retrain, history, causes, fresh, now)
            waiting = history.last is not None and history.last.verdict == "waiting"
            if not decision.train and (waiting or not anyway or not fresh):
                return RetrainingOutcome(None, decision.reason, decision.help, waiting)
            if outdated := self.outdated():
                message = f"{_CHANGED}: {_sentence(outdated)}; the new model would differ in more than its rows"
                raise StageError(message, help="bring the model up to date and release it first: mlspec apply")
            return self._train(history, rows, "; ".join(causes), now)

    def decide_waiting(self, *, approve: bool) -> RetrainingOutcome:
        """Release the model that waits for approval, or drop it."""
        with self._alone() as history:
            last = history.last
            if last is None or last.verdict != "waiting":
                return RetrainingOutcome(None, "no model waits for approval", "mlspec monitor retrain")
            if approve:
                self._with_candidate(last, self.release, "release")
                return self._approved(history, last)
            (self.model.state / _CANDIDATE).unlink(missing_ok=True)
            if (self.root / last.file).is_file():  # it was built
                return self._restored(history, last, "lost", last.detail)
            return self._ended(history, last, "lost", last.detail)

    def build_waiting(self) -> RetrainingOutcome:
        """Build what releases the model that waits for approval: its rows and its results stay in the project."""
        with self._alone() as history:
            last = _waiting(history)
            self._with_candidate(last, self.build, "build")
            return RetrainingOutcome(
                last, last.detail, "release it, then: mlspec monitor approve --released", waiting=True
            )

    def record_release(self) -> RetrainingOutcome:
        """Record that the model that waits for approval was released elsewhere, from the results in this project."""
        with self._alone() as history:
            last = _waiting(history)
            rows = self.root / last.file
            if not rows.is_file() or rows.read_bytes() != (self.model.state / _CANDIDATE).read_bytes():
                help = "bring them and dvc.lock from where `mlspec monitor approve --build` ran, then: dvc pull"
                raise StageError(f"{last.file} does not hold the rows of the model that waits for approval", help=help)
            champion = self.model.state / _CHAMPION
            if champion.is_dir() and bundle_digest(champion) == bundle_digest(self.model.artifacts / "bundle"):
                help = "bring dvc.lock from where `mlspec monitor approve --build` ran, then: dvc pull"
                raise StageError(
                    "artifacts/bundle is the current model, not the one that waits for approval", help=help
                )
            return self._approved(history, last)

    @contextmanager
    def _alone(self) -> Iterator[RetrainingHistory]:
        """The history, while no other process may train."""
        with self.model.store.folders.retraining() as alone:
            if not alone:
                raise _busy()
            yield self._recovered()

    def _with_candidate(self, last: Retraining, pipeline: Callable[[], int], what: str) -> None:
        """Run a pipeline with the model that waits, and no other. A failure restores the current model."""
        rows = self.root / last.file
        if not rows.is_file():  # else it was built before, or a build was interrupted
            self._check_unchanged()
        rows.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.model.state / _CANDIDATE, rows)
        trained = self.train() == 0
        same = not last.bundle or bundle_digest(self.model.artifacts / "bundle") == last.bundle
        if trained and same and pipeline() == 0:
            return
        rows.unlink()
        self.train()  # gives back the current model; the one that waits can be approved again
        if trained and not same:
            message = "its training, repeated on this machine, gave another model than the one that won"
            raise StageError(message, help=f"take the model from the run-cache: dvc pull --run-cache; or {_AGAIN}")
        raise StageError(f"the {what} failed, see above", help="fix it, then: mlspec monitor approve")

    def _check_unchanged(self) -> None:
        """Raise StageError where the project would train another model than the one that won."""
        if outdated := self.outdated():
            message = f"{_CHANGED}: {_sentence(outdated)}; what would be released is not the model that won"
            raise StageError(message, help=f"undo the change, then: mlspec monitor approve; or {_AGAIN}")

    def _approved(self, history: RetrainingHistory, last: Retraining) -> RetrainingOutcome:
        """The model that waited is released."""
        rows = labelled_rows(self.model, history.used_until, last.until)
        self._accept(*rows.divided(self.model.options.retrain.holdout, history.without_last.judged_until))
        (self.model.state / _CANDIDATE).unlink(missing_ok=True)
        return self._ended(history, last, "approved", last.detail)

    def _recovered(self) -> RetrainingHistory:
        """The history; a training that was killed is ended, and its rows are taken out of the project."""
        history = read_history(self.history_file)
        if (last := history.last) is not None and last.verdict == "running":
            (self.root / last.file).unlink(missing_ok=True)
            last = last.model_copy(update={"verdict": "failed", "detail": "interrupted"})
            history = history.with_last(last)
            write_history(self.history_file, history)
        return self._with_current_model(history, last) if last is not None and last.unrestored else history

    def _with_current_model(self, history: RetrainingHistory, last: Retraining) -> RetrainingHistory:
        """The pipeline gives back the current model, whose rows the project has; the history says so."""
        self.say("restoring the current model")
        if self.train() != 0:
            raise StageError("the current model could not be restored, see above", help="mlspec apply --until export")
        restored = history.with_last(last.model_copy(update={"unrestored": False}))
        write_history(self.history_file, restored)
        return restored

    def _train(self, history: RetrainingHistory, rows: LabelledRows, cause: str, now: datetime) -> RetrainingOutcome:
        judged = history.judged_until
        for_training, for_test = rows.divided(self.model.options.retrain.holdout, judged)
        self.say(f"{len(for_training)} labelled predictions join the training data, {len(for_test)} compare the models")
        file = f"{self.collected}/{now:%Y-%m-%dT%H%M%S}.parquet"
        fresh, newest = len(rows.since(judged)), max(rows.added)
        begun = Retraining(
            started=now, verdict="running", rows=fresh, cause=cause, labels_until=newest, file=file, unrestored=True
        )
        error = allowed_error(self.model.options.retrain.confidence, history.attempt)
        history = history.with_new(begun)
        champion = self.model.state / _CHAMPION
        shutil.rmtree(champion, ignore_errors=True)
        shutil.copytree(self.model.artifacts / "bundle", champion)
        write_history(self.history_file, history)
        try:
            write_collected(self.root / file, for_training, Schema.read(self.model.artifacts).target.column)
            if self.train() != 0:
                return self._restored(history, begun, "failed", "the training or its gates failed, see above")
            begun = begun.model_copy(update={"compared": True})  # also if it is killed: the error it may have is spent
            write_history(self.history_file, history.with_last(begun))
            comparison = self._compared(champion, for_test, error)
        except BaseException:
            (self.root / file).unlink(missing_ok=True)
            failed = begun.model_copy(update={"verdict": "failed", "detail": "interrupted or failed"})
            write_history(self.history_file, history.with_last(failed))
            raise
        words = comparison.words()
        if comparison.verdict != "better":
            verdict: Verdict = "lost" if comparison.verdict == "worse" else "undecided"
            return self._restored(history, begun, verdict, words)
        if self.holds or self.model.options.retrain.approve:
            begun = begun.model_copy(update={"bundle": bundle_digest(self.model.artifacts / "bundle") or ""})
            shutil.copyfile(self.root / file, self.model.state / _CANDIDATE)
            return self._restored(history, begun, "waiting", words)
        if self.release() != 0:
            return self._restored(history, begun, "failed", f"the new model won ({words}), and its release failed")
        self._accept(for_training, for_test)
        return self._ended(history, begun, "released", words)

    def _accept(self, for_training: LabelledRows, for_test: LabelledRows) -> None:
        """Compare live data with these rows from now on: the released model won on them, so they are expected."""
        artifacts = self.model.artifacts
        target = Schema.read(artifacts).target.column
        train = pa.concat_tables(
            [as_table(for_training, target), as_table(for_test, target)], promote_options="default"
        )
        with tempfile.TemporaryDirectory(prefix="mlspec-") as folder:
            digest = reference_digest(artifacts)
            splits = (train, as_table(for_test, target))
            reference = live_reference(artifacts, digest, splits, Path(folder), self.model.compared)
        store_reference(self.model.state, model_version(artifacts), reference)

    def _compared(self, champion: Path, rows: LabelledRows, error: float) -> Comparison:
        """The new model against the current one, wrong with the probability `error` at most.

        An error of a number is measured in the spread of the true values.
        """
        scale = None if self.model.signature.labels else _error_scale(rows)
        old = losses(champion, rows, scale or 1.0)
        new = losses(self.model.artifacts / "bundle", rows, scale or 1.0)
        mixed = np.random.default_rng(0).permutation(len(rows))  # the interval weighs the first rows most
        paired = PairedComparison(BettingInterval(error), scale=scale)
        paired.update(old[mixed], new[mixed])
        result = paired.result()
        self.say(result.words())
        return result

    def _restored(
        self, history: RetrainingHistory, begun: Retraining, verdict: Verdict, detail: str
    ) -> RetrainingOutcome:
        """End without the new model: its rows leave the project, and the pipeline gives back the current model."""
        (self.root / begun.file).unlink(missing_ok=True)
        ended = begun.model_copy(update={"verdict": verdict, "detail": detail, "unrestored": True})
        write_history(self.history_file, history.with_last(ended))
        restored = self._with_current_model(history.with_last(ended), ended)
        return RetrainingOutcome(restored.last, detail, waiting=verdict == "waiting")

    def _ended(self, history: RetrainingHistory, begun: Retraining, verdict: Verdict, detail: str) -> RetrainingOutcome:
        ended = begun.model_copy(update={"verdict": verdict, "detail": detail, "unrestored": False})
        write_history(self.history_file, history.with_last(ended))
        return RetrainingOutcome(ended, detail, waiting=verdict == "waiting")


def _error_scale(rows: LabelledRows) -> float:
    """The absolute error that is a loss of 1: two standard deviations of the true values."""
    numbers = [value for value in rows.actual if isinstance(value, int | float)]
    return (float(np.std(numbers)) * 2 if numbers else 0.0) or 1.0


def _sentence(outdated: Mapping[str, str]) -> str:
    return "; ".join(f"{stage}: {reason}" for stage, reason in outdated.items())


def _waiting(history: RetrainingHistory) -> Retraining:
    if history.last is None or history.last.verdict != "waiting":
        raise StageError("no model waits for approval", help="mlspec monitor retrain")
    return history.last


def _busy() -> ConflictError:
    return ConflictError("another `mlspec monitor retrain` runs in this project", paths=(), help="wait until it ends")
