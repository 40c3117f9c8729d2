"""All or nothing: whatever dies, fails or interferes, at every call into the file system."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from mlspec.errors import MlspecError
from mlspec.render.renderer import RenderedFile
from mlspec.workspace.lock import read_lock
from mlspec.workspace.roots import Roots
from mlspec.workspace.writer import recover, unfinished, write
from tests.workspace.trees import actions, block, build, changes, file, snapshot

OLD = [
    file("update.txt", "old\n"),
    file("gone/deep/delete.txt"),
    file("unchanged.txt"),
    block(".gitignore", "old\n"),
    file("run.sh", "same\n"),
]
NEW = [
    file("update.txt", "new\n"),
    file("made/deep/create.txt"),
    file("unchanged.txt"),
    block(".gitignore", "new\n"),
    block(".dockerignore"),
    file("run.sh", "same\n", executable=True),
]
_EFFECTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.chmod"}


def old_project(project: Path, roots: Roots) -> None:
    (project / ".gitignore").write_text("mine\n")
    build(OLD, roots)


def effects(interfere: Callable[[int, str, object], None]) -> None:
    """From now on call `interfere` with a number before every change that this process makes to the file system."""
    count = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE
        if event in _EFFECTS or writes:
            count += 1
            interfere(count, event, arguments[0])

    sys.addaudithook(hook)


def in_a_child(work: Callable[[], None]) -> int:
    """Run `work` in a process of its own; the number of the signal that killed it, or minus its exit code."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except MlspecError:
            os._exit(3)
        except BaseException:
            traceback.print_exc()
            os._exit(4)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Whether `work`, in a process that is killed before its change number `step`, got as far as that."""

    def interfere(count: int, event: str, subject: object) -> None:
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def child() -> None:
        effects(interfere)
        work()

    code = in_a_child(child)
    assert code in (0, signal.SIGKILL)
    return code == signal.SIGKILL


@pytest.fixture
def both(tmp_path: Path) -> tuple[dict[str, object], dict[str, object]]:
    """The old tree and the new one."""
    trees = []
    for name, files in (("o", OLD), ("n", NEW)):
        project = tmp_path / name
        project.mkdir()
        roots = Roots(project, project)
        old_project(project, roots)
        build(files, roots)
        trees.append(snapshot(project))
    return dict(trees[0]), dict(trees[1])


def test_a_kill_before_any_change_leaves_the_old_tree_or_the_new_one(
    tmp_path: Path, both: tuple[dict[str, object], dict[str, object]]
) -> None:
    seen = []
    for step in range(1, 1000):
        project = tmp_path / str(step)
        project.mkdir()
        roots = Roots(project, project)
        old_project(project, roots)
        died = killed_at(step, lambda roots=roots: build(NEW, roots))
        recover(roots)
        tree = snapshot(project)
        assert tree in both, f"a mixture after a kill at {step}"
        assert not unfinished(roots)
        seen.append(both.index(tree))
        if not died:
            break
    assert seen == sorted(seen), "once committed, always committed"
    assert (seen.count(0) > 3, seen.count(1) > 10) == (True, True)


def test_a_kill_while_recovering_from_a_kill_changes_nothing_of_that(
    tmp_path: Path, both: tuple[dict[str, object], dict[str, object]]
) -> None:
    for first in range(9, 40, 5):
        for second in range(1, 30, 3):
            project = tmp_path / f"{first}-{second}"
            project.mkdir()
            roots = Roots(project, project)
            old_project(project, roots)
            killed_at(first, lambda roots=roots: build(NEW, roots))
            died = killed_at(second, lambda roots=roots: recover(roots))
            recover(roots)
            assert snapshot(project) in both, f"a mixture after kills at {first} and {second}"
            if not died:
                break


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_failure_of_any_change_leaves_the_old_tree_with_its_very_files(
    tmp_path: Path, both: tuple[dict[str, object], dict[str, object]], code: int
) -> None:
    for step in range(1, 1000):
        project = tmp_path / f"{code}-{step}"
        project.mkdir()
        roots = Roots(project, project)
        old_project(project, roots)
        before = (project / "update.txt").stat()

        def child(roots: Roots = roots, step: int = step) -> None:
            failed = False

            def interfere(count: int, event: str, subject: object) -> None:
                nonlocal failed
                # A folder that is left over and cannot be removed is no reason to take everything back.
                if count == step and event != "os.rmdir":
                    failed = True
                    raise OSError(code, os.strerror(code), subject)

            effects(interfere)
            build(NEW, roots)
            os._exit(0 if failed else 5)

        outcome = in_a_child(child)
        assert outcome in (0, -3, -5), "only MlspecError may come out"
        recover(roots)
        tree = snapshot(project)
        assert tree in both, f"a mixture after a failure at {step}"
        if tree == both[0]:
            after = (project / "update.txt").stat()
            assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
        if outcome == -5 and step > 40:
            break


def test_unchanged_files_keep_their_mtime_and_inode(roots: Roots, project: Path) -> None:
    old_project(project, roots)
    before = (project / "unchanged.txt").stat()
    build(NEW, roots)
    after = (project / "unchanged.txt").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    lock = (project / "mlspec.lock").stat()
    build(NEW, roots)
    assert (project / "mlspec.lock").stat().st_mtime_ns == lock.st_mtime_ns


def kill_after_commit(roots: Roots, files: list[RenderedFile]) -> None:
    """Leave a transaction that is committed and not begun."""

    def interfere(count: int, event: str, subject: object) -> None:
        if event == "os.rename" and "commit" not in str(subject):
            os.kill(os.getpid(), signal.SIGKILL)

    def child() -> None:
        effects(interfere)
        build(files, roots)

    assert in_a_child(child) == signal.SIGKILL


def test_an_edit_between_kill_and_recovery_is_not_lost(roots: Roots, project: Path) -> None:
    old_project(project, roots)
    kill_after_commit(roots, NEW)
    (project / "update.txt").write_text("mine\n")
    recover(roots)
    assert (project / "update.txt").read_text() == "mine\n"
    assert actions(changes(NEW, roots))["update.txt"] == "conflict"


def test_a_file_that_changes_after_the_comparison_stops_the_write(roots: Roots, project: Path) -> None:
    old_project(project, roots)
    change_set = changes(NEW, roots)
    (project / "update.txt").write_text("mine\n")
    before = snapshot(project)
    with pytest.raises(MlspecError, match="has changed while mlspec was running"):
        write(change_set, roots)
    assert snapshot(project) == before
    assert not unfinished(roots)


def test_recovery_is_rolled_back_where_a_folder_has_become_a_link(roots: Roots, project: Path, tmp_path: Path) -> None:
    build([file("conf/a.txt", "old\n"), file("b.txt", "old\n")], roots)
    kill_after_commit(roots, [file("conf/a.txt", "new\n"), file("b.txt", "new\n")])
    (project / "conf").rename(tmp_path / "outside")
    (project / "conf").symlink_to(tmp_path / "outside")
    with pytest.raises(MlspecError, match="link"):
        recover(roots)
    assert (tmp_path / "outside" / "a.txt").read_text() == "old\n"
    assert (project / "b.txt").read_text() == "old\n"
    assert not unfinished(roots)


EVIL = [
    '{"moves": [["project", "../evil", null, "x", null]], "made": [], "emptied": []}',
    '{"moves": [["project", ".git/hooks/pre-commit", null, "x", 511]], "made": [], "emptied": []}',
    '{"moves": [], "made": [["project", "/etc/evil"]], "emptied": []}',
    '{"moves": [], "made": [], "emptied": [["project", "../.."]]}',
    '{"moves": [["root", "a", null, null, null]], "made": [], "emptied": []}',
    '{"moves": [["project", "a", null, "x", 2541]], "made": [], "emptied": []}',
    '{"moves": [["project", "a", null, "x", "755"]], "made": [], "emptied": []}',
    '{"moves": [["project", "a", null, "\\ud800", null]], "made": [], "emptied": []}',
    '{"moves": [["project"]], "made": [], "emptied": []}',
    '{"moves": 1, "made": [], "emptied": []}',
    "[]",
    "",
    "[" * 100_000,
]


@pytest.mark.parametrize("text", EVIL)
def test_a_record_that_we_did_not_write_moves_nothing(roots: Roots, project: Path, tmp_path: Path, text: str) -> None:
    folder = project / ".mlspec" / "pending" / "x"
    folder.mkdir(parents=True)
    (folder / "commit.json").write_text(text)
    before = snapshot(tmp_path)
    with pytest.raises(MlspecError, match="an invalid transaction"):
        recover(roots)
    assert snapshot(tmp_path) == before


def test_a_link_among_our_own_state_is_not_written_through(roots: Roots, project: Path, tmp_path: Path) -> None:
    folder = project / ".mlspec" / "pending" / "x"
    folder.mkdir(parents=True)
    (folder / "commit.json").write_text('{"moves": [["project", "a", null, "x", null]], "made": [], "emptied": []}')
    (tmp_path / "precious").write_text("precious")
    (folder / "new-0").symlink_to(tmp_path / "precious")
    with pytest.raises(MlspecError):
        recover(roots)
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (project / "a").exists()


def test_a_file_that_a_power_cut_left_empty_is_written_again(roots: Roots, project: Path) -> None:
    old_project(project, roots)
    for name in ("update.txt", "gone/deep/delete.txt", "mlspec.lock"):
        (project / name).write_text("")
    assert actions(changes(OLD, roots))["update.txt"] == "conflict", "without the lock it may be the user's"
    (project / "mlspec.lock").unlink()
    (project / "update.txt").unlink()
    (project / "gone/deep/delete.txt").unlink()
    build(OLD, roots)
    (project / "update.txt").write_text("")
    (project / "gone/deep/delete.txt").write_text("")
    built = build(NEW, roots)
    assert (actions(built)["update.txt"], actions(built)["gone/deep/delete.txt"]) == ("update", "delete")


@pytest.mark.parametrize("place", [".mlspec", ".mlspec/pending", ".mlspec/pending/x"])
def test_state_behind_a_link_is_not_touched(roots: Roots, project: Path, tmp_path: Path, place: str) -> None:
    outside = tmp_path / "outside"
    for folder in (outside / "pending" / "x", outside / "x"):
        folder.mkdir(parents=True)
    (outside / "precious").write_text("x")
    link = project / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    before = snapshot(outside)
    try:
        recover(roots)
        build([file("a.txt")], roots)
    except MlspecError as error:
        assert "link" in error.message or "not a folder" in error.message
    assert snapshot(outside) == before


def test_a_thousand_files_do_not_use_up_the_descriptors(roots: Roots, project: Path) -> None:
    build([file(f"conf/{n}.yaml") for n in range(1500)], roots)
    assert len(read_lock(roots).entries) == 1500
