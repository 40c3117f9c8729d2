"""Reading and writing records: what is written is read back, and a damaged file names its fault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.errors import StageError
from mlspec.records.attack_result import AttackResult, RecipeResult, SuccessfulAttack, SuccessfulAttacks
from mlspec.records.bundle_provenance import BundleProvenance
from mlspec.records.decisions import DataDecisions, Decision, TrainDecisions
from mlspec.records.evaluation import Calibration, Constant, Evaluation, SliceMetrics
from mlspec.records.export import Checked, Compared, Export, Int8, Parity
from mlspec.records.gates import Gate, Gates
from mlspec.records.image_labels import labels
from mlspec.records.lineage import GitState, Lineage, LineageMetrics
from mlspec.records.packaged import (
    ExamplePrediction,
    HttpCheck,
    ImageProof,
    LockedCheck,
    PackagedImage,
    PackagedZip,
    SizeCheck,
    ZipProof,
    find_packaged,
)
from mlspec.records.profile import ColumnProfile, Distribution, Histogram, Profile, ValueCount
from mlspec.records.record_file import Record
from mlspec.records.release import DeployedFunction, PushedImage, RehearsedRelease, Release, RolloutEvent
from mlspec.records.robustness import Perturbation, RobustnessResult
from mlspec.records.schema import InputSchema, Schema, TargetSchema
from mlspec.records.training import Best, DeviceUse, Training
from tests.packaged import SIGNATURE

RECORDS: list[Record] = [
    DataDecisions(decisions=(Decision("labels", "1 is yes", "data.target.labels"), Decision("files", "2 read"))),
    TrainDecisions(decisions=(Decision("checkpoint", "largest mcc"),)),
    Training(epochs=2, steps=9, best=Best(monitor="mcc", mode="max", value=0.5, epoch=1, step=4), valid={"mcc": 0.5}),
    Training(epochs=1, steps=1, best=Best(monitor="x", epoch=1), valid={"x": None}, undefined={"x": "one class"}),
    Training(
        epochs=1,
        steps=1,
        best=Best(monitor="x", epoch=1),
        speed=DeviceUse(device="cuda", name="NVIDIA H100", samples_per_second=7683.5, waiting=0.02, memory_bytes=10**9),
    ),
    Evaluation(
        task="classification",
        rows=3,
        metrics={"mcc": None, "accuracy": 1.0},
        constant=Constant(answer="no", metrics={"accuracy": 0.5}),
        per_class={"no": {"f1": None, "support": 3}},
        slices={"a=b": SliceMetrics(rows=1, metrics={"accuracy": 1.0})},
        calibration=Calibration(ece=0.25),
        undefined={"mcc": "one class"},
    ),
    Evaluation(task="regression", rows=3, metrics={"mae": 1e300}, constant=Constant(answer=2.5, metrics={})),
    Gates(passed=False, gates=(Gate(metric="mcc", bound=">= 0", value=None, passed=False, slice="a=b"),)),
    Export(
        opset=18,
        parity=Parity(max_abs_difference=1e-7, checked=(Checked(batch=1, length=0, difference=1e-7),)),
        metric=Compared(name="mcc", torch=0.5, onnx=0.5),
        size_bytes=10,
        int8=Int8(metric=0.4, drop=0.1, size_bytes=3),
    ),
    Profile(
        rows=5,
        splits={"train": 3, "valid": 1, "test": 1},
        columns={
            "age": ColumnProfile(
                type="number",
                count=3,
                mean=0.0,
                std=0.0,
                quantiles={"0.5": 0.0},
                histogram=Histogram(edges=(0.0, 1.0), counts=(3,)),
            ),
            "city": ColumnProfile(
                type="category", count=2, missing=1, unique=1, top=(ValueCount(value="Bonn", count=2),)
            ),
            "text": ColumnProfile(type="text", count=3, lengths=Distribution(mean=4.0), unique=3),
            "label": ColumnProfile(type="class", count=3, shares={"no": 1.0, "yes": 0.0}),
        },
    ),
    Schema(
        inputs={"n": InputSchema(type="number"), "c": InputSchema(type="category", values=())},
        target=TargetSchema(column="y", type="class", labels=("no", "yes")),
    ),
    Schema(
        inputs={"i": InputSchema(type="image", channels=1, height=8, width=8)},
        target=TargetSchema(column="y", type="number"),
    ),
    Lineage(
        project="cola",
        git=GitState(commit="a" * 40, dirty=True),
        spec="1" * 64,
        data={"train.parquet": "2" * 64},
        checkpoint="3" * 64,
        metrics=LineageMetrics(evaluate={"mcc": None}, gates=(Gate(metric="mcc", bound="> 0", passed=True),)),
        config={"train": {"seed": 7, "layers": [1, 2.5, None, True]}},
        packages={"python": "3.12.0"},
        files={"model.onnx": "4" * 64},
    ),
    SIGNATURE,
    PackagedImage(
        image="cola",
        id="sha256:1",
        base="python:3.12",
        platform="linux/amd64",
        size_bytes=5,
        max_size_bytes=9,
        layers=("sha256:2",),
        labels=labels(BundleProvenance(commit="c"), SIGNATURE),
        proof=ImageProof(
            manifest="single",
            architecture="amd64",
            size=SizeCheck(bytes=5, max_bytes=9),
            http=HttpCheck(rows=1, difference=0.0, seconds=0.5),
            locked=LockedCheck(rows=1, difference=0.0, seconds=0.5, peak=None, emulator=False, why="absent"),
            examples=(ExamplePrediction(row={"sentence": "home"}, answer={"label": "yes"}),),
            options="6" * 64,
        ),
    ),
    PackagedZip(
        kind="zip",
        file="artifacts/function.zip",
        sha256="7" * 64,
        code_sha256="Bw==",
        runtime="python3.12",
        handler="handler.handle",
        architecture="arm64",
        size_bytes=5,
        unpacked_bytes=9,
        max_size_bytes=9,
        direct=True,
        proof=ZipProof(size=SizeCheck(bytes=5, max_bytes=9), emulator=False, why="no Linux"),
    ),
    Release(),
    RehearsedRelease(
        release=BundleProvenance(commit="c", config={"train": {"seed": 7}}, metrics={"mcc": None}),
        image=PushedImage(repository="h/n", tag="t", digest="sha256:1", uri="h/n@sha256:1", size_bytes=3),
        function=DeployedFunction(name="cola", version="2", alias="live"),
        rollout=(RolloutEvent(kind="step", version="2", time=1.5, percent=10, numbers={"calls": 3, "p95_ms": None}),),
    ),
    AttackResult(
        passed=True,
        min_accuracy=None,
        recipes={
            "pruthi": RecipeResult(
                rows=3,
                attacked=0,
                accuracy=0.0,
                accuracy_under_attack=0.0,
                success_rate=None,
                words_changed=None,
                queries=None,
            )
        },
    ),
    SuccessfulAttacks(
        textattack="0.3.11",
        stop_words="x",
        attacks=(
            SuccessfulAttack(
                recipe="pruthi",
                row=0,
                label="no",
                predicted="yes",
                before={"a": "b"},
                after={"a": "c"},
                words=1,
                queries=2,
            ),
        ),
    ),
    RobustnessResult(passed=True, min_agreement=0.9, perturbations={"typos": Perturbation(agreement=0.95, rows=7)}),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.FILE)
def test_what_is_written_is_read_back(record: Record, tmp_path: Path) -> None:
    record.write(tmp_path)
    assert type(record).read(tmp_path) == record == type(record).find(tmp_path)


def test_an_optional_key_is_only_written_where_it_has_a_value(tmp_path: Path) -> None:
    with_one = Gate(metric="mcc", bound="> 0", passed=True, slice="a=b")
    Gates(passed=True, gates=(with_one, Gate(metric="mcc", bound="> 0", passed=True))).write(tmp_path)
    record = json.loads((tmp_path / Gates.FILE).read_text())
    assert [sorted(gate) for gate in record["gates"]] == [
        ["bound", "metric", "passed", "slice", "value"], ["bound", "metric", "passed", "value"],
    ]  # fmt: skip


def test_a_column_has_the_keys_of_its_type_and_zero_is_a_value(tmp_path: Path) -> None:
    column = ColumnProfile(type="number", count=1, mean=0.0, min=0.0, max=0.0, std=0.0)
    assert column.to_json() == {
        "type": "number", "count": 1, "missing": 0, "mean": 0.0, "std": 0.0, "min": 0.0, "max": 0.0,
    }  # fmt: skip


def test_a_category_without_values_keeps_the_key() -> None:
    assert InputSchema(type="category", values=()).to_json() == {"type": "category", "values": []}
    assert InputSchema(type="text").to_json() == {"type": "text"}


def test_a_missing_file_names_the_stage_that_writes_it(tmp_path: Path) -> None:
    assert Evaluation.find(tmp_path) is None
    with pytest.raises(StageError, match=r"artifacts/metrics/evaluate\.json is missing") as error:
        Evaluation.read(tmp_path)
    assert error.value.help == "mlspec apply --until evaluate"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "Invalid JSON"),
        ('{"task": "classi', "Invalid JSON"),
        ("[]", "should be"),
        ('{"task": "other", "rows": 1, "metrics": {}}', "task: "),
        ('{"task": "regression", "rows": "many", "metrics": {}}', "rows: "),
        ('{"task": "regression", "rows": 1, "metrics": {"mae": NaN}}', "metrics.mae"),
        ('{"task": "regression", "rows": 1, "metrics": {"mae": "x"}}', "metrics.mae"),
    ],
)
def test_a_damaged_file_names_its_fault(text: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / Evaluation.FILE
    path.parent.mkdir()
    path.write_text(text)
    assert Evaluation.find(tmp_path) is None
    with pytest.raises(StageError, match="is damaged") as error:
        Evaluation.read(tmp_path)
    assert fault in str(error.value)
    assert error.value.help == "mlspec apply --until evaluate --force evaluate"


def test_keys_of_a_newer_version_are_ignored(tmp_path: Path) -> None:
    Gates(passed=True).write(tmp_path)
    path = tmp_path / Gates.FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "tomorrow": 1}))
    assert Gates.read(tmp_path) == Gates(passed=True)


@pytest.mark.parametrize("rows", [None, {}, [None], [{"subject": "x"}], [{"reading": "x"}], [[]], ["x"]])
def test_decisions_of_another_shape_are_not_read(rows: object, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / DataDecisions.FILE).write_text(json.dumps({"decisions": rows}))
    assert DataDecisions.find(tmp_path) is None


def test_each_decision_is_kept_once_and_shown_in_columns() -> None:
    rows = (Decision("a", "b", "key"), Decision("longer", "c"), Decision("a", "b", "key"))
    assert list(DataDecisions.of(rows).lines()) == ["a       b  [key]", "longer  c"]


@pytest.mark.parametrize("record", [r for r in RECORDS if r.FILE == "image.json"], ids=lambda r: type(r).__name__)
def test_an_image_is_not_a_zip_and_a_zip_is_not_an_image(record: Record, tmp_path: Path) -> None:
    record.write(tmp_path)
    assert find_packaged(tmp_path) == record
    other = PackagedZip if isinstance(record, PackagedImage) else PackagedImage
    assert other.find(tmp_path) is None


def test_the_labels_of_a_package_have_its_provenance_and_signature() -> None:
    image = next(record for record in RECORDS if isinstance(record, PackagedImage))
    assert (image.provenance, image.signature) == (BundleProvenance(commit="c"), SIGNATURE)
    archive = next(record for record in RECORDS if isinstance(record, PackagedZip))
    assert (archive.provenance, archive.signature) == (BundleProvenance(), None)
