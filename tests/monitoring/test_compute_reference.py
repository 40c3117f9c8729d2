from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mlspec.errors import StageError, UsageError
from mlspec.monitoring.baseline.quantile_grid import QuantileGrid
from mlspec.monitoring.baseline.reference import (
    CategoryReference,
    ImageReference,
    NumberReference,
    Reference,
    TextReference,
    is_known,
    unpack,
    unseen_shares,
    word_hash,
)
from mlspec.monitoring.compute_reference import CATEGORIES, project_reference
from mlspec.monitoring.tested_slices import LiveComparison
from mlspec.runtime.log_policy import LogPolicy
from mlspec.sections.monitor_slice import LiveSlice
from tests.bundles import text_bundle
from tests.runtime.test_prediction_record import ROW, encoder, records, request

CLASS = {"column": "label", "type": "class", "labels": ["no", "yes"]}


def artifacts(
    folder: Path,
    kinds: dict[str, Any],
    train: dict[str, Any],
    target: dict[str, Any],
    predictions: dict[str, Any] | None = None,
) -> Path:
    """The artifacts of a project; the test split has the rows of the training split."""
    (folder / "data").mkdir(parents=True)
    (folder / "evaluate").mkdir()
    (folder / "data" / "schema.json").write_text(json.dumps({"inputs": kinds, "target": target}))
    for split in ("train", "test"):
        pq.write_table(pa.table(train), folder / "data" / f"{split}.parquet")
    if predictions:
        pq.write_table(pa.table(predictions), folder / "evaluate" / "predictions.parquet")
    return folder


