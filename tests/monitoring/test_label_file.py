"""Labels of the spec: files by a glob, of this machine and in S3, and queries; what cannot be read is reported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlspec.errors import MlspecError
from mlspec.monitoring.label_file import labels_of_file, labels_of_source


def rows(source: str, query: str, root: Path) -> list[dict[str, Any]]:
    with labels_of_source(source, query, root) as given:
        return list(given.table.to_pylist())


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "b.csv").write_text("order_id,returned\n3,true\n")
    (tmp_path / "labels" / "a.csv").write_text("order_id,returned\n1,true\n\n2,false\n")
    (tmp_path / "labels" / "empty.csv").write_text("")
    return tmp_path


def test_a_query_reads_the_files_of_the_source(files: Path) -> None:
    query = "SELECT order_id AS request_id, IF(returned::BOOL, 'yes', 'no') AS label FROM labels ORDER BY 1;"
    expected = [("1", "yes"), ("2", "no"), ("3", "yes")]
    assert [(row["request_id"], row["label"]) for row in rows("labels/*.csv", query, files)] == expected


def test_a_query_reads_files_of_its_own_relative_to_the_project(files: Path) -> None:
    query = "SELECT order_id AS request_id, 'yes' AS label FROM read_csv('labels/a.csv')"
    assert [row["request_id"] for row in rows("", query, files)] == [1, 2]


def test_the_place_of_a_row_is_that_in_its_own_file(files: Path) -> None:
    with labels_of_source("labels/*.csv", "", files) as given:
        assert [str(given.place(row)) for row in (1, 2, 3)] == ["labels/a.csv:2", "labels/a.csv:4", "labels/b.csv:2"]
    with labels_of_source("labels/*.csv", "FROM labels", files) as given:
        assert str(given.place(2)) == "monitor.labels.query, row 2"


def test_lines_of_json_with_empty_ones(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"id": "a", "label": "no"}\n\n{"id": "b", "label": null}\n')
    with labels_of_file(tmp_path / "x.jsonl") as given:
        assert [given.place(row).line for row in (1, 2)] == [1, 3]


@pytest.mark.parametrize(
    ("source", "query", "message"),
    [
        ("labels/*.parquet", "", "no file of labels found: labels/*.parquet"),
        (
            "labels/*.csv",
            "SELECT nothing FROM labels",
            'monitor.labels.query: Binder Error: Referenced column "nothing"',
        ),
        ("labels/*.csv", "SELEC", "monitor.labels.query: Parser Error"),
        ("", "FROM files", "monitor.labels.query: Catalog Error"),
    ],
)
def test_what_cannot_be_read_is_reported(files: Path, source: str, query: str, message: str) -> None:
    with pytest.raises(MlspecError) as error, labels_of_source(source, query, files):
        pass
    assert message in error.value.message
    assert error.value.help


@pytest.fixture(scope="module")
def s3() -> Iterator[None]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "eu-west-1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**keys, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
            patch.setenv(name, value)
        import boto3

        client = boto3.client("s3")
        client.create_bucket(Bucket="shop", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        for name in ("2026/11.csv", "2026/12.csv", "2025/12.csv"):
            client.put_object(Bucket="shop", Key=f"labels/{name}", Body=f"id,label\n{name[:7]},no\n".encode())
        yield
    server.stop()


@pytest.mark.usefixtures("s3")
def test_objects_in_s3_by_a_glob(tmp_path: Path) -> None:
    with labels_of_source("s3://shop/labels/2026/*.csv", "", tmp_path) as given:
        assert given.table["id"].to_pylist() == ["2026/11", "2026/12"]
        assert str(given.place(2)) == "s3://shop/labels/2026/12.csv:2"


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("source", ["s3://shop/labels/2020/*.csv", "s3://nothing/labels/*.csv", "s3://nothing/a.csv"])
def test_objects_that_s3_does_not_have(tmp_path: Path, source: str) -> None:
    with pytest.raises(MlspecError) as error, labels_of_source(source, "", tmp_path):
        pass
    assert source in error.value.message
