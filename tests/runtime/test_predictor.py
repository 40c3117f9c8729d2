"""A bundle answers rows in their order, and a damaged one is refused before it answers any."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlspec.runtime import BadRow, BundleError, Predictor
from mlspec.runtime.predictor import BATCH, softmax
from tests.conftest import CHECKOUT
from tests.runtime import bundles

RUNTIME = CHECKOUT / "mlspec" / "runtime"


def test_classification(tmp_path: Path) -> None:
    predictor = Predictor(bundles.tabular(tmp_path), threads=1)
    result = predictor.predict(
        [{"age": 20, "city": "Oslo"}, {"age": 1000, "city": "Rome"}, {"age": None, "city": None}]
    )
    assert [answer["label"] for answer in result] == ["no", "yes", "no"]
    for answer in result:
        assert list(answer) == ["label", "score", "probabilities"]
        assert list(answer["probabilities"]) == ["no", "maybe", "yes"]
        assert answer["score"] == max(answer["probabilities"].values()) == answer["probabilities"][answer["label"]]
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-12)
    json.dumps(result, allow_nan=False)


def test_regression_in_the_order_of_the_rows(tmp_path: Path) -> None:
    texts = [" ".join(["word"] * (i * 7 % 13)) for i in range(3 * BATCH + 5)]
    predictor = Predictor(bundles.text(tmp_path, texts), threads=1)
    assert predictor.predict([{"sentence": t} for t in texts]) == [{"value": 2.0 + len(t.split())} for t in texts]


def test_rows_are_padded_only_to_rows_of_like_length(tmp_path: Path) -> None:
    texts = ["word", "word " * 12] * BATCH
    predictor = Predictor(bundles.text(tmp_path, texts), threads=1)
    shapes: list[tuple[int, ...]] = []
    run = predictor.run

    def noted(inputs: dict[str, Any]) -> Any:
        shapes.append(inputs["input_ids"].shape)
        return run(inputs)

    predictor.run = noted  # type: ignore[method-assign]
    predictor.predict([{"sentence": t} for t in texts])
    assert shapes == [(BATCH, 3), (BATCH, 14)]


def test_a_row_gives_the_same_answer_alone_and_in_a_batch(tmp_path: Path) -> None:
    predictor = Predictor(bundles.tabular(tmp_path), threads=1)
    rows = [{"age": age, "city": city} for age in range(0, 100, 7) for city in ("Bonn", "Oslo", None)]
    together = predictor.predict(rows)
    for row, answer in zip(rows, together, strict=True):
        (alone,) = predictor.predict([row])
        assert alone["label"] == answer["label"]
        assert alone["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-6)


def test_no_rows(tmp_path: Path) -> None:
    assert Predictor(bundles.tabular(tmp_path)).predict([]) == []


def test_threads_share_one_predictor(tmp_path: Path) -> None:
    predictor = Predictor(bundles.tabular(tmp_path), threads=1)
    rows = [{"age": age, "city": "Bonn"} for age in range(40)]
    expected = predictor.predict(rows)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: predictor.predict(rows), range(8))) == [expected] * 8


@pytest.mark.parametrize(
    ("row", "index", "input", "message"),
    [
        ({"city": "Bonn"}, 1, "age", "is missing"),
        ({"age": "5", "city": "Bonn"}, 1, "age", "must be a number, not text; remove the quotes"),
        ({"age": True, "city": "Bonn"}, 1, "age", "must be a number, not a boolean"),
        ({"age": float("inf"), "city": "Bonn"}, 1, "age", "must be finite"),
        ({"age": 10**400, "city": "Bonn"}, 1, "age", "is too large for float64"),
        ({"age": 5, "city": ["Bonn"]}, 1, "city", "must be text, not a list"),
        ("age", 1, "", "must be an object of inputs, not text"),
    ],
)
def test_a_bad_row_says_which_and_why(tmp_path: Path, row: Any, index: int, input: str, message: str) -> None:
    predictor = Predictor(bundles.tabular(tmp_path))
    with pytest.raises(BadRow) as caught:
        predictor.predict([{"age": 1, "city": "Bonn"}, row])
    assert (caught.value.index, caught.value.input, caught.value.message) == (index, input, message)
    assert isinstance(caught.value, ValueError)


def test_softmax_of_extremes() -> None:
    result = softmax(np.array([[1000.0, -1000.0], [0.0, 0.0]], dtype=np.float32))
    assert result.dtype == np.float64
    assert result.tolist() == [[1.0, 0.0], [0.5, 0.5]]


def _cut(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:50])


def _edit(name: str, **changes: Any) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        record = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({k: v for k, v in (record | changes).items() if v is not ...}))

    return change


FITTED = "preprocess/preprocess.json"
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no-model": (lambda folder: (folder / "model.onnx").unlink(), "cannot load"),
    "half-a-model": (_cut("model.onnx"), "cannot load"),
    "no-signature": (lambda folder: (folder / "signature.json").unlink(), "cannot read .*signature.json"),
    "half-a-signature": (_cut("signature.json"), "cannot read .*signature.json"),
    "newer-signature": (_edit("signature.json", version=2), "has bundle version 2, this runtime supports 1"),
    "no-task": (_edit("signature.json", task=...), "cannot read .*signature.json: KeyError: 'task'"),
    "other-task": (_edit("signature.json", task="ranking"), "is inconsistent: task ranking"),
    "no-labels": (_edit("signature.json", output={"name": "x"}), "is inconsistent"),
    "fewer-labels": (_edit("signature.json", output={"labels": ["a", "b"]}), "has 3 outputs per row, but .* has 2"),
    "other-inputs": (_edit("signature.json", graph={"inputs": ["pixels"], "output": "logits"}), "the inputs of model.onnx"),
    "other-output": (
        _edit("signature.json", graph={"inputs": ["numbers", "categories"], "output": "scores"}),
        "has the outputs",
    ),
    "no-preprocess": (lambda folder: (folder / FITTED).unlink(), "cannot read .*preprocess.json"),
    "half-a-preprocess": (_cut(FITTED), "cannot read .*preprocess.json"),
    "newer-preprocess": (_edit(FITTED, version=9), "has version 9"),
    "empty-preprocess": (_edit(FITTED, members=[]), "names no inputs"),
    "unknown-kind": (_edit(FITTED, members=[{"kind": "sound"}]), "the kind sound"),
    "not-all-inputs": (
        _edit(FITTED, members=[{"kind": "tabular", "numbers": {}, "categories": {"city": ["Bonn"]}}]),
        "the preprocessing returns",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_bundle_is_refused(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    bundles.tabular(tmp_path)
    damage(tmp_path)
    with pytest.raises(BundleError, match=message):
        Predictor(tmp_path)


def test_a_damaged_tokenizer_is_refused(tmp_path: Path) -> None:
    bundles.text(tmp_path, ["a"])
    _cut("preprocess/tokenizer.json")(tmp_path)
    with pytest.raises(BundleError, match=r"cannot read .*tokenizer\.json"):
        Predictor(tmp_path)


def test_the_runtime_imports_nothing_else_of_mlspec() -> None:
    for file in RUNTIME.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert not name.startswith("mlspec") or name.startswith("mlspec.runtime"), (file, name)


HEAVY = ("torch", "pydantic", "tokenizers", "PIL", "pyarrow", "yaml", "pandas")


def test_what_serving_numbers_loads(tmp_path: Path) -> None:
    bundles.tabular(tmp_path)
    code = (
        "import sys; from mlspec.runtime import Predictor; "
        f"print(Predictor({str(tmp_path)!r}).predict([{{'age': 1, 'city': 'Bonn'}}])[0]['label']); "
        "print(sorted({m.split('.')[0] for m in sys.modules} & set(sys.argv)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *HEAVY], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert done[:2] == ["no", "[]"]
