"""Every way in which what should be, what was written and what is there can differ."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.errors import EXIT_CONFLICT, ConflictError, MlspecError
from mlspec.workspace.blocks import BEGIN, END
from mlspec.workspace.changes import diff
from mlspec.workspace.lock import Lock, read_lock
from mlspec.workspace.roots import Roots, find_roots
from tests.workspace.trees import actions, block, build, changes, file, snapshot, workflow


def test_a_new_file_is_created_and_then_unchanged(roots: Roots, project: Path) -> None:
    assert changes([file("a/b.txt")], roots).summary() == "+1 ~0 -0"
    build([file("a/b.txt", "x\n")], roots)
    assert (project / "a/b.txt").read_text() == "x\n"
    again = changes([file("a/b.txt", "x\n")], roots)
    assert (actions(again), again.changed) == ({"a/b.txt": "unchanged"}, False)


def test_an_unedited_file_is_updated(roots: Roots, project: Path) -> None:
    build([file("a.txt", "old\n")], roots)
    assert actions(build([file("a.txt", "new\n")], roots)) == {"a.txt": "update"}
    assert (project / "a.txt").read_text() == "new\n"


def test_a_manually_deleted_file_is_created_again(roots: Roots, project: Path) -> None:
    build([file("a.txt")], roots)
    (project / "a.txt").unlink()
    assert actions(changes([file("a.txt")], roots)) == {"a.txt": "create"}


def test_an_edited_file_is_a_conflict_and_nothing_at_all_is_written(roots: Roots, project: Path) -> None:
    build([file("a.txt"), file("b.txt", "old\n")], roots)
    (project / "a.txt").write_text("mine\n")
    before = snapshot(project)
    with pytest.raises(ConflictError) as caught:
        build([file("a.txt", "new\n"), file("b.txt", "new\n")], roots)
    assert snapshot(project) == before
    assert (caught.value.exit_code, caught.value.paths) == (EXIT_CONFLICT, ("a.txt",))
    assert "a.txt: was edited manually" in caught.value.message
    assert "--keep a.txt" in caught.value.help
    assert "--overwrite a.txt" in caught.value.help


def test_an_edit_that_is_what_would_be_written_is_not_a_conflict(roots: Roots, project: Path) -> None:
    build([file("a.txt", "old\n")], roots)
    (project / "a.txt").write_text("new\n")
    built = build([file("a.txt", "new\n")], roots)
    assert actions(built) == {"a.txt": "unchanged"}
    assert built.lock_changed


def test_a_file_of_the_users_is_adopted_if_identical_and_else_a_conflict(roots: Roots, project: Path) -> None:
    (project / "same.txt").write_text("text\n")
    (project / "other.txt").write_text("mine\n")
    assert actions(changes([file("same.txt")], roots)) == {"same.txt": "unchanged"}
    build([file("same.txt")], roots)
    assert ("project", "same.txt") in read_lock(roots).entries
    change_set = changes([file("same.txt"), file("other.txt")], roots)
    assert actions(change_set) == {"same.txt": "unchanged", "other.txt": "conflict"}


def test_keep_lasts_until_overwrite(roots: Roots, project: Path) -> None:
    build([file("a.txt")], roots)
    (project / "a.txt").write_text("mine\n")
    build([file("a.txt", "new\n")], roots, keep="a.txt")
    later = build([file("a.txt", "newer\n")], roots)
    assert actions(later) == {"a.txt": "keep"}
    assert (project / "a.txt").read_text() == "mine\n"
    build([file("a.txt", "newest\n")], roots, overwrite="a.txt")
    assert (project / "a.txt").read_text() == "newest\n"
    assert actions(changes([file("a.txt", "newest\n")], roots)) == {"a.txt": "unchanged"}


def test_an_unedited_file_that_is_no_longer_generated_is_removed(roots: Roots, project: Path) -> None:
    build([file("a.txt"), file("b.txt")], roots)
    (project / "b.txt").write_text("mine\n")
    change_set = changes([], roots)
    assert actions(change_set) == {"a.txt": "delete", "b.txt": "conflict"}
    build([], roots, keep="b.txt")
    assert snapshot(project).keys() == {"b.txt", "mlspec.lock"}
    assert read_lock(roots) == Lock()


def test_overwrite_deletes_an_edited_leftover(roots: Roots, project: Path) -> None:
    build([file("a.txt")], roots)
    (project / "a.txt").write_text("mine\n")
    build([], roots, overwrite="a.txt")
    assert not (project / "a.txt").exists()


def test_a_kept_file_that_is_no_longer_generated_is_the_users(roots: Roots, project: Path) -> None:
    (project / "a.txt").write_text("mine\n")
    build([file("a.txt")], roots, keep="a.txt")
    build([], roots)
    assert (project / "a.txt").read_text() == "mine\n"
    assert read_lock(roots) == Lock()


def test_a_leftover_that_was_removed_is_ignored(roots: Roots, project: Path) -> None:
    build([file("a.txt")], roots)
    (project / "a.txt").unlink()
    built = build([], roots)
    assert (actions(built), read_lock(roots)) == ({}, Lock())


def test_folders_created_by_mlspec_are_removed_with_their_last_file(roots: Roots, project: Path) -> None:
    (project / "theirs").mkdir()
    build([file("ours/deep/a.txt"), file("theirs/new/b.txt")], roots)
    (project / "ours" / "note.txt").write_text("mine")
    build([], roots)
    assert snapshot(project).keys() == {"ours", "ours/note.txt", "theirs", "mlspec.lock"}


@pytest.mark.parametrize("text", ["text\r\nmore\r\n"])
def test_a_checkout_with_crlf_counts_as_unedited(roots: Roots, project: Path, text: str) -> None:
    build([file("a.txt", "text\nmore\n")], roots)
    (project / "a.txt").write_bytes(text.encode())
    assert not changes([file("a.txt", "text\nmore\n")], roots).changed
    assert actions(changes([file("a.txt", "new\n")], roots)) == {"a.txt": "update"}
    assert actions(changes([], roots)) == {"a.txt": "delete"}


def test_rights_are_kept_and_the_right_to_execute_is_given(roots: Roots, project: Path) -> None:
    build([file("run.sh", executable=True), file("a.txt")], roots)
    assert (project / "run.sh").stat().st_mode & 0o111
    (project / "run.sh").chmod(0o640)
    (project / "a.txt").chmod(0o600)
    built = build([file("run.sh", executable=True), file("a.txt", "new\n")], roots)
    assert [(c.path, c.action, c.reason) for c in built.pending] == [
        ("a.txt", "update", ""),
        ("run.sh", "update", "set executable"),
    ]
    assert (project / "run.sh").stat().st_mode & 0o777 == 0o750
    assert (project / "a.txt").stat().st_mode & 0o777 == 0o600


def test_bytes_that_are_not_utf8_are_a_conflict_that_can_be_shown(roots: Roots, project: Path) -> None:
    (project / "a.txt").write_bytes(b"caf\xe9\n")
    change_set = changes([file("a.txt")], roots)
    assert actions(change_set) == {"a.txt": "conflict"}
    diff(change_set.changes[0]).encode()


def test_links_folders_and_pipes_are_not_overwritten(roots: Roots, project: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("precious\n")
    (project / "link.txt").symlink_to(tmp_path / "outside" / "file")
    (project / "dangling.txt").symlink_to(tmp_path / "nothing")
    (project / "linked").symlink_to(tmp_path / "outside")
    (project / "folder.txt").mkdir()
    (project / "plain").write_text("mine\n")
    os.mkfifo(project / "pipe.txt")
    expected = ["link.txt", "dangling.txt", "linked/file", "folder.txt", "plain/a.txt", "pipe.txt"]
    before = snapshot(tmp_path)
    change_set = changes([file(path) for path in expected], roots, overwrite=" ".join(expected))
    assert {c.path: c.reason for c in change_set.conflicts} == {
        "link.txt": "is a symbolic link",
        "dangling.txt": "is a symbolic link",
        "linked/file": "linked is a symbolic link, and mlspec does not write through links",
        "folder.txt": "is a folder",
        "plain/a.txt": "plain is a file, not a folder",
        "pipe.txt": "is not a regular file",
    }
    error = change_set.conflict()
    assert error is not None
    assert "--overwrite" not in error.help
    build([file(path) for path in expected], roots, keep=" ".join(expected))
    assert snapshot(tmp_path).items() - before.items() == {("project/mlspec.lock", snapshot(project)["mlspec.lock"])}


def test_a_leftover_behind_a_link_is_ignored(roots: Roots, project: Path, tmp_path: Path) -> None:
    build([file("conf/a.txt")], roots)
    (project / "conf").rename(tmp_path / "conf")
    (project / "conf").symlink_to(tmp_path / "conf")
    build([], roots)
    assert (tmp_path / "conf" / "a.txt").exists()


@pytest.mark.parametrize(
    "path", ["../x", "/x", "a/../../x", "", ".git/config", "mlspec.lock", "mlproject.yaml", "a\nb"]
)
def test_a_part_cannot_write_where_no_generated_file_may_be(roots: Roots, path: str) -> None:
    with pytest.raises(MlspecError):
        changes([file(path)], roots)


def test_two_files_cannot_have_one_place(roots: Roots) -> None:
    with pytest.raises(MlspecError, match="generated twice"):
        changes([file("a.txt"), workflow("a.txt")], roots)
    with pytest.raises(MlspecError, match="as a file by toy and as a folder by toy"):
        changes([file("a"), file("a/b")], roots)


def test_workflows_lie_at_the_repositorys_root(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    project = tmp_path / "models" / "cola"
    project.mkdir(parents=True)
    roots = find_roots(project)
    files = [workflow(".github/workflows/train.yml"), file("train.yml")]
    built = build(files, roots)
    assert actions(built) == {"../../.github/workflows/train.yml": "create", "train.yml": "create"}
    assert (tmp_path / ".github/workflows/train.yml").exists()
    (tmp_path / ".github/workflows/train.yml").write_text("mine\n")
    build(files, roots, overwrite="../../.github/workflows/train.yml")
    build([], roots)
    assert snapshot(tmp_path).keys() == {"models", "models/cola", "models/cola/mlspec.lock"}


def test_without_git_the_project_is_the_root(roots: Roots, project: Path) -> None:
    build([workflow(".github/workflows/train.yml")], roots)
    assert (project / ".github/workflows/train.yml").exists()


class TestBlocks:
    """In a file of the user's only the lines between the markers are ours."""

    def test_it_is_added_changed_and_removed_without_touching_the_users_lines(
        self, roots: Roots, project: Path
    ) -> None:
        path = project / ".gitignore"
        path.write_bytes(b"mine\n\xff\n")
        build([block(".gitignore", "one\n")], roots)
        assert path.read_bytes() == f"mine\n\udcff\n{BEGIN}\none\n{END}\n".encode("utf-8", "surrogateescape")
        path.write_bytes(b"first\n" + path.read_bytes() + b"last")
        assert actions(build([block(".gitignore", "two\n")], roots)) == {".gitignore": "update"}
        build([], roots)
        assert path.read_bytes() == b"first\nmine\n\xff\nlast"

    def test_a_file_that_mlspec_created_is_removed_when_it_is_empty(self, roots: Roots, project: Path) -> None:
        (project / ".dockerignore").write_text("")
        build([block(".gitignore"), block(".dockerignore"), block(".dvc/config")], roots)
        with (project / ".dvc/config").open("a") as more:
            more.write("[core]\n")
        build([], roots)
        assert snapshot(project).keys() == {".dockerignore", ".dvc", ".dvc/config", "mlspec.lock"}
        assert (project / ".dockerignore").read_text() == ""
        assert (project / ".dvc/config").read_text() == "[core]\n"

    def test_an_edit_inside_is_a_conflict_and_outside_is_none(self, roots: Roots, project: Path) -> None:
        path = project / ".gitignore"
        build([block(".gitignore", "one\n")], roots)
        path.write_text("mine\n" + path.read_text())
        assert not changes([block(".gitignore", "one\n")], roots).changed
        path.write_text(path.read_text().replace("one", "one!"))
        assert actions(changes([block(".gitignore", "two\n")], roots)) == {".gitignore": "conflict"}
        assert actions(changes([], roots)) == {".gitignore": "conflict"}
        build([block(".gitignore", "two\n")], roots, overwrite=".gitignore")
        assert path.read_text() == f"mine\n{BEGIN}\ntwo\n{END}\n"

    def test_damaged_markers_are_a_conflict_that_only_a_person_can_settle(self, roots: Roots, project: Path) -> None:
        build([block(".gitignore")], roots)
        path = project / ".gitignore"
        path.write_text(path.read_text().replace(END, "") + "mine\n")
        for files in ([block(".gitignore")], []):
            change_set = changes(files, roots, overwrite=".gitignore")
            assert [c.reason for c in change_set.conflicts] == ["the markers of the mlspec block are damaged"]
        build([block(".gitignore")], roots, keep=".gitignore")
        assert path.read_text().endswith("mine\n")

    def test_a_removed_block_comes_back(self, roots: Roots, project: Path) -> None:
        build([block(".gitignore")], roots)
        (project / ".gitignore").write_text("mine\n")
        assert actions(build([block(".gitignore")], roots)) == {".gitignore": "create"}
        assert (project / ".gitignore").read_text().startswith("mine\n" + BEGIN)

    def test_a_block_that_the_lock_does_not_know_is_adopted_or_a_conflict(self, roots: Roots, project: Path) -> None:
        build([block(".gitignore", "one\n")], roots)
        (project / "mlspec.lock").unlink()
        assert actions(changes([block(".gitignore", "one\n")], roots)) == {".gitignore": "unchanged"}
        assert actions(changes([block(".gitignore", "two\n")], roots)) == {".gitignore": "conflict"}


