"""The files of the stage `data`: all of one run, whatever fails."""

from __future__ import annotations

import resource
import signal
from multiprocessing import get_context
from pathlib import Path

from mlspec.parts.data import work
from tests.parts.data.project import csv, data_splits, job, spec, write


def limited(root: Path, size: int) -> None:
    """Run the stage where no file may be larger than `size` bytes, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    work.main(job(root, spec()))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_old_files_stay_if_one_cannot_be_written(tmp_path: Path) -> None:
    write(tmp_path, {"data/rows.csv": csv(16)})
    data_splits(tmp_path)
    before = contents(tmp_path / "artifacts/data")
    write(tmp_path, {"data/rows.csv": csv(400)})
    write(tmp_path / "other", {"data/rows.csv": csv(400)})
    data_splits(tmp_path / "other")
    sizes = [len(content) for content in contents(tmp_path / "other/artifacts/data").values()]
    for size in (size - 1 for size in set(sizes)):
        process = get_context("fork").Process(target=limited, args=(tmp_path, size))
        process.start()
        process.join()
        assert process.exitcode == 1, size
        assert contents(tmp_path / "artifacts/data") == before, size
    assert {"train.parquet", "origins.parquet", "schema.json", "profile.json", "decisions.json"} <= set(before)
    assert data_splits(tmp_path)["train"].num_rows == 200
    assert set(contents(tmp_path / "artifacts/data")) == set(before)
    assert [path.name for path in (tmp_path / "artifacts").iterdir()] == ["data"]
