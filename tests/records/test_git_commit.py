from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.records.git_commit import read_commit, web_address
from tests.records.repositories import git


def test_what_the_pipeline_writes_makes_no_commit_dirty_and_an_edit_does(project: Path) -> None:
    (project / "dvc.lock").write_text("a: 2\n")
    (project / "artifacts" / "metrics" / "evaluate.json").write_text("{}")
    result = read_commit(project)
    assert result is not None
    assert (result.dirty, result.time) == (False, 1_700_000_000)
    (project / "mlproject.yaml").write_text("mlspec: 1 # edited\n")
    assert (edited := read_commit(project)) is not None
    assert edited.revision == f"{edited.id}-dirty"


def test_files_generated_for_another_environment_make_no_commit_dirty_and_kept_ones_do(project: Path) -> None:
    created, kept = project / "conf[1].yaml", project / "dvc.yaml"
    rows = [{"path": created.name, "mode": "file"}, {"path": kept.name, "mode": "file", "kept": True}, None]
    (project / "mlspec.lock").write_text(json.dumps({"version": 1, "files": rows}))
    for file in (created, kept):
        file.write_text("memory: 640\n")
    git(project, "add", ".")
    git(project, "commit", "-qm", "built")
    created.write_text("memory: 4096\n")
    (project / "mlspec.lock").write_text(json.dumps({"version": 1, "files": [*rows, None]}))
    assert (result := read_commit(project)) is not None
    assert not result.dirty
    kept.write_text("memory: 4096\n")
    assert (result := read_commit(project)) is not None
    assert result.dirty


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://user:token@github.com/x/y.git", "https://github.com/x/y"),
        ("git@github.com:x/y.git", "https://github.com/x/y"),
        ("ssh://git@gitlab.example.org:2222/x/y.git", "https://gitlab.example.org/x/y"),
        ("https://github.com/x/y?token=1", None),
        ("/srv/git/y.git", None),
        ("../y", None),
        ("", None),
    ],
)
def test_a_remote_as_an_address_without_credentials(remote: str, address: str | None) -> None:
    assert web_address(remote) == address
