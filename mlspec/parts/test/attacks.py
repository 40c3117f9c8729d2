"""Test rows to the attacks of TextAttack that change their predictions.

TextAttack runs in a Python environment of its own (`attack_program.py`) and asks this process for predictions of the
bundle. The bundle has the last word: an attack succeeded only if the bundle predicts another label for the changed row.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from mlspec.child_process import last_lines
from mlspec.errors import StageError
from mlspec.parent_death import die_with_parent
from mlspec.parts.test import attack_program
from mlspec.records.attack_result import RecipeResult, SuccessfulAttack
from mlspec.runtime import BadRow, Predictor
from mlspec.runtime.predictor import ClassPrediction
from mlspec.sections.test import TextAttack
from mlspec.stage_result import warn

_SEPARATOR: Final = "<SPLIT>"
"""TextAttack joins the texts of a row with it, and fails on a row that contains it."""
_NOTE: Final = "post_install_check_3"
"""The file in its cache with which TextAttack notes that it downloaded NLTK's data, of which the recipes need none."""


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """A test row: its number in `data/test.parquet`, its inputs, and its label."""

    number: int
    inputs: Mapping[str, object]
    label: str


@dataclass(frozen=True, slots=True)
class Attacked:
    """The results by recipe, every successful attack, and the versions that led to them."""

    recipes: Mapping[str, RecipeResult]
    successes: tuple[SuccessfulAttack, ...]
    textattack: str
    stop_words: str


def attack(victim: Victim, options: TextAttack, python: Path, folder: Path) -> Attacked:
    """Attack the rows of the victim that are predicted correctly.

    `python` is that of TextAttack's environment; its log and caches are in `folder`. Raises StageError if it fails.
    """
    versions = {"textattack": "", "stop_words": ""}
    request = {
        "recipes": options.recipes,
        "seed": options.seed,
        "max_queries": options.max_queries,
        "rows": victim.open_rows(),
    }
    with _program(python, folder) as program:
        program.write(request)
        for message in program.messages():
            if "ask" in message:
                program.write(victim.scores(message["row"], message["ask"]))
            elif "result" in message:
                victim.count(message["result"])
            elif "ready" in message:
                versions = message["ready"]
    tallies = [victim.tallies.get(name, Tally()) for name in options.recipes]
    sizes = len(victim.rows), len(victim.correct)
    results: dict[str, RecipeResult] = {
        name: tally.result(*sizes) for name, tally in zip(options.recipes, tallies, strict=True)
    }
    return Attacked(results, tuple(success for tally in tallies for success in tally.successes), **versions)


@dataclass
class Tally:
    """What the attacks of one recipe led to."""

    successes: list[SuccessfulAttack] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    queries: list[int] = field(default_factory=list)
    left_out: int = 0

    def result(self, rows: int, correct: int) -> RecipeResult:
        """The figures, of `rows` in the sample and `correct` ones among them before the attack."""
        rows, correct, succeeded = rows - self.left_out, correct - self.left_out, len(self.successes)
        return RecipeResult(
            rows=rows,
            attacked=correct,
            accuracy=correct / rows if rows else 0.0,
            accuracy_under_attack=(correct - succeeded) / rows if rows else 0.0,
            success_rate=succeeded / correct if correct else None,
            words_changed=_mean(self.shares),
            queries=_mean(self.queries),
        )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


