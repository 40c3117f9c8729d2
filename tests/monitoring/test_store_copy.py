"""The store in S3 between the runs of a scheduled job; S3 is emulated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlspec.errors import ConflictError, StageError
from mlspec.monitoring.store_copy import CopiedStore, StoreCopy, bucket_of


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """A client of an S3 that runs in this process."""
    boto3 = pytest.importorskip("boto3")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys)
    client.create_bucket(Bucket="bucket")
    yield client
    server.stop()


def written(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def texts(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "restored.json"]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def objects(s3: Any, prefix: str) -> int:
    return len(s3.list_objects_v2(Bucket="bucket", Prefix=f"{prefix}/objects/").get("Contents", ()))


def test_a_run_continues_where_the_last_one_ended(s3: Any, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    one, other = StoreCopy(first, "bucket", "p/one", s3), StoreCopy(second, "bucket", "p/one", s3)
    assert one.restore() == CopiedStore(0, 0)
    written(first, data__day__a="rows", state__drift="1", **{"state__seal.lock": "", "log__.partial": "x"})
    assert one.save() == CopiedStore(2, 2)
    assert other.restore() == CopiedStore(2, 2)
    assert texts(second) == {"data/day/a": "rows", "state/drift": "1"}
    written(second, data__day__b="more", state__drift="2")
    (second / "data" / "day" / "a").unlink()
    assert other.save() == CopiedStore(2, 2)
    assert other.restore() == CopiedStore(2, 0)
    assert one.restore() == CopiedStore(2, 2)
    assert texts(first)["state/drift"] == "2"


def test_a_run_does_not_undo_another_one(s3: Any, tmp_path: Path) -> None:
    copies = [StoreCopy(tmp_path / name, "bucket", "p/two", s3) for name in ("first", "second")]
    for copy in copies:
        copy.restore()
        written(copy.folder, state__drift=copy.folder.name)
    copies[0].save()
    with pytest.raises(ConflictError, match="another run has changed state/drift in s3://bucket/p/two") as caught:
        copies[1].save()
    assert "mlspec monitor restore" in caught.value.help
    copies[1].restore()
    assert texts(copies[1].folder) == {"state/drift": "first"}


def test_changes_of_other_files_are_kept(s3: Any, tmp_path: Path) -> None:
    first, second = (StoreCopy(tmp_path / name, "bucket", "p/six", s3) for name in ("first", "second"))
    first.restore()
    written(first.folder, state__drift="1", state__retraining="1", state__old="1")
    first.save()
    second.restore()
    written(first.folder, state__drift="2", data__a="rows")
    written(second.folder, state__retraining="two")
    (second.folder / "state" / "old").unlink()
    assert (first.save(), second.save()) == (CopiedStore(4, 2), CopiedStore(3, 1))
    written(second.folder, state__retraining="3")
    second.save()
    first.restore()
    assert texts(first.folder) == {"data/a": "rows", "state/drift": "2", "state/retraining": "3"}


def test_a_save_that_is_killed_leaves_the_earlier_copy(s3: Any, tmp_path: Path) -> None:
    copy = StoreCopy(tmp_path / "first", "bucket", "p/three", s3)
    copy.restore()
    written(copy.folder, state__a="1", state__b="1")
    copy.save()
    written(copy.folder, state__a="2", state__b="2")

    class Killed:
        def __getattr__(self, name: str) -> Any:
            if name == "put_object":
                raise KeyboardInterrupt
            return getattr(s3, name)

    with pytest.raises(KeyboardInterrupt):
        StoreCopy(copy.folder, "bucket", "p/three", Killed()).save()
    again = StoreCopy(tmp_path / "second", "bucket", "p/three", s3)
    again.restore()
    assert texts(again.folder) == {"state/a": "1", "state/b": "1"}
    copy.save()


def test_what_no_manifest_needs_is_removed(s3: Any, tmp_path: Path) -> None:
    copy = StoreCopy(tmp_path / "first", "bucket", "p/four", s3)
    copy.restore()
    for value in "12345":
        written(copy.folder, state__a=value)
        copy.save()
    assert objects(s3, "p/four") == 2  # of this manifest, and of the one that another run may read now


@pytest.mark.parametrize("name", ["../out", "/etc/x", "a/../../b", ""])
def test_a_manifest_that_leads_out_of_the_folder_is_refused(s3: Any, tmp_path: Path, name: str) -> None:
    s3.put_object(Bucket="bucket", Key="p/five/manifest.json", Body=b'{"files": {"%s": "00"}}' % name.encode())
    with pytest.raises(StageError, match="has the path"):
        StoreCopy(tmp_path / "first", "bucket", "p/five", s3).restore()
    s3.put_object(Bucket="bucket", Key="p/five/manifest.json", Body=b"{")
    with pytest.raises(StageError, match="is damaged"):
        StoreCopy(tmp_path / "first", "bucket", "p/five", s3).restore()


def test_a_bucket_that_does_not_exist_is_reported(s3: Any, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"s3://none/p cannot be used.*NoSuchBucket") as caught:
        StoreCopy(tmp_path, "none", "p", s3).restore()
    assert caught.value.help == "create the bucket"


def test_the_parts_of_an_address() -> None:
    assert bucket_of("s3://bucket") == ("bucket", "")
    assert bucket_of("s3://bucket/a/b/") == ("bucket", "a/b")
