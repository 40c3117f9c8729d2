"""The stage `textattack` with the real TextAttack, in a Python environment of its own (MLSPEC_TEXTATTACK)."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from mlspec.errors import StageError
from mlspec.records.attack_result import AttackResult, SuccessfulAttacks
from mlspec.records.robustness import RobustnessResult
from tests.conftest import missing
from tests.parts.projects import Applied, written

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

WORDS = {"glad": ["good", "great", "lovely", "fine"], "sad": ["bad", "awful", "poor", "gloomy"]}
FILLER = ["food", "friends", "table", "water", "street", "window", "house", "garden"]
SPEC = """\
project: {{name: mood}}
data:
  source: data/mood.csv
  inputs: {{sentence: text}}
  target: {{column: label, type: class, labels: [sad, glad]}}
  split: {{valid: 0.2, test: 0.2}}
model: {{type: text-classifier, layers: 1, hidden: 16, heads: 2, max_length: 64, vocab_size: 120, lowercase: true, dropout: 0}}
train: {{max_epochs: 14, batch_size: 16, learning_rate: 0.01}}
evaluate: {{metrics: [accuracy], gates: {{accuracy: ">= 0.9"}}}}
export:
test:
  robustness: {{perturbations: [typos, case, whitespace], min_agreement: 0.7, strength: 0.3}}
  invariance: {{perturbations: [whitespace]}}
  textattack: {{recipes: [pruthi], min_accuracy: 0.8, sample: 10, python: {python}}}
"""


@pytest.fixture(scope="module")
def python() -> str:
    path = Path(os.environ.get("MLSPEC_TEXTATTACK", "")) / "bin" / "python"
    if not os.environ.get("MLSPEC_TEXTATTACK") or not path.exists():
        missing("TextAttack in an environment of its own (MLSPEC_TEXTATTACK)")
    return str(path)


def typo(word: str, draw: random.Random) -> str:
    """One letter removed, inserted or replaced."""
    at, letter = draw.randrange(1, len(word)), draw.choice("abcdefghijklmnopqrstuvwxyz")
    return draw.choice(
        [word[:at] + word[at + 1 :], word[:at] + letter + word[at:], word[:at] + letter + word[at + 1 :]]
    )


def mood(root: Path, python: str, signals: int, typos: float = 0.0, more: tuple[str, ...] = ()) -> Applied:
    """Sentences of ten words, `signals` of which say the mood: with one of them, one typo hides it.

    `typos` is the share of words with a typo: a model that was trained without them is misled by one in ten words.
    """
    draw = random.Random(3)
    lines = ["label,sentence", *more]
    for number in range(240):
        label = ("sad", "glad")[number % 2]
        words = [*draw.choices(WORDS[label], k=signals), *draw.choices(FILLER, k=10 - signals)]
        draw.shuffle(words)
        words = [typo(word, draw) if draw.random() < typos else word for word in words]
        lines.append(f"{label},{' '.join(words)}")
    return written(root, {"mlproject.yaml": SPEC.format(python=python), "data/mood.csv": "\n".join(lines) + "\n"})


def test_only_the_attack_finds_a_model_that_one_typo_misleads(
    python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sklearn.py").write_text("raise ImportError('of another environment')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # only for the child: packages of mlspec's environment are not seen
    weak = mood(tmp_path, python, signals=1)
    weak.run("data", "train", "evaluate", "gate", "export", "robustness")
    assert RobustnessResult.read(weak.artifacts).passed
    with pytest.raises(StageError) as caught:
        weak.run("textattack")
    assert "the accuracy under attack is below 80.0%:\n  pruthi: " in caught.value.message
    assert " to glad" in caught.value.message or " to sad" in caught.value.message
    result = AttackResult.read(weak.artifacts)
    figures = result.recipes["pruthi"]
    assert not result.passed
    assert figures.accuracy >= 0.9 > 0.8 > figures.accuracy_under_attack
    assert figures.words_changed == pytest.approx(0.1)
    attacks = SuccessfulAttacks.read(weak.artifacts)
    assert len(attacks.attacks) == round((figures.success_rate or 0) * figures.attacked) > 0
    assert (attacks.textattack, attacks.stop_words) == ("0.3.11", "scikit-learn 1.9.1, English")
    log = (tmp_path / ".mlspec/scratch/textattack/output.log").read_text(encoding="utf-8")
    assert "Downloading" not in log
    first = (weak.artifacts / SuccessfulAttacks.FILE).read_bytes()
    with pytest.raises(StageError):
        weak.run("textattack")
    assert (weak.artifacts / SuccessfulAttacks.FILE).read_bytes() == first


def test_a_model_that_was_trained_on_typos_passes(python: str, tmp_path: Path) -> None:
    strong = mood(tmp_path, python, signals=9, typos=0.4, more=("sad,awful <SPLIT> poor bad gloomy", 'glad,"   "'))
    strong.run("data", "train", "export", "textattack")
    result = AttackResult.read(strong.artifacts)
    assert result.passed
    assert result.recipes["pruthi"].accuracy_under_attack >= 0.8


def test_without_the_environment_the_error_has_the_command(tmp_path: Path, python: str) -> None:
    project = mood(tmp_path, ".mlspec/textattack/bin/python", signals=1)
    with pytest.raises(StageError) as caught:
        project.run("textattack")
    assert caught.value.message == "cannot attack the model: .mlspec/textattack/bin/python does not exist"
    assert (caught.value.help or "").startswith(
        "python3 -m venv .mlspec/textattack && .mlspec/textattack/bin/pip install "
    )
