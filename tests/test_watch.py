"""What a stage opens is seen in its own process and in those that it starts."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlspec import watch


def _child(path: str) -> None:
    watch.join()
    Path(path).read_text()


def forked(path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=path.read_text)
    process.start()
    process.join()


def spawned(path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_child, args=(str(path),))
    process.start()
    process.join()
    assert process.exitcode == 0


def by_pytest(path: Path) -> None:
    test = path.parent / "test_own.py"
    test.write_text(f"def test():\n    open({str(path)!r}).read()\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "mlspec.watch", "-p", "no:cacheprovider", str(test)]
    subprocess.run(command, check=True, capture_output=True)


def by_name(path: Path) -> None:
    with open(str(path)) as file:  # noqa: PTH123 - the way that most people open files
        file.read()


WAYS: list[Callable[[Path], object]] = [Path.read_text, Path.read_bytes, by_name, forked, spawned, by_pytest]


def seen(root: Path, way: Callable[[], object]) -> watch.Seen:
    with watch.watching(root, root / ".mlspec" / "seen") as result:
        way()
    assert not (root / ".mlspec" / "seen").exists()
    return result


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_is_read_is_recorded(way: Callable[[Path], object], tmp_path: Path) -> None:
    file = tmp_path / "a b.txt"
    file.write_text("x")
    assert "a b.txt" in seen(tmp_path, lambda: way(file)).read


def test_relative_paths_and_links_to_the_project_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, link = tmp_path / "p", tmp_path / "link"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_text("x")
    link.symlink_to(root)
    monkeypatch.chdir(root / "sub")
    assert "a.txt" in seen(root, lambda: Path("../a.txt").read_text()).read
    assert "a.txt" in seen(link, lambda: (root / "a.txt").read_text()).read
    assert "a.txt" in seen(link, lambda: (link / "a.txt").read_text()).read


def test_files_that_were_written_or_lie_outside_are_not_inputs(tmp_path: Path) -> None:
    root, other = tmp_path / "p", tmp_path / "p2"
    root.mkdir()
    other.write_text("x")

    def work() -> None:
        other.read_text()
        (root / "made.txt").write_text("x")
        (root / "made.txt").rename(root / "moved.txt")
        (root / "moved.txt").read_text()
        list(root.iterdir())

    result = seen(root, work)
    assert result.written == {"made.txt", "moved.txt"}
    assert result.read == {"moved.txt"}
    assert "p2" not in result.read


def test_an_exception_is_propagated_and_the_watch_ends(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), watch.watching(tmp_path, tmp_path / "seen") as result:
        1 / 0  # noqa: B018
    (tmp_path / "late.txt").write_text("x")
    (tmp_path / "late.txt").read_text()
    assert "late.txt" not in result.read | result.written


def test_a_pause_is_not_reported(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with watch.watching(tmp_path, tmp_path / "seen") as result:
        with watch.paused():
            (tmp_path / "a.txt").read_text()
        (tmp_path / "a.txt").exists()
    assert result.read == result.native == set()


@pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")
def test_another_process_is_recorded_separately(tmp_path: Path) -> None:
    for name in ("before", "paused", "after"):
        (tmp_path / name).write_text("x")
    with watch.watching(tmp_path, tmp_path / "seen") as result:
        subprocess.run(["cat", "before"], cwd=tmp_path, check=True, capture_output=True)
        with watch.paused():
            subprocess.run(["cat", "paused"], cwd=tmp_path, check=True, capture_output=True)
        subprocess.run(["cat", "after"], cwd=tmp_path, check=True, capture_output=True)
    assert result.native == {"before", "after"}
    assert result.read == set()
    assert result.blind == []


@pytest.mark.skipif(sys.platform != "linux", reason="needs inotify")
def test_a_killed_watch_is_reported_and_stops_no_stage(tmp_path: Path) -> None:
    with watch.watching(tmp_path, tmp_path / "seen") as result:
        watch.native_opens[0].process.kill()
        with watch.paused():
            pass
    assert result.blind == ["its process was killed"]


@pytest.mark.parametrize("event", ["import", "os.rename", "sqlite3.connect", "open", "os.scandir"])
def test_an_event_of_another_shape_does_not_disturb_who_raises_it(tmp_path: Path, event: str) -> None:
    """Libraries raise events of these names too, with fewer arguments."""
    with watch.watching(tmp_path, tmp_path / "seen"):
        assert sys.audit(event) is None


def test_what_this_process_opens_in_a_block(tmp_path: Path) -> None:
    """Files of the project that are read; not those that are written, nor those of others."""
    root = tmp_path / "project"
    root.mkdir()
    for path in (root / "read.txt", root / "before.txt", tmp_path / "other.txt"):
        path.write_text("x")
    (root / "before.txt").read_text()
    with watch.opening(root) as result:
        (root / "read.txt").read_text()
        (root / "written.txt").write_text("x")
        (tmp_path / "other.txt").read_text()
    (root / "before.txt").read_text()
    assert result == {"read.txt"}