PREDICTED = {
    "actual": ["no", "yes", "yes", "no"],
    "predicted": ["no", "yes", "no", "no"],
    "confidence": [0.9, 0.8, 0.6, 0.7],
    "probabilities": [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = 4
    train = {
        "age": [1.0, None, 3.0, 3.0],
        "empty": pa.nulls(rows, pa.float64()),
        "town": ["Bonn", "Bonn", None, "Ulm"],
        "sentence": ["The cat sat", None, "the dog", ""],
        "label": [0, 1, 1, 0],
    }
    kinds = {
        "age": {"type": "number"},
        "empty": {"type": "number"},
        "town": {"type": "category"},
        "sentence": {"type": "text"},
    }
    return artifacts(tmp_path_factory.mktemp("project"), kinds, train, CLASS, PREDICTED)


def test_every_kind_of_column(project: Path, tmp_path: Path) -> None:
    reference = project_reference(project, tmp_path)
    age, empty, town, sentence = (reference.columns[n] for n in ("age", "empty", "town", "sentence"))
    assert isinstance(age, NumberReference)
    assert (age.missing, age.values.points, sum(age.values.counts)) == (1, (1.0, 3.0, 3.0), 3)
    assert isinstance(empty, NumberReference)
    assert (empty.missing, empty.rows, empty.values) == (4, 4, QuantileGrid())
    assert isinstance(town, CategoryReference)
    assert (town.counts, town.missing, town.singletons, town.unseen) == ({"Bonn": 2, "Ulm": 1}, 1, 1, 1 / 3)
    assert isinstance(sentence, TextReference)
    assert (sentence.missing, sentence.words.points, sentence.characters.mean) == (1, (0.0, 2.0, 3.0), 6.0)
    known = unpack(sentence.vocabulary)
    assert unseen_shares(["THE bird, the cat!", "...", "the"], known).tolist() == [0.25, 0, 0]
    assert unseen_shares([], known).tolist() == []
    assert [len(unpack(text)) for text in sentence.sample] == [3, 2, 0]


def test_predictions_of_evaluate(project: Path, tmp_path: Path) -> None:
    classes = project_reference(project, tmp_path).classes
    assert classes is not None
    assert classes.confusion == ((2, 0), (1, 1))
    assert classes.predicted == {"no": 3, "yes": 1}
    assert classes.probabilities["yes"].points == (0.1, 0.3, 0.4, 0.8)
    assert sum(b.count for b in classes.calibration) == 4
    assert sum(b.correct for b in classes.calibration) == 3


def test_it_is_cached_and_can_be_carried(project: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    reference = project_reference(project, here)
    (file,) = here.glob("reference-*.json")
    written = file.stat().st_mtime_ns
    assert project_reference(project, here) == reference
    assert file.stat().st_mtime_ns == written
    there.mkdir()
    (there / file.name).write_bytes(file.read_bytes())
    assert project_reference(tmp_path / "nothing", there) == reference
    assert "the dog" not in file.read_text()


def test_a_slice_has_the_errors_of_its_rows_of_the_test_split(tmp_path: Path) -> None:
    towns = ["Bonn"] * 60 + ["Trier"] * 40 + ["Rom"] * 29 + [None]
    wrong = [place % 3 == 0 if town == "Bonn" else place % 2 == 0 for place, town in enumerate(towns)]
    predicted = {
        "actual": ["no"] * 130,
        "predicted": ["yes" if each else "no" for each in wrong],
        "confidence": [0.9] * 130,
        "probabilities": [[0.9, 0.1]] * 130,
    }
    train = {"town": towns, "label": [0] * 130}
    kinds = {"town": {"type": "category", "values": []}}
    project = artifacts(tmp_path / "artifacts", kinds, train, CLASS, predicted)
    reference = project_reference(project, tmp_path)
    assert reference.tested == {"town": "town"}
    errors = reference.slice_errors["town"]
    assert {value: (grid.count, grid.mean) for value, grid in errors.items()} == {
        "Bonn": (60, 1 / 3),
        "Trier": (40, 0.5),
    }
    assert project_reference(project, tmp_path, LiveComparison(hidden={"town": "hashed"})).slice_errors == {}
    how = LiveComparison(hidden={"town": "hashed"}, tested={"town": LiveSlice()}, project="shop")
    hashed = project_reference(project, tmp_path, how)
    assert hashed.tested == {"town": "town hashed"}
    log = encoder(LogPolicy("shop", columns={"town": "hashed"}))
    logged = [records(log, request(rows=[{**ROW, "town": town}]))[0]["inputs"]["town"] for town in ("Bonn", "Trier")]
    assert list(hashed.slice_errors["town"]) == logged
    declared = {"big": LiveSlice(where="town IN ('Bonn', 'Trier')")}
    assert set(project_reference(project, tmp_path, LiveComparison(tested=declared)).slice_errors["big"]) == {"yes"}


def test_a_slice_has_the_distribution_of_its_own_rows(tmp_path: Path) -> None:
    draws = np.random.default_rng(0)
    towns = ["Bonn"] * 300 + ["Trier"] * 200 + ["Rom"] * 49 + [None]
    ages = np.concatenate([draws.normal(20, 2, 300), draws.normal(60, 2, 200), draws.normal(0, 1, 50)])
    kinds = {"age": {"type": "number"}, "town": {"type": "category", "values": []}}
    train = {"age": ages, "town": towns, "label": [0, 1] * 275}
    project = artifacts(tmp_path / "artifacts", kinds, train, CLASS, PREDICTED)
    assert project_reference(project, tmp_path).slices == {}
    reference = project_reference(project, tmp_path, LiveComparison({"town": LiveSlice()}))
    assert set(reference.slices) == {"town=Bonn", "town=Trier"}
    means = {name: columns["age"] for name, columns in reference.slices.items()}
    assert all(isinstance(column, NumberReference) for column in means.values())
    assert [round(column.values.mean) for column in means.values() if isinstance(column, NumberReference)] == [20, 60]
    assert project_reference(project, tmp_path) == reference


def test_a_slice_has_the_lengths_of_its_own_texts_and_the_words_of_all(tmp_path: Path) -> None:
    kinds = {"text": {"type": "text"}, "town": {"type": "category", "values": []}}
    texts = ["one two three"] * 60 + ["one"] * 60
    train = {"text": texts, "town": ["Bonn"] * 60 + ["Trier"] * 60, "label": [0, 1] * 60}
    project = artifacts(tmp_path / "artifacts", kinds, train, CLASS, PREDICTED)
    test = pa.table({**train, "text": ["one four"] * 60 + ["one"] * 60})
    pq.write_table(test, project / "data" / "test.parquet")
    slices = project_reference(project, tmp_path, LiveComparison({"town": LiveSlice()})).slices
    actual = {name: columns["text"] for name, columns in slices.items()}
    known = {name: text for name, text in actual.items() if isinstance(text, TextReference)}
    assert {name: text.words.mean for name, text in known.items()} == {"town=Bonn": 3, "town=Trier": 1}
    assert {name: text.unseen.mean for name, text in known.items()} == {"town=Bonn": 0.5, "town=Trier": 0}
    assert {text.vocabulary for text in known.values()} == {""}


def test_slices_by_bins_a_length_a_condition_and_the_month_of_a_date(tmp_path: Path) -> None:
    kinds = {"age": {"type": "number"}, "text": {"type": "text"}, "day": {"type": "category", "values": []}}
    rows = 200
    train = {
        "age": [None, *np.linspace(20, 60, rows - 1)],
        "text": ["a" * (5 if n % 2 else 50) for n in range(rows)],
        "day": [f"2026-0{1 + n // 100}-11" for n in range(rows)],
        "label": [0, 1] * (rows // 2),
    }
    project = artifacts(tmp_path / "artifacts", kinds, train, CLASS, PREDICTED)
    slices = {
        "age": LiveSlice(bins=[40]),
        "length": LiveSlice(column="text", by="length", bins=[20]),
        "old": LiveSlice(where="age >= 40 AND text LIKE 'a%'"),
        "day": LiveSlice(column="day", by="month"),
        "other": LiveSlice(column="text", by="length", bins=[1000]),
    }
    reference = project_reference(project, tmp_path, LiveComparison(slices))
    counted = {name: {n: c.rows for n, c in columns.items()} for name, columns in reference.slices.items()}
    assert {name: columns["age"] for name, columns in counted.items()} == {
        "age=<40": 99, "age=>=40": 100, "length=<20": 100, "length=>=20": 100, "old=yes": 100, "old=no": 99,
        "day=2026-01": 100, "day=2026-02": 100, "other=<1000": 200,
    }  # fmt: skip
    assert all(set(columns) == {"age", "text", "day"} for columns in counted.values())
    old = reference.slices["old=yes"]["age"]
    assert isinstance(old, NumberReference)
    assert old.values.points[0] >= 40


def test_a_slice_with_another_definition_is_computed_again(tmp_path: Path) -> None:
    kinds = {"age": {"type": "number"}}
    train = {"age": np.linspace(0, 99, 100), "label": [0, 1] * 50}
    project = artifacts(tmp_path / "artifacts", kinds, train, CLASS, PREDICTED)
    sizes = []
    for edge in (50.0, 40.0):
        reference = project_reference(project, tmp_path, LiveComparison({"age": LiveSlice(bins=[edge])}))
        sizes.append({name: columns["age"].rows for name, columns in reference.slices.items()})
    assert sizes == [{"age=<50": 50, "age=>=50": 50}, {"age=>=40": 60}]


def test_a_condition_that_fails_on_the_training_data_names_its_slice(tmp_path: Path) -> None:
    kinds = {"age": {"type": "number"}}
    project = artifacts(tmp_path / "artifacts", kinds, {"age": [1.0], "label": [0]}, CLASS, PREDICTED)
    with pytest.raises(UsageError, match=r"monitor.drift.slices.old: .*agee"):
        project_reference(project, tmp_path, LiveComparison({"old": LiveSlice(where="agee > 3")}))


def test_without_data_and_without_a_copy(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="no training data to compare with") as error:
        project_reference(tmp_path, tmp_path)
    assert "mlspec apply --until evaluate" in error.value.help


def test_other_data_is_another_reference(project: Path, tmp_path: Path) -> None:
    first = project_reference(project, tmp_path)
    other = artifacts(tmp_path / "other", {"age": {"type": "number"}}, {"age": [5.0], "label": [0]}, CLASS, PREDICTED)
    second = project_reference(other, tmp_path)
    assert first.digest != second.digest
    assert len(list(tmp_path.glob("reference-*.json"))) == 2


def test_the_bundle_scores_the_test_split_without_evaluate(tmp_path: Path) -> None:
    train = {"sentence": ["the cat sat", "a dog ran"], "label": [0, 1]}
    folder = artifacts(tmp_path / "artifacts", {"sentence": {"type": "text"}}, train, CLASS)
    text_bundle(folder / "bundle")
    classes = project_reference(folder, tmp_path).classes
    assert classes is not None
    assert (classes.labels, classes.score.count) == (("no", "yes"), 2)


def test_a_regression(tmp_path: Path) -> None:
    target = {"column": "price", "type": "number"}
    predicted = {"actual": [1.0, 2.0], "predicted": [1.5, 2.0]}
    folder = artifacts(
        tmp_path / "a", {"age": {"type": "number"}}, {"age": [1, 2], "price": [1.0, 2.0]}, target, predicted
    )
    values = project_reference(folder, tmp_path).values
    assert values is not None
    assert (values.value.points, values.error.points) == ((1.5, 2.0), (0.0, 0.5))


def test_images(tmp_path: Path) -> None:
    def png(value: int) -> bytes:
        file = io.BytesIO()
        Image.fromarray(np.full((8, 8), value, dtype=np.uint8)).save(file, "PNG")
        return file.getvalue()

    kinds = {"photo": {"type": "image", "channels": 1, "height": 4, "width": 4}}
    train = {"photo": [png(0), png(255), None], "label": [0, 1, 1]}
    folder = artifacts(tmp_path / "a", kinds, train, CLASS, PREDICTED)
    photo = project_reference(folder, tmp_path).columns["photo"]
    assert isinstance(photo, ImageReference)
    assert (photo.missing, photo.mean.points, photo.contrast.points) == (1, (0.0, 1.0), (0.0, 0.0))


def test_very_many_categories_stay_small(tmp_path: Path) -> None:
    towns = [f"town {number}" for number in range(20_000)] + ["Ulm"] * 10
    folder = artifacts(
        tmp_path / "a", {"town": {"type": "category"}}, {"town": towns, "label": [0] * len(towns)}, CLASS, PREDICTED
    )
    reference = project_reference(folder, tmp_path)
    town = reference.columns["town"]
    assert isinstance(town, CategoryReference)
    assert (len(town.counts), town.counts["Ulm"], town.count, town.rows) == (CATEGORIES, 10, 20_010, 20_010)
    rare = next(name for name in towns if name not in town.counts)
    assert is_known([word_hash(rare), word_hash("Atlantis")], unpack(town.other_values)).tolist() == [True, False]
    assert Reference.parse_json(reference.model_dump_json()) == reference


def test_a_grid_keeps_ties_and_has_bins_of_equal_shares() -> None:
    values = np.random.default_rng(0).normal(size=20_000)
    grid = QuantileGrid.of(values)
    assert (len(grid.points), len(grid.counts)) == (1025, 64)
    assert max(grid.counts) - min(grid.counts) < 20
    tied = QuantileGrid.of(np.array([0.0] * 900 + [1.0] * 100))
    after = [float(np.nextafter(value, 2)) for value in (0.0, 1.0)]
    assert (tied.edges, tied.counts) == ((0.0, after[0], 1.0, after[1]), (0, 900, 0, 100, 0))
