"""`mlspec labels add`: files of each kind, what became of the rows, and files that cannot be read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlspec.cli.app import main
from tests.bundles import text_bundle
from tests.monitoring.log_lines import line, segment

SPEC = """\
mlspec: 1
project: {name: cola}
data:
  source: data.csv
  inputs: {sentence: text}
  target: {column: label, type: class, labels: ["no", "yes"]}
model: {type: text-classifier}
monitor: {log: {folder: predictions}}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an exported bundle and three predictions."""
    (tmp_path / "mlproject.yaml").write_text(SPEC)
    text_bundle(tmp_path / "artifacts" / "bundle")
    now = datetime.now(UTC)
    segment(tmp_path / "predictions", [line(n, now, inputs={"sentence": "a"}) for n in range(1, 4)])
    monkeypatch.chdir(tmp_path)
    return tmp_path


ROWS = [{"request_id": "r1", "label": "no"}, {"request_id": "r2", "label": "yes"}, {"request_id": "r9", "label": "no"}]


def write(file: Path) -> Path:
    if file.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), file)
    elif file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    else:
        file.write_text("request_id,label\n" + "".join(f"{r['request_id']},{r['label']}\n" for r in ROWS))
    return file


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_a_file_of_each_kind(project: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(project / f"labels.{suffix}")
    assert main(["labels", "add", str(file)]) == 0
    shown_lines = capsys.readouterr().out.splitlines()
    place = f"{file}, row 3" if suffix == "parquet" else f"{file}:{3 if suffix == 'jsonl' else 4}"
    unknown = f"{place}: no prediction `r9` in the store"
    assert shown_lines == ["added 2 of 3 labels", "  1 without a prediction in the store", unknown]
    assert main(["labels", "add", "--json", str(file)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["added"], shown["duplicate"], shown["unknown"]) == (0, 2, 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("labels.xlsx", "x", "unknown suffix"),
        ("labels.csv", "", "is empty"),
        ("labels.csv", "id\n1\n", "need the column `label` or `value`"),
        ("labels.parquet", "torn", "cannot read"),
        ("labels.jsonl", "{torn", "cannot read"),
    ],
)
def test_files_that_cannot_be_read(
    project: Path, name: str, content: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / name).write_text(content)
    assert main(["labels", "add", name]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "help:" in shown


@pytest.mark.parametrize(
    ("row", "help"),
    [("r1,maybe", "the labels of the model: no, yes"), ("r9,no", "`request_id` is the X-Request-Id of an answer")],
)
def test_labels_that_are_not_added(project: Path, row: str, help: str, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "labels.csv").write_text(f"request_id,label\n{row}\n")
    assert main(["labels", "add", "labels.csv"]) == 0
    assert help in capsys.readouterr().err


def test_each_row_that_is_not_stored_has_its_place_and_its_reason(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "labels.csv").write_text("request_id,label\nr3,yes\n")
    main(["labels", "add", "labels.csv"])
    lines = ["request_id;label;note", 'r1;no;"two', 'lines"', "r1;no;", "", "r1;yes;", "r2;maybe;", "r2;;", "r3;no;"]
    (project / "labels.csv").write_text("\n".join(lines) + "\n")
    capsys.readouterr()
    assert main(["labels", "add", "labels.csv"]) == 0
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "labels.csv:6: `r1` is labelled `yes`, and `no` in line 2, which counts",
        "labels.csv:7: `maybe` is not a label of the model",
        "labels.csv:8: no label",
        "labels.csv:9: `r3` is labelled `no`, and `yes` is stored, which was kept",
    ]
    assert main(["labels", "add", "labels.csv", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)["problems"][0]
    assert first == {"kind": "repeated", "source": "labels.csv", "row": 3, "line": 6, "key": "r1", "label": "yes",
                     "kept": "no", "first": {"source": "labels.csv", "row": 1, "line": 2}}  # fmt: skip


def test_of_many_rows_some_are_listed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "labels.csv").write_text("request_id,label\n" + "r1,maybe\n" * 150 + "r9,no\n")
    assert main(["labels", "add", "labels.csv"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [text.partition(": ")[0] for text in shown if text.startswith("labels.csv")] == [
        *(f"labels.csv:{number}" for number in range(2, 7)),
        "labels.csv:152",
    ]
    assert shown[-1].startswith("145 more rows")


SOURCE = "  labels: {source: 'labels/*.csv'}\n"


def test_the_labels_of_the_spec_are_added(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "mlproject.yaml").write_text(SPEC.replace("monitor: {log:", "monitor:\n  log: {").replace(
        "{ {folder: predictions}}", "{folder: predictions}") + SOURCE)  # fmt: skip
    (project / "labels").mkdir()
    write(project / "labels" / "1.csv")
    (project / "labels" / "2.csv").write_text("label,request_id,note\nno,r3,x\nyes,r1,y\n")
    assert main(["labels", "add"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "added 3 of 5 labels",
        "  1 differ from the label that is stored or stands before, which was kept (--replace replaces a stored one)",
        "  1 without a prediction in the store",
        "labels/1.csv:4: no prediction `r9` in the store",
        "labels/2.csv:3: `r1` is labelled `yes`, and `no` in labels/1.csv:2, which counts",
    ]


def test_without_a_file_and_a_source(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["labels", "add"]) == 2
    assert "monitor.labels.source" in capsys.readouterr().err


def test_a_file_that_does_not_exist(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["labels", "add", "none.csv"]) == 2
    assert "file not found: none.csv" in capsys.readouterr().err


def test_before_the_first_export(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "artifacts" / "bundle" / "signature.json").unlink()
    assert main(["labels", "add", str(write(project / "labels.csv"))]) == 5
    assert "mlspec apply --until export" in capsys.readouterr().err
