"""The stages `robustness` (predictions for perturbed rows), `textattack` (searched ones) and `test` (pytest)."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow.parquet as pq

from mlspec.errors import StageError
from mlspec.job import Job, whole
from mlspec.learning.out_of_memory import MORE_MEMORY, memory_sentence
from mlspec.learning.prepare import input_descriptions
from mlspec.parts.test import textattack_environment
from mlspec.parts.test.attacks import Attacked, LabelledRow, Victim, attack
from mlspec.parts.test.perturbations import PerturbedInput, Row, perturbed
from mlspec.records import robustness as records
from mlspec.records.attack_result import AttackResult, SuccessfulAttack, SuccessfulAttacks
from mlspec.records.profile import ColumnProfile, Profile
from mlspec.records.robustness import Perturbation
from mlspec.records.schema import Schema
from mlspec.runtime import BadRow, BundleError, Predictor
from mlspec.runtime.predictor import Prediction
from mlspec.sections.test import Robustness, TestSpec, TextAttack, fitting

SHOWN = 3
NOTHING_RAN = 5
"""The exit code of pytest if it collected no tests."""


@memory_sentence(MORE_MEMORY)
def robustness(job: Job) -> None:
    """Run the stage `robustness`: the share of predictions that do not change when rows are perturbed.

    Raises StageError if the agreement is below test.robustness.min_agreement.
    """
    options = job.need(TestSpec).robustness or Robustness()
    rows, inputs = _rows(job, options)
    predictor = _predictor(job.inputs / "bundle")
    before = predictor.predict(rows)
    perturbations: dict[str, Perturbation] = {}
    flipped: dict[str, list[str]] = {}
    for name in options.perturbations or fitting({described["type"] for described in inputs.values()}):
        changed = [perturbed(name, row, i, inputs, options.seed, options.strength) for i, row in enumerate(rows)]
        numbers = [i for i, row in enumerate(rows) if changed[i] != row]
        after = _predicted(predictor, name, [changed[i] for i in numbers])
        same = _same([before[i] for i in numbers], after, _spread(before) * options.tolerance)
        agreement = sum(same) / len(same) if same else 1.0
        perturbations[name] = Perturbation(agreement=agreement, rows=len(numbers))
        moved = [(i, answer) for i, answer, stays in zip(numbers, after, same, strict=True) if not stays]
        flipped[name] = [_change(rows[i], changed[i], before[i], answer) for i, answer in moved[:SHOWN]]
        print(f"{name}: {agreement:.1%} of {len(numbers)} predictions unchanged")
    low = [name for name, entry in perturbations.items() if entry.agreement < options.min_agreement]
    records.RobustnessResult(passed=not low, min_agreement=options.min_agreement, perturbations=perturbations).write(
        job.outputs
    )
    if low:
        raise _refusal(low, perturbations, flipped, options)


def _rows(job: Job, options: Robustness) -> tuple[list[Row], dict[str, PerturbedInput]]:
    """The sampled test rows, and the inputs of schema.json, numbers with their standard deviation in training."""
    folder = job.inputs / "data"
    inputs = input_descriptions(Schema.read(job.inputs))
    profile = Profile.read(job.inputs).columns
    described = {name: cast("PerturbedInput", {**entry}) for name, entry in inputs.items()}
    for name, entry in described.items():
        if entry["type"] == "number":
            entry["std"] = _spread_of(profile[name])
    rows = pq.read_table(folder / "test.parquet", columns=list(inputs)).to_pylist()
    if len(rows) > options.sample:
        chosen = sorted(random.Random(options.seed).sample(range(len(rows)), options.sample))
        rows = [rows[i] for i in chosen]
    return rows, described


def _spread_of(column: ColumnProfile) -> float:
    return 1.0 if column.std is None else column.std


def _predicted(predictor: Predictor, name: str, rows: Sequence[Row]) -> list[Prediction]:
    """The predictions. Raises StageError if the user's preprocessing fails on a perturbed row."""
    try:
        return predictor.predict(rows)
    except BadRow as error:
        row = _short({key: value for key, value in rows[error.index].items() if not isinstance(value, bytes)})
        help = f"support such rows in the preprocessing, or remove `{name}` from test.robustness.perturbations"
        raise StageError(f"{name}: cannot predict the perturbed row {row}: {error.message}", help=help) from None


