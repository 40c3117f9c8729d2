"""Of all that a stage opened, what counts as an input that nothing declares."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from PIL import Image
from pyarrow import dataset, parquet
from pyarrow.csv import read_csv

from mlspec.errors import MlspecError
from mlspec.job import Job
from mlspec.run.undeclared_reads import undeclared, watched
from mlspec.source.reads import FILE, covered, dump, flow_list, parse
from mlspec.watch import Seen
from tests.parts.projects import written

DECLARED = ("data/rows.csv", "assets")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    paths = ["data/rows.csv", "data/more.csv", "data/more.dvc", "assets/a/b.txt", "src/a.py", "src/notes.txt",
             ".venv/lib/x.py", "sub/site-packages/y.py", ".env", "conf/data/default.yaml", "artifacts/model/best.ckpt",
             "dvc.lock", "parts/a.csv", "parts/b.csv", "made.txt", "odd\nname"]  # fmt: skip
    return written(tmp_path, dict.fromkeys(paths, "x")).root


def opened(root: Path, *read: str, written: tuple[str, ...] = (), listed: tuple[str, ...] = ()) -> tuple[str, ...]:
    return undeclared(Seen(set(read), set(written), set(listed)), root, DECLARED)


@pytest.mark.parametrize(
    "path",
    ["data/rows.csv", "assets/a/b.txt", ".venv/lib/x.py", "sub/site-packages/y.py", ".env", "conf/data/default.yaml",
     "artifacts/model/best.ckpt", "dvc.lock", "data/more.dvc", "no/such.csv", "src", "odd\nname"],
)  # fmt: skip
def test_what_is_declared_or_no_input_is_left_out(path: str, root: Path) -> None:
    assert opened(root, path) == ()


def test_what_is_not_declared_is_named_once(root: Path) -> None:
    assert opened(root, "data/more.csv", "src/a.py", "data/rows.csv") == ("data/more.csv", "src/a.py")
    assert opened(root, "src/__pycache__/a.cpython-311.pyc", "src/a.py") == ("src/a.py",)
    assert opened(root, "made.txt", written=("made.txt",)) == ()


def test_a_listed_folder_counts_as_a_read_of_its_files(root: Path) -> None:
    assert opened(root, "parts/a.csv", "parts/b.csv", listed=("parts",)) == ("parts",)
    assert opened(root, "parts/a.csv") == ("parts/a.csv",)
    # Python lists the folder of a module itself, and a whole project is no input.
    assert opened(root, "src/notes.txt", "made.txt", listed=("src", ".")) == ("made.txt", "src/notes.txt")


def test_the_record_reads_back() -> None:
    reads = {"train": ("src/a.py", "a b/c d.txt"), "data": ("data/x.csv",)}
    assert parse(dump(reads)) == {"data": ("data/x.csv",), "train": ("a b/c d.txt", "src/a.py")}


@pytest.mark.parametrize("line", ["data", "data ../x", "data /etc/passwd", "data a//b", "<<<<<<< HEAD", "da-ta x"])
def test_a_broken_record_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(MlspecError, match=f"^{FILE}:2: ") as error:
        parse(f"# first\n{line}\n")
    assert error.value.code == "broken-lock"


def test_help_lines_can_be_pasted() -> None:
    assert flow_list(["data/a.csv", "a, b: [c].txt", "ä"]) == '[data/a.csv, "a, b: [c].txt", "ä"]'
    assert covered("a/b", ["a/"])
    assert not covered("ab", ["a"])


FILES: dict[str, str | bytes] = {
    "dvc.yaml": "stages: {data: {cmd: mlspec run data, deps: [data/declared.csv]}}\n",
    "data/declared.csv": "a\n1\n",
    "data/a.csv": "a\n1\n",
    "data/plain": "x",
    "deep/x/a.csv": "x",
    "deep/y/b.csv": "x",
    "src/tool.py": "import sys, helper\n",
    "src/helper.py": "",
    "notes.md": "x",
    "Makefile": "x",
}


def binary(folder: Path) -> None:
    """Files that only their libraries read."""
    (folder / "parts").mkdir()
    for file in ("a.parquet", "parts/0.parquet"):
        parquet.write_table(pyarrow.table({"a": [1, 2]}), folder / file)
    Image.new("L", (2, 2)).save(folder / "a.png")
    with closing(sqlite3.connect(folder / "a.db")) as database, database:
        database.execute("create table rows (a)")
        database.execute("insert into rows values (1)")


def native(root: Path) -> None:
    read_csv(os.path.join("data", "a.csv"))


def by_arrow_memory_map(root: Path) -> None:
    with pyarrow.memory_map(os.path.join("data", "a.parquet")) as file:
        assert parquet.read_table(file).num_rows == 2


def by_arrow_dataset(root: Path) -> None:
    assert dataset.dataset(os.path.join("data", "parts")).to_table().num_rows == 2


def by_pillow(root: Path) -> None:
    with Image.open(os.path.join("data", "a.png")) as picture:
        picture.load()


def by_sqlite(root: Path) -> None:
    with closing(sqlite3.connect(os.path.join("data", "a.db"))) as database:
        assert database.execute("select count(*) from rows").fetchone() == (1,)


def by_polars(root: Path) -> None:
    polars = pytest.importorskip("polars")
    assert polars.scan_csv(os.path.join("data", "a.csv")).collect().height == 1


def by_duckdb(root: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    assert duckdb.sql("select * from read_csv('data/" + "a.csv')").fetchall() == [(1,)]


def mapped(root: Path) -> None:
    np.memmap(root.joinpath("data", "a.csv"), mode="r").tobytes()


def kept_mapped(root: Path) -> None:
    globals()["_kept"] = np.memmap(root.joinpath("data", "a.csv"), mode="r")


def by_program(root: Path) -> None:
    subprocess.run(["cat", "a.csv", "plain"], cwd=root / "data", check=True, capture_output=True)


def by_shell(root: Path) -> None:
    assert os.system(f"cat {root}/data/a.csv > /dev/null") == 0


def by_python(root: Path) -> None:
    subprocess.run([sys.executable, "src/tool.py"], cwd=root, check=True)


def by_python_with_bytecode(root: Path) -> None:
    # The second time, Python only reads what it has compiled.
    for _ in range(2):
        subprocess.run([sys.executable, "-c", "import src.helper"], cwd=root, check=True)


def nested(root: Path) -> None:
    for path in sorted(Path("deep").rglob("*.csv")):
        path.read_text()


def nested_by_program(root: Path) -> None:
    subprocess.run(["grep", "-r", "x", "deep"], cwd=root, check=True, capture_output=True)


def deleted(root: Path) -> None:
    Path("data/a.csv").read_text()
    Path("data/a.csv").unlink()


def replaced(root: Path) -> None:
    Path("new").write_text(Path("data/a.csv").read_text())
    Path("new").rename("data/a.csv")


def read_then_changed(root: Path) -> None:
    subprocess.run(["sh", "-c", "cat data/a.csv; echo 2 >> data/a.csv"], cwd=root, check=True, capture_output=True)


def write_project(root: Path) -> None:
    subprocess.run(["sh", "-c", "echo x > data/new.csv; cat data/new.csv"], cwd=root, check=True, capture_output=True)


def written_over(root: Path) -> None:
    subprocess.run(["sh", "-c", "echo x > data/a.csv"], cwd=root, check=True)


def declared(root: Path) -> None:
    subprocess.run(["cat", "data/declared.csv"], cwd=root, check=True, capture_output=True)


def edited(root: Path) -> None:
    """An editor or git, that opens sources and notes while the stage runs."""
    script = f"for f in notes.md Makefile src/helper.py; do cat {root}/$f; done"
    subprocess.run(["sh", "-c", script], check=True, capture_output=True, cwd="/")


def named_note(root: Path) -> None:
    subprocess.run(["cat", "notes.md"], cwd=root, check=True, capture_output=True)


def link_out(root: Path) -> None:
    read_csv(os.path.join("linked", "far.csv"))


def link_out_by_its_target(root: Path) -> None:
    read_csv(root.joinpath("linked").resolve() / "far.csv")


def link_to_a_file(root: Path) -> None:
    read_csv(os.path.join("data", "link.csv"))


def above_a_link(root: Path) -> None:
    """`linked/..` is the folder above the target, not the project."""
    Path("linked/../above.csv").read_text()


class Texts:
    """A dataset of one file, as a user writes it."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, _: int) -> str:
        return Path("data/a.csv").read_text()