class Victim:
    """The model under attack: answers questions of TextAttack, and checks what it reports."""

    def __init__(self, predictor: Predictor, rows: Sequence[LabelledRow], texts: Sequence[str]) -> None:
        """Predict the rows; `texts` are the inputs that an attack changes."""
        self.rows = tuple(rows)
        self._predictor, self._texts = predictor, texts
        self._labels = predictor.signature.labels
        answers = self._predicted([row.inputs for row in rows])
        known = zip(rows, answers, strict=True)
        self.correct = {row.number: row for row, answer in known if answer["label"] == row.label}
        self.tallies: dict[str, Tally] = {}

    def open_rows(self) -> list[dict[str, object]]:
        """The rows to attack, as the program reads them: without those that have no text to change."""
        described = [
            {"row": row.number, "label": self._labels.index(row.label), "texts": self._texts_of(row)}
            for row in self.correct.values()
        ]
        return [row for row in described if row["texts"]]

    def scores(self, number: int, changes: Sequence[Sequence[str]]) -> list[list[float]]:
        """A score for each label of each changed row; the largest is that of the predicted label."""
        row = self.correct[number]
        answers = self._predicted([self._changed(row, texts) for texts in changes])
        return [self._scores(answer) for answer in answers]

    def count(self, result: Mapping[str, Any]) -> None:
        """Add the result of one attack."""
        tally, row = self.tallies.setdefault(result["recipe"], Tally()), self.correct[result["row"]]
        if "error" in result:
            tally.left_out += 1
            warn(f"{result['recipe']} cannot attack row {row.number} of test, which is left out: {result['error']}")
            return
        tally.queries.append(result["queries"])
        if not result["success"]:
            return
        after = result["texts"]
        (answer,) = self._predicted([{**row.inputs, **after}])
        if answer["label"] == row.label:
            return
        tally.shares.append(result["changed"] / max(1, result["words"]))
        tally.successes.append(
            SuccessfulAttack(
                recipe=result["recipe"],
                row=row.number,
                label=row.label,
                predicted=answer["label"],
                before=self._texts_of(row),
                after=after,
                words=result["changed"],
                queries=result["queries"],
            )
        )

    def _texts_of(self, row: LabelledRow) -> dict[str, str]:
        """The texts that TextAttack can change."""
        values = {name: value for name in self._texts if isinstance(value := row.inputs[name], str)}
        return {name: text for name, text in values.items() if text.strip() and _SEPARATOR not in text}

    def _changed(self, row: LabelledRow, texts: Sequence[str]) -> dict[str, object]:
        return {**row.inputs, **dict(zip(self._texts_of(row), texts, strict=True))}

    def _scores(self, answer: ClassPrediction) -> list[float]:
        """The probabilities; with a threshold, moved so that 0.5 is the threshold."""
        values, threshold = list(answer["probabilities"].values()), self._predictor.signature.threshold
        if threshold is None or not 0 < threshold < 1:
            return values
        second = values[1]
        moved = 0.5 * second / threshold if second < threshold else 0.5 + 0.5 * (second - threshold) / (1 - threshold)
        return [1 - moved, moved]

    def _predicted(self, rows: Sequence[Mapping[str, object]]) -> list[ClassPrediction]:
        """The predictions. Raises StageError if the user's preprocessing fails on a changed row."""
        try:
            return cast("list[ClassPrediction]", self._predictor.predict(rows))
        except BadRow as error:
            texts = {name: rows[error.index][name] for name in self._texts}
            shown = json.dumps(texts, ensure_ascii=False)[:200]
            raise StageError(
                f"cannot predict the row {shown}: {error.message}", help="support such texts in the preprocessing"
            ) from None


class _Program:
    """The process that runs TextAttack."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log

    def write(self, message: object) -> None:
        """Send one line."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failure() from None

    def messages(self) -> Iterator[dict[str, Any]]:
        """Its messages until it is done. Raises StageError if it ends early."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message: dict[str, Any] = json.loads(line)
            if "done" in message:
                return
            yield message
        raise self._failure()

    def _failure(self) -> StageError:
        """The last line of its output is the exception."""
        code = self._process.wait()
        last = next(iter(last_lines(self._log, 1)), f"exit code {code}")
        return StageError(f"TextAttack failed: {last}", help=f"see its output: {self._log}")


@contextmanager
def _program(python: Path, folder: Path) -> Iterator[_Program]:
    """The program, started; stopped at the end of the block."""
    cache, log = folder / "cache", folder / "output.log"
    cache.mkdir(parents=True, exist_ok=True)
    (cache / _NOTE).touch()
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [str(python), "-s", str(attack_program.__file__)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            encoding="utf-8",
            env=_environment(cache, folder),
            cwd=folder,
            preexec_fn=die_with_parent,
        )
    try:
        yield _Program(process, log)
    finally:
        process.kill()
        process.communicate()


def _environment(cache: Path, folder: Path) -> dict[str, str]:
    """The variables of the program: caches in the project, no other Python's packages, the same order of sets."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return {
        **kept,
        "TA_CACHE_DIR": str(cache),
        "NLTK_DATA": str(folder / "nltk"),
        "FLAIR_CACHE_ROOT": str(cache / "flair"),
        "TMPDIR": str(cache),  # jieba writes its dictionary there
        "MPLCONFIGDIR": str(cache / "matplotlib"),
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONHASHSEED": "0",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