PATHS = ["a", "b", "f/a", "f/b", "f/g/a"]
TEXTS = st.sampled_from(["one\n", "two\n", "three\n"])
RENDERED = st.dictionaries(st.sampled_from(PATHS), TEXTS)
EDITS = st.dictionaries(st.sampled_from(PATHS), TEXTS | st.none())


@settings(max_examples=40)
@given(first=RENDERED, edits=EDITS, second=RENDERED)
def test_no_build_ever_loses_a_text_that_it_did_not_write(
    first: dict[str, str],
    edits: dict[str, str | None],
    second: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    project = tmp_path_factory.mktemp("project")
    roots = Roots(project, project)
    build([file(*row) for row in first.items()], roots)
    for path, text in edits.items():
        target = project / path
        if text is None:
            target.unlink(missing_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    before = snapshot(project)
    change_set = changes([file(*row) for row in second.items()], roots)
    lost = {c.path for c in change_set.pending if c.before is not None and c.before != first.get(c.path)}
    assert not lost
    try:
        build([file(*row) for row in second.items()], roots)
    except ConflictError as error:
        assert snapshot(project) == before
        assert {path for path in error.paths if edits.get(path) is not None} == set(error.paths)
    else:
        now = snapshot(project)
        assert all(now[path][2].decode() == text for path, text in second.items())
        assert not changes([file(*row) for row in second.items()], roots).changed
