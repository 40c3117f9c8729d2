"""A preprocessing class of the project: what it may return, and what is refused before a model is trained on it."""

from __future__ import annotations

import base64
import io
import json
import pickle
import re
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlspec.errors import StageError
from mlspec.learning.custom_preprocess import fit
from mlspec.learning.preprocess_trial import accepted
from mlspec.runtime import BadRow
from mlspec.runtime.preprocess import load
from mlspec.runtime.preprocess.base import Array
from mlspec.runtime.preprocess.custom import Caller, CustomPreprocess
from mlspec.sections.model import Preprocessing

INPUTS = {"size": {"type": "number"}, "word": {"type": "text"}}
ROWS: list[dict[str, object]] = [
    {"size": None if number == 7 else float(number), "word": "ab" * (number % 4)} for number in range(300)
]
ROW = {"size": 4, "word": "abab"}
SIZES = 'np.nan_to_num(np.array([[row["size"]] for row in rows]))'


def fitted(root: Path, body: str, files: dict[str, str] | None = None, **args: Any) -> CustomPreprocess:
    """The preprocessing after `fit`, loaded as serving loads it; `body` is that of the class."""
    (root / "src").mkdir(exist_ok=True)
    text = f"import numpy as np\n\n\nclass Prep:\n{body}"
    for name, content in {"src/prep.py": text, **(files or {})}.items():
        (root / name).write_text(content, encoding="utf-8")
    folder = root / "artifacts" / "preprocess"
    folder.mkdir(parents=True, exist_ok=True)
    fit(Preprocessing(**{"class": "src.prep:Prep", "args": args}), ROWS, INPUTS, folder, root, root)
    result = load(folder)
    assert isinstance(result, CustomPreprocess)
    return result


