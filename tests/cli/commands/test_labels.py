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
    assert shown_lines == ["added 2 of 3 labels", "  1 without a prediction in the store"]
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


def test_a_file_that_does_not_exist(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["labels", "add", "none.csv"]) == 2
    assert "file not found: none.csv" in capsys.readouterr().err


def test_before_the_first_export(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "artifacts" / "bundle" / "signature.json").unlink()
    assert main(["labels", "add", str(write(project / "labels.csv"))]) == 4
    assert "mlspec apply --until export" in capsys.readouterr().err
