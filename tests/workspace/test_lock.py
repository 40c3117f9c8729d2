"""The lock: what it says comes back, and what it cannot say honestly is refused."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlspec.errors import MlspecError
from mlspec.workspace.lock import Lock, LockEntry, digest, dump, parse, read_lock
from mlspec.workspace.roots import Key, Roots, fault
from tests.workspace.trees import build, file, snapshot

SHA = "0" * 64
PATH = st.text(min_size=1, max_size=20).filter(lambda path: not fault(path) and path.isprintable())
KEY: st.SearchStrategy[Key] = st.tuples(st.sampled_from(["project", "repository"]), PATH)
MODE = st.sampled_from(["file", "block"])
ROW = st.builds(LockEntry, st.none(), st.just(SHA), st.text(max_size=5), MODE, st.booleans(), st.booleans())
ENTRIES = st.dictionaries(KEY, ROW)


@given(ENTRIES, st.frozensets(KEY))
def test_a_lock_comes_back_from_its_text(rows: dict[Key, LockEntry], folders: frozenset[Key]) -> None:
    entries = {key: LockEntry(key, e.sha256, e.part, e.mode, e.kept, e.created) for key, e in rows.items()}
    lock = Lock(entries, folders)
    text = dump(lock)
    assert parse(text) == lock
    assert dump(parse(text)) == text
    assert text.count("\n") == len(entries) + len(folders) + 2


def row(**change: object) -> dict[str, object]:
    return {"path": "a.txt", "anchor": "project", "mode": "file", "part": "toy", "sha256": SHA} | change


def lock(*rows: object, version: object = 1) -> str:
    lines = "".join(json.dumps(r) + ",\n" for r in rows)
    return f'{{"version": {json.dumps(version)}, "files": [\n{lines}null]}}\n'


BAD = {
    "absolute": (lock(row(), row(path="/etc/passwd")), "mlspec.lock:3 contains '/etc/passwd', which is absolute"),
    "drive": (lock(row(path="C:/x")), "which is absolute"),
    "up": (lock(row(path="../x")), "mlspec.lock:2 contains '../x', which is outside the project"),
    "up inside": (lock(row(path="a/../../x")), "is outside the project"),
    "backslash": (lock(row(path="..\\x")), "not a plain relative path"),
    "empty step": (lock(row(path="a//b")), "not a plain relative path"),
    "dot": (lock(row(path="./a")), "not a plain relative path"),
    "nul": (lock(row(path="a\0b")), "not a plain relative path"),
    "empty": (lock(row(path="")), "not a plain relative path"),
    "git": (lock(row(path=".git/hooks/pre-commit")), "is reserved"),
    "git in capitals": (lock(row(path="sub/.GIT/config")), "is reserved"),
    "state": (lock(row(path=".mlspec/lock")), "is reserved"),
    "spec": (lock(row(path="mlproject.yaml")), "is reserved"),
    "itself": (lock(row(path="mlspec.lock")), "is reserved"),
    "path of a wrong type": (lock(row(path=["a"])), "mlspec.lock:2 contains an entry without `path` and `anchor`"),
    "anchor": (lock(row(anchor="root")), "without `path` and `anchor`"),
    "mode": (lock(row(mode="link")), "has an unknown mode for 'a.txt'"),
    "digest": (lock(row(sha256="abc")), "has no SHA-256 for 'a.txt'"),
    "digest of a wrong type": (lock(row(sha256=1)), "has no SHA-256"),
    "part of a wrong type": (lock(row(part=None)), "wrong type for 'a.txt'"),
    "kept of a wrong type": (lock(row(kept="yes")), "wrong type for 'a.txt'"),
    "twice": (lock(row(), row()), "mlspec.lock:3 contains 'a.txt' twice"),
    "entry of a wrong type": (lock("a.txt"), "contains a value that is not the entry of a file"),
    "folder that leads out": (lock({"path": "..", "anchor": "project", "mode": "folder"}), "is outside the project"),
    "key twice": ('{"version": 1, "version": 1, "files": []}', "is not valid JSON of a lock"),
    "no version": ('{"files": []}', "mlspec.lock:1 has no version"),
    "version of a wrong type": (lock(version="1"), "has no version"),
    "version is true": (lock(version=True), "has no version"),
    "newer": (lock(version=2), "of a newer mlspec"),
    "files of a wrong type": ('{"version": 1, "files": {}}', "has no list `files`"),
    "list": ("[]", "has no version"),
    "not JSON": ('{"version": 1,\n"files": [\noops\n', "mlspec.lock:3 is not valid JSON"),
    "empty file": ("", "is not valid JSON"),
    "deep": ("[" * 200_000, "is nested too deeply"),
    "merge": (
        f"{lock(row())}<<<<<<< HEAD\n=======\n>>>>>>> x\n",
        "mlspec.lock:4 contains an unresolved merge conflict",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_lock_that_cannot_be_trusted_is_refused_with_its_line(name: str) -> None:
    text, message = BAD[name]
    with pytest.raises(MlspecError, match=r"mlspec\.lock") as caught:
        parse(text)
    assert message in caught.value.message
    assert caught.value.help
    assert caught.value.code == "broken-lock"


def test_a_lock_with_the_earlier_name_of_a_part_is_the_same_lock() -> None:
    old, new = parse(lock(row(part="configure"))), parse(lock(row(part="hydra")))
    assert old == new
    assert dump(old) == dump(new)


def test_a_bad_lock_touches_nothing(roots: Roots, project: Path) -> None:
    build([file("a.txt")], roots)
    (project / "mlspec.lock").write_text(lock(row(path="../x")))
    before = snapshot(project)
    with pytest.raises(MlspecError):
        build([], roots)
    assert snapshot(project) == before


def test_no_lock_is_an_empty_one(roots: Roots) -> None:
    assert read_lock(roots) == Lock()


def test_a_lock_that_is_a_link_is_refused(roots: Roots, project: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(dump(Lock()))
    (project / "mlspec.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MlspecError, match="it is a symbolic link"):
        read_lock(roots)


def test_a_lock_that_is_a_folder_or_a_pipe_is_refused(roots: Roots, project: Path) -> None:
    (project / "mlspec.lock").mkdir()
    with pytest.raises(MlspecError, match="cannot be read"):
        read_lock(roots)
    (project / "mlspec.lock").rmdir()
    os.mkfifo(project / "mlspec.lock")
    with pytest.raises(MlspecError):
        read_lock(roots)


def test_a_lock_that_is_not_utf8_is_refused(roots: Roots, project: Path) -> None:
    (project / "mlspec.lock").write_bytes(b"\xff\xfe")
    with pytest.raises(MlspecError, match="not UTF-8"):
        read_lock(roots)


def test_line_ends_of_a_checkout_do_not_count(roots: Roots, project: Path) -> None:
    assert digest("a\r\nb\r\n") == digest("a\nb\n") != digest("a\nb")
    build([file("a.txt")], roots)
    path = project / "mlspec.lock"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_lock(roots).entries.keys() == {("project", "a.txt")}


def test_git_merges_two_branches_by_itself(project: Path, roots: Roots) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
        subprocess.run(["git", *identity, *arguments], cwd=project, check=True, capture_output=True)

    middle = [file(f"m{n}.txt") for n in range(8)]
    git("init")
    build(middle, roots)
    git("add", "."), git("commit", "-m", "base"), git("checkout", "-b", "one")
    build([*middle, file("a.txt")], roots)
    git("add", "."), git("commit", "-m", "one"), git("checkout", "main")
    build([*middle, file("z.txt")], roots)
    git("add", "."), git("commit", "-m", "two"), git("merge", "one")
    assert {path for _, path in read_lock(roots).entries} == {"a.txt", "z.txt", *(f.path for f in middle)}
