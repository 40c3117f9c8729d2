from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlspec.git_program import git_bytes, git_text, run_git
from tests.records.repositories import git


def test_output_as_bytes_and_as_text(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    name = os.fsdecode(b"caf\xe9 \xc3\xa9.csv")
    (tmp_path / name).touch()
    git(tmp_path, "add", ".")
    assert git_bytes(tmp_path, "ls-files", "-z") == b"caf\xe9 \xc3\xa9.csv\0"
    assert git_text(tmp_path, "ls-files", "-z") == f"{name}\0"
    assert git_text(tmp_path, "branch", "--show-current")


def test_a_failure_and_a_folder_outside_every_repository_have_no_output(tmp_path: Path) -> None:
    assert git_text(tmp_path / "absent", "status") is None
    git(tmp_path, "init", "-q")
    assert git_text(tmp_path, "rev-parse", "HEAD") is None


def test_messages_are_in_english_and_variables_are_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    git(tmp_path, "init", "-q")
    done = run_git(tmp_path, "var", "GIT_AUTHOR_IDENT", variables={"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b"})
    assert done.stdout.startswith(b"A <a@b>")
    assert run_git(tmp_path, "switch", "absent").stderr.startswith(b"fatal: ")
    assert (
        run_git(tmp_path, "hash-object", "--stdin", given=b"a").stdout == b"2e65efe2a145dda7ee51d1741299f848e5bf752e\n"
    )


def test_a_machine_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_bytes(tmp_path, "status") is None
    with pytest.raises(FileNotFoundError):
        run_git(tmp_path, "status")


def test_a_command_that_hangs_has_no_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert git_bytes(tmp_path, "status", limit=0.2) is None