def _predictor(bundle: Path) -> Predictor:
    try:
        return Predictor(bundle)
    except BundleError as error:
        raise StageError(f"cannot load the bundle: {error}", help="export again: mlspec apply --force export") from None


def _spread(answers: Sequence[Prediction]) -> float:
    values = [answer["value"] for answer in answers if "value" in answer]
    return float(np.std(values)) if values else 0.0


def _same(before: Sequence[Prediction], after: Sequence[Prediction], allowed: float) -> list[bool]:
    return [_agree(a, b, allowed) for a, b in zip(before, after, strict=True)]


def _agree(before: Prediction, after: Prediction, allowed: float) -> bool:
    if "label" in before:
        return "label" in after and before["label"] == after["label"]
    return "value" in after and abs(before["value"] - after["value"]) <= allowed


def _change(row: Row, changed: Row, before: Prediction, after: Prediction) -> str:
    """`"good" to "godo": glad to sad`: the inputs that differ, and the predictions."""
    inputs = ", ".join(
        f"{_short(row[name])} to {_short(changed[name])}"
        for name in row
        if row[name] != changed[name] and not isinstance(row[name], bytes)
    )
    answer = " to ".join(a["label"] if "label" in a else f"{a['value']:.4g}" for a in (before, after))
    return f"{inputs}: {answer}" if inputs else answer