def test_an_image_is_the_same_from_a_file_in_base64_and_as_pixels(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(np.arange(0, 240, 15, dtype=np.uint8).reshape(4, 4)).save(file, "PNG")
    caller = Caller(
        "src.prep:Prep",
        lambda rows: {"sums": np.array([row["picture"].sum() for row in rows])},
        {"picture": {"type": "image", "channels": 1, "height": 4, "width": 4}},
        tmp_path,
    )
    pixels = np.arange(0, 240, 15).reshape(4, 4).tolist()
    forms = [file.getvalue(), base64.b64encode(file.getvalue()).decode(), pixels]
    given = [caller.values({"picture": form}, 0)["picture"] for form in forms]
    assert all(
        isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.shape == (1, 4, 4) for image in given
    )
    assert caller.arrays([{"picture": form} for form in forms])["sums"].tolist() == [1800] * 3
    with pytest.raises(BadRow, match="row 1: picture: is not base64"):
        caller.arrays([{"picture": pixels}, {"picture": "!"}])


def test_a_category_is_spelled_as_in_the_training_data(tmp_path: Path) -> None:
    inputs = {"day": {"type": "category", "values": ["2026-01-01 00:00:00", "3", "true"]}}
    caller = Caller("src.prep:Prep", len, inputs, tmp_path)
    given = [caller.values({"day": v}, 0)["day"] for v in ("2026-01-01T00:00", 3, 3.0, True, None, "other")]
    assert given == ["2026-01-01 00:00:00", "3", "3", "true", None, "other"]


def call(returned: str, more: str = "") -> str:
    """The body of a class with a `__call__`."""
    return f"{more}\n    def __call__(self, rows):\n        return {returned}\n"


def one(preprocess: CustomPreprocess, row: dict[str, Any]) -> dict[str, Array]:
    (feature,) = preprocess.features([row])
    return feature


def test_floats_are_float32_and_integers_int64(tmp_path: Path) -> None:
    returned = (
        '{"a": np.float64([[1.5]] * len(rows)), "b": np.uint8([3] * len(rows)), "c": np.bool_([True] * len(rows))}'
    )
    prepared = fitted(tmp_path, call(returned))
    feature = one(prepared, ROW)
    assert {name: (str(a.dtype), a.shape) for name, a in feature.items()} == {
        "a": ("float32", (1,)),
        "b": ("int64", ()),
        "c": ("bool", ()),
    }
    assert prepared.names == ("a", "b", "c")
    assert prepared.features([]) == []


def test_rows_are_the_same_in_training_and_in_a_request(tmp_path: Path) -> None:
    shown = "np.array([[len(repr(sorted(row.items())))] for row in rows])"
    prepared = fitted(tmp_path, call(f'{{"a": {shown}}}'))
    trained = one(prepared, {"size": 4.0, "word": "abab", "price": 3})
    assert trained["a"] == one(prepared, {"word": "abab", "size": 4})["a"]
    missing = one(prepared, {"size": None, "word": None})["a"]
    assert missing == len(repr([("size", float("nan")), ("word", "")]))
    with pytest.raises(BadRow, match="row 0: size: is missing"):
        one(prepared, {"word": "ab"})


def test_only_the_state_reaches_serving(tmp_path: Path) -> None:
    fit = """
    def __init__(self, by):
        self.by = by
    def fit(self, rows):
        self.mean = float(np.nanmean([row["size"] for row in rows])) * self.by
    def state(self):
        return {"mean": self.mean}
    def restore(self, state):
        self.mean = state["mean"]
"""
    prepared = fitted(tmp_path, call(f'{{"a": {SIZES} - self.mean}}', fit), by=2)
    kept = [row["size"] for row in ROWS if row["size"] is not None]
    assert one(prepared, ROW)["a"] == pytest.approx(4 - 2 * np.mean(kept))  # type: ignore[arg-type]
    again = pickle.loads(pickle.dumps(prepared))
    assert one(again, ROW)["a"] == one(prepared, ROW)["a"]


def test_sequences_are_padded_only_in_a_batch(tmp_path: Path) -> None:
    body = """
    def __call__(self, rows):
        longest = max(1, max(len(row["word"]) for row in rows))
        made = np.zeros((len(rows), longest, 2))
        for at, row in enumerate(rows):
            made[at, : len(row["word"])] = 1 + len(row["word"])
        return {"steps": made}
"""
    prepared = fitted(tmp_path, body)
    assert prepared.varying == ("steps",)
    features = prepared.features([{"size": 1, "word": "ab"}, {"size": 1, "word": "abab"}])
    assert [prepared.length(feature) for feature in features] == [2, 4]
    batch = prepared.collate(features)["steps"]
    assert batch.shape == (2, 4, 2)
    assert batch[0, :, 0].tolist() == [3, 3, 0, 0]


def test_modules_of_two_folders_do_not_meet(tmp_path: Path) -> None:
    """Imports inside functions too, of packages with and without `__init__.py`."""
    late = call('{"a": helped(rows)}').replace("return", "from src.helper import helped\n        return")
    prepared = []
    for factor in (2, 3):
        root = tmp_path / str(factor)
        root.mkdir()
        helper = f"from . import number\nimport src.number as same\n\n\ndef helped(rows):\n    return {SIZES} * number.N + same.N\n"
        files = {"src/helper.py": f"import numpy as np\n{helper}", "src/number.py": f"N = {factor}\n"}
        prepared.append(fitted(root, late, files))
    assert [one(each, ROW)["a"].item() for each in prepared] == [4 * 2 + 2, 4 * 3 + 3]


def test_changed_code_of_the_project_is_not_run(tmp_path: Path) -> None:
    prepared = fitted(tmp_path, call(f'{{"a": {SIZES}}}'))
    (tmp_path / "src" / "prep.py").write_text("raise ValueError")
    assert one(load(tmp_path / "artifacts" / "preprocess"), ROW)["a"] == one(prepared, ROW)["a"]  # type: ignore[arg-type]


def test_dataclasses_and_no_bytecode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    files = {
        "src/part.py": "from __future__ import annotations\nfrom dataclasses import dataclass\n\n\n@dataclass\nclass Part:\n    n: int = 1\n"
    }
    body = call(f'{{"a": {SIZES} + Part().n}}').replace("return", "from src.part import Part\n        return")
    assert one(fitted(tmp_path, body, files), ROW)["a"] == 5
    assert not list((tmp_path / "artifacts").rglob("*.pyc"))


REFUSED = {
    "not-callable": ("    pass\n", "src.prep:Prep has no method __call__", "def __call__"),
    "init": ("    def __init__(self):\n        raise KeyError('x')\n", "src/prep.py:6 in __init__: raise KeyError('x')", ""),
    "raises": (call('{"a": rows[0]["nothing"]}'), "row 1 of train.parquet: src.prep:Prep.__call__ raised KeyError: 'nothing'\n  src/prep.py:7 in __call__: return", ""),
    "one-row-raises": (call('{"a": np.array([[1 / (row["size"] != 5)] for row in rows])}'), "row 6 of train.parquet: src.prep:Prep.__call__ raised ZeroDivisionError", ""),
    "no-dict": (call("np.zeros(len(rows))"), "returned ndarray", "return dict[str, np.ndarray]"),
    "empty": (call("{}"), "returned an empty dict", "return dict[str, np.ndarray]"),
    "name": (call('{"a b": np.zeros(len(rows))}'), "returned the name 'a b'", ""),
    "list": (call('{"a": [1.0] * len(rows)}'), "for `a` list, not np.ndarray", ""),
    "rows": (call('{"a": np.zeros((1, 2))}'), "for `a` the shape [1, 2] for 64 rows", "return one entry per row in the first dimension"),
    "one-row": (call('{"a": np.zeros(2)}'), "for `a` the shape [2] for 1 row", ""),
    "text": (call('{"a": np.array([row["word"] for row in rows])}'), "for `a` the dtype <U", "floats, integers or booleans"),
    "object": (call('{"a": np.array([None for row in rows])}'), "for `a` the dtype object", ""),
    "nan": (call('{"a": np.array([row["size"] for row in rows])}'), "row 8 of train.parquet: src.prep:Prep.__call__ returned for `a` nan, which is not finite", "np.nan_to_num"),
    "float32": (call('{"a": np.full(len(rows), 1e60)}'), "1e+60, which exceeds float32", ""),
    "names": (call('{"a" if len(rows) == 1 else "b": np.zeros(len(rows))}'), "returned a for one row but b for others", ""),
    "dtypes": (call('{"a": np.array([0 if row["size"] == 0 else 0.5 for row in rows])}'), "rows of `a` as float32 [] and int64 []", "one dtype"),
    "shapes": (call('{"a": np.zeros((len(rows), 2, len(rows)))}'), "rows of `a` as float32 [2, 1] and float32 [2, 256]", "that differ at most in the first dimension"),
    "batch": (call(f'{{"a": {SIZES} - {SIZES}.mean()}}'), "returns different results for the same row (row 1 of train.parquet): `a` is [-", "process each row independently"),
    "random": (call('{"a": np.random.default_rng().normal(size=len(rows))}'), "returns different results for the same row", "use no random numbers"),
    "counts": (call('{"a": np.full(len(rows), self.n)}', "    n = 0\n").replace("return", "self.n += 1\n        return"), "returns different results for the same row", ""),
    "no-state": (call(f'{{"a": {SIZES}}}', "    def fit(self, rows): ...\n"), "has fit but not state and restore", "state(self) returns"),
    "fit": (call(f'{{"a": {SIZES}}}', "    def fit(self, rows):\n        1 / 0\n    def state(self): ...\n    def restore(self, state): ...\n"), "src.prep:Prep.fit raised ZeroDivisionError: division by zero\n  src/prep.py:6 in fit: 1 / 0", ""),
    "opens": (call(f'{{"a": {SIZES} + len(open("ROOT/words.txt").read())}}'), "src.prep:Prep opens words.txt, which is not available in evaluation and serving", "read it in fit"),
    "hidden": (call(f'{{"a": {SIZES}}}', "    import importlib.util as u\n    spec = u.spec_from_file_location('x', 'ROOT/src/hidden' + '.py')\n    spec.loader.exec_module(u.module_from_spec(spec))\n"), "src.prep:Prep loads src/hidden.py without an import statement", "use import statements"),
    "lengths": (call('{n: np.ones((len(rows), k * max(1, max(len(r["word"]) for r in rows)))) for n, k in (("a", 1), ("b", 2))}'), "returned a row with the lengths a 1, b 2", "one length"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_class_that_cannot_be_served_is_refused(name: str, tmp_path: Path) -> None:
    body, output, help = REFUSED[name]
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "hidden.py").write_text("")
    (tmp_path / "words.txt").write_text("words")
    with pytest.raises(StageError) as raised:
        fitted(tmp_path, body.replace("ROOT", str(tmp_path)))
        from_rows(tmp_path)
    assert output in raised.value.message
    assert help in raised.value.help


def from_rows(root: Path) -> None:
    """Prepare the training rows, as the stage does next."""
    from mlspec.learning.split_rows import refused

    try:
        load(root / "artifacts" / "preprocess").features(ROWS)
    except BadRow as error:
        raise refused(error, root, "train") from None


STATE = """
    def fit(self, rows):
        self.mean = np.float64(3.0)
    def state(self):
        return STATE
    def restore(self, state):
        self.mean = state["mean"] if "mean" in state else 0.0
"""


@pytest.mark.parametrize(
    ("state", "message", "help"),
    [
        ('{"mean": np.ones(2)}', "state()['mean'] is of type numpy.ndarray, which JSON does not support", ".tolist()"),
        ('{"mean": [1.0, {"x": np.float32(2)}]}', "state()['mean'][1]['x'] is of type numpy.float32", ".item()"),
        ('{"mean": float("nan")}', "state()['mean'] is nan, which JSON does not support", "avoid NaN"),
        ("{3: 1.0}", "the key 3 of state() is of type int", "use string keys"),
        ("None", "state returned NoneType, not dict", "return a dict"),
        ("{}", "`a` is [-3.] after fit, [0.] after restore", "return everything that fit computes"),
        ('{"mean": self.mean + 1}', "`a` is [-3.] after fit, [-4.] after restore", "return everything"),
        ("1 / 0", "src.prep:Prep.state raised ZeroDivisionError", ""),
    ],
)
def test_a_state_that_does_not_reach_serving_is_refused(state: str, message: str, help: str, tmp_path: Path) -> None:
    state = state.replace("self.mean + 1", "float(self.mean) + 1")
    with pytest.raises(StageError) as raised:
        fitted(tmp_path, call(f'{{"a": {SIZES} - self.mean}}', STATE.replace("STATE", state)))
    assert message in raised.value.message
    assert help in raised.value.help


def test_another_form_than_in_training_names_the_row(tmp_path: Path) -> None:
    prepared = fitted(
        tmp_path, call('{"a": np.ones((len(rows), 3 if any(row["size"] == 1000 for row in rows) else 2))}')
    )
    with pytest.raises(
        BadRow, match=r"row 1: src.prep:Prep.__call__ returned `a` with rows of float32 \[3\], but for .* \[2\]"
    ):
        prepared.features([{**ROW}, {**ROW, "size": 1000}])
    assert json.loads((tmp_path / "artifacts/preprocess/preprocess.json").read_text())["members"][0]["args"] == {}


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda a, b: None, ""),
        (lambda **inputs: None, ""),
        (lambda a, b, c=None: None, ""),
        (lambda a, *, b: None, ""),
        (lambda a: None, "src.prep:Prep returns a, b, but src.net:Net.forward takes a"),
        (lambda a, b, c: None, "src.prep:Prep returns a, b, but src.net:Net.forward takes a, b, c"),
        (lambda *inputs: None, "src.net:Net.forward takes nothing"),
        (lambda c, **inputs: None, "src.net:Net.forward takes c"),
    ],
)
def test_forward_takes_what_the_class_returns(forward: Callable[..., None], message: str) -> None:
    with nullcontext() if not message else pytest.raises(StageError, match=re.escape(message)):
        accepted(forward, ("a", "b"), "src.prep:Prep", "src.net:Net")


def test_other_names_than_in_training_name_the_row(tmp_path: Path) -> None:
    prepared = fitted(tmp_path, call('{"b" if any(row["size"] == 1000 for row in rows) else "a": np.ones(len(rows))}'))
    with pytest.raises(BadRow, match=r"row 1: src.prep:Prep.__call__ returned b, but for the training rows a"):
        prepared.features([{**ROW}, {**ROW, "size": 1000}])