def by_workers(way: str) -> None:
    loader = pytest.importorskip("torch.utils.data").DataLoader(Texts(), num_workers=1, multiprocessing_context=way)
    assert list(loader) == [["a\n1\n"]]


def by_forked_workers(root: Path) -> None:
    by_workers("fork")


def by_spawned_workers(root: Path) -> None:
    by_workers("spawn")


SEEN: list[tuple[Callable[[Path], object], set[str]]] = [
    (native, {"data/a.csv"}),
    (by_arrow_memory_map, {"data/a.parquet"}),
    (by_arrow_dataset, {"data/parts"}),
    (by_pillow, {"data/a.png"}),
    (by_sqlite, {"data/a.db"}),
    (by_polars, {"data/a.csv"}),
    (by_duckdb, {"data/a.csv"}),
    (mapped, {"data/a.csv"}),
    (kept_mapped, {"data/a.csv"}),
    (by_program, {"data/a.csv", "data/plain"}),
    (by_shell, {"data/a.csv"}),
    (by_python, {"src/tool.py", "src/helper.py"}),
    (by_python_with_bytecode, {"src/helper.py"}),
    (nested, {"deep"}),
    (nested_by_program, {"deep"}),
    (deleted, set()),
    (replaced, set()),
    (read_then_changed, {"data/a.csv"}),
    (write_project, set()),
    (written_over, set()),
    (declared, set()),
    (edited, set()),
    (named_note, {"notes.md"}),
    (link_out, {"linked/far.csv"}),
    (link_out_by_its_target, {"linked/far.csv"}),
    (link_to_a_file, {"data/link.csv"}),
    (above_a_link, set()),
    (by_forked_workers, {"data/a.csv"}),
    (by_spawned_workers, {"data/a.csv"}),
]


@pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")
@pytest.mark.parametrize(("way", "expected"), SEEN, ids=[way.__name__ for way, _ in SEEN])
def test_what_a_stage_opens_is_recorded(
    way: Callable[[Path], object], expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = written(tmp_path / "far", {"in/far.csv": "a\n1\n", "above.csv": "a\n", "one.csv": "a\n1\n"}).root
    root = written(tmp_path / "p", {**FILES, "above.csv": "not this one"}).root
    (root / "linked").symlink_to(far / "in")
    (root / "data" / "link.csv").symlink_to(far / "one.csv")
    (root / "deep" / "round").symlink_to(root)
    binary(root / "data")
    monkeypatch.chdir(root)
    with watched("data", Job(root, root / "artifacts", root / "artifacts", {}, {})):
        way(root)
    record = root / FILE
    assert set(parse(record.read_text()).get("data", ()) if record.exists() else ()) == expected
