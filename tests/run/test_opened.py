"""Of all that a stage opened, what counts as an input that nothing declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.errors import MlspecError
from mlspec.run.opened import undeclared
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


def test_a_folder_that_was_listed_stands_for_its_files(root: Path) -> None:
    assert opened(root, "parts/a.csv", "parts/b.csv", listed=("parts",)) == ("parts",)
    assert opened(root, "parts/a.csv") == ("parts/a.csv",)
    # Python lists the folder of a module itself, and a whole project is no input.
    assert opened(root, "src/notes.txt", "made.txt", listed=("src", ".")) == ("made.txt", "src/notes.txt")


def test_the_record_reads_back() -> None:
    reads = {"train": ("src/a.py", "a b/c d.txt"), "data": ("data/x.csv",)}
    assert parse(dump(reads)) == {"data": ("data/x.csv",), "train": ("a b/c d.txt", "src/a.py")}


@pytest.mark.parametrize("line", ["data", "data ../x", "data /etc/passwd", "data a//b", "<<<<<<< HEAD", "da-ta x"])
def test_a_broken_record_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(MlspecError, match=f"^{FILE}:2 ") as found:
        parse(f"# first\n{line}\n")
    assert found.value.code == "broken-lock"


def test_help_lines_can_be_pasted() -> None:
    assert flow_list(["data/a.csv", "a, b: [c].txt", "ä"]) == '[data/a.csv, "a, b: [c].txt", "ä"]'
    assert covered("a/b", ["a/"])
    assert not covered("ab", ["a"])