def _short(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _refusal(
    low: Sequence[str],
    perturbations: Mapping[str, Perturbation],
    flipped: Mapping[str, Sequence[str]],
    options: Robustness,
) -> StageError:
    lines = []
    for name in low:
        lines.append(f"{name}: {perturbations[name].agreement:.1%} of {perturbations[name].rows} predictions unchanged")
        lines += [f"    {text}" for text in flipped[name]]
    return StageError(
        f"the model is not robust: the agreement is below {options.min_agreement:.1%}:\n  " + "\n  ".join(lines),
        help="add such rows to the training data, or lower test.robustness.min_agreement",
    )


def textattack(job: Job) -> None:
    """Run the stage `textattack`: the accuracy on rows whose texts TextAttack changes until their prediction changes.

    Raises StageError if TextAttack is missing, or if the accuracy is below test.textattack.min_accuracy.
    """
    options = job.need(TestSpec).textattack or TextAttack()
    if problem := textattack_environment.problem(job.root, options.python):
        raise StageError(f"cannot attack the model: {problem}", help=textattack_environment.install(options.python))
    schema = Schema.read(job.inputs)
    texts = [name for name, described in schema.inputs.items() if described.type == "text"]
    predictor, folder = _predictor(job.inputs / "bundle"), job.scratch / "textattack"
    victim = Victim(predictor, _labelled_rows(job, schema, options), texts)
    attacked = attack(victim, options, job.root / options.python, folder)
    limit = options.min_accuracy
    low = [n for n, result in attacked.recipes.items() if limit is not None and result.accuracy_under_attack < limit]
    for name, result in attacked.recipes.items():
        rate = "no row to attack" if result.success_rate is None else f"{result.success_rate:.1%} of attacks succeed"
        print(f"{name}: accuracy {result.accuracy:.1%}, under attack {result.accuracy_under_attack:.1%} ({rate})")
    SuccessfulAttacks(textattack=attacked.textattack, stop_words=attacked.stop_words, attacks=attacked.successes).write(
        job.outputs
    )
    AttackResult(passed=not low, min_accuracy=limit, recipes=attacked.recipes).write(job.outputs)
    if low:
        raise _fooled(low, attacked, limit or 0.0)


def _labelled_rows(job: Job, schema: Schema, options: TextAttack) -> list[LabelledRow]:
    """The sampled test rows with their labels, in the order of the file."""
    target = schema.target.column
    table = pq.read_table(job.inputs / "data" / "test.parquet", columns=[*schema.inputs, target])
    rows = [(i, row) for i, row in enumerate(table.to_pylist()) if row[target] is not None]
    if len(rows) > options.sample:
        rows = sorted(random.Random(options.seed).sample(rows, options.sample), key=lambda pair: pair[0])
    return [LabelledRow(i, {n: row[n] for n in schema.inputs}, schema.labels[row[target]]) for i, row in rows]


def _fooled(low: Sequence[str], attacked: Attacked, limit: float) -> StageError:
    lines = []
    for name in low:
        result = attacked.recipes[name]
        lines.append(f"{name}: {result.accuracy_under_attack:.1%} of {result.rows} rows ({result.accuracy:.1%} before)")
        lines += [f"    {_attack_line(a)}" for a in [a for a in attacked.successes if a.recipe == name][:SHOWN]]
    return StageError(
        f"the accuracy under attack is below {limit:.1%}:\n  " + "\n  ".join(lines),
        help=f"add such rows to the training data (all: artifacts/{SuccessfulAttacks.FILE}), "
        "or lower test.textattack.min_accuracy",
    )


def _attack_line(attack: SuccessfulAttack) -> str:
    """`"a good day" to "a godo day": glad to sad`."""
    before, after = attack.before, attack.after
    texts = ", ".join(
        f"{_short(before[name])} to {_short(after[name])}" for name in before if before[name] != after[name]
    )
    return f"{texts}: {attack.label} to {attack.predicted}"


def tests(job: Job) -> None:
    """Run the stage `test`. Raises StageError with the failed tests."""
    options = job.need(TestSpec).pytest
    report = job.outputs / "test" / "junit.xml"
    report.unlink(missing_ok=True)
    # pytest expands `~` and `$NAME` in this path, so it must not contain the project root.
    partial = job.scratch / f"junit-{os.getpid()}.xml"
    partial.unlink(missing_ok=True)
    select = ["-m", options.select] if options.select else []
    command = [sys.executable, "-m", "pytest", "tests", "--strict-markers", "-p", "no:cacheprovider"]
    command += ["-p", "mlspec.watch", f"--junitxml={partial.relative_to(job.root)}", *select]
    # `tests` is an input of this stage: bytecode in it would change its digest.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PY_COLORS": "0"}
    sys.stdout.flush()
    done = subprocess.run([*command, *options.args], cwd=job.root, env=environment)
    if not partial.is_file():
        raise StageError(f"pytest failed to run (exit code {done.returncode})", help="see the output of pytest above")
    with whole(report) as copy:  # the outputs may be on another file system
        shutil.copyfile(partial, copy)
    partial.unlink()
    failed, passed = _results(report)
    if failed:
        count = f"{len(failed)} tests failed" if len(failed) > 1 else "1 test failed"
        texts = "\n  ".join(failed)
        raise StageError(f"{count}:\n  {texts}", help=f"run a single test: pytest {failed[0].split(': ')[0]}")
    if done.returncode == NOTHING_RAN or not passed:
        raise StageError("no test ran: all were skipped, or none was selected", help="change test.pytest.select")
    if done.returncode:
        raise StageError(f"pytest failed with exit code {done.returncode}", help="see the output of pytest above")


def _results(report: Path) -> tuple[list[str], int]:
    """The failed tests with the first line of each message, and the number of passed tests."""
    failed: list[str] = []
    passed = 0
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it just now
        trouble = next((e for e in case if e.tag in ("failure", "error")), None)
        if trouble is not None:
            name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
            failed.append(f"{name}: {(trouble.get('message') or '').strip().splitlines()[0][:200]}")
        elif not any(e.tag == "skipped" for e in case):
            passed += 1
    return failed, passed
