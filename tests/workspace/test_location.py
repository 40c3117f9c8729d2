"""A folder that a project cannot be in is refused before anything is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlspec.cli.app import main
from mlspec.workspace.location import RESERVED, fault
from tests.workspace.trees import snapshot

SPEC = """\
project: {name: cola}
data: {source: data.csv, inputs: {sentence: text}, target: {column: label, labels: ["no", "yes"]}}
model: {type: text-classifier}
"""


def deep(above: Path, size: int) -> Path:
    """A folder below `above` whose path has `size` bytes."""
    while (missing := size - len(os.fsencode(above))) > 1:
        above /= "d" * (missing - 1 if missing <= 200 else 100)
    return above


def folders(above: Path) -> dict[str, tuple[Path, str]]:
    most = os.pathconf(above, "PC_PATH_MAX") - 1 - RESERVED
    return {
        "brace": (above / "a{b", "its path contains `{`, which DVC does not support"),
        "closing": (above / "a}b" / "c", "its path contains `}`, which DVC does not support"),
        "hydra": (above / "${x}", "its path contains `{` and `}`, which DVC does not support"),
        "long": (deep(above, most + 1), f"its path has {most + 1} bytes, the limit is {most}"),
    }


@pytest.mark.parametrize("kind", ["brace", "closing", "hydra", "long"])
@pytest.mark.parametrize("words", [["build"], ["build", "--check"], ["apply", "--yes"], ["apply", "--dry-run"]])
def test_no_command_writes_into_such_a_folder(
    kind: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, reason = folders(tmp_path)[kind]
    folder.mkdir(parents=True)
    (folder / "mlproject.yaml").write_text(SPEC)
    before = snapshot(tmp_path)
    monkeypatch.chdir(folder)
    assert main(words) == 1
    err = capsys.readouterr().err
    assert reason in err
    assert str(folder)[:60] in err
    assert "unfit-folder" in err
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("kind", ["brace", "closing", "hydra", "long", "name"])
def test_no_project_begins_in_such_a_folder(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = {
        "name": (
            tmp_path / "new" / ("n" * 256),
            "a name in its path has 256 bytes, the limit of the file system is 255",
        )
    }
    folder, reason = (folders(tmp_path) | more)[kind]
    assert main(["init", str(folder), "--template", "tabular", "--name", "x"]) == 1
    assert reason in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_longest_path_that_is_allowed_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = deep(tmp_path, os.pathconf(tmp_path, "PC_PATH_MAX") - 1 - RESERVED)
    assert fault(folder) == ""
    assert main(["init", str(folder), "--template", "tabular", "--name", "x"]) == 0
    monkeypatch.chdir(folder)
    assert main(["build"]) == 0
    assert main(["build", "--check"]) == 0


def test_unusual_names_are_accepted() -> None:
    for name in ("a b", "$HOME", "~", "é", "[ab]", "a'b", "n" * 255):
        assert fault(Path("/tmp") / name) == ""


def test_a_spec_with_a_name_that_no_file_can_have_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "--spec", "/" + "n" * 300]) == 2
    assert "File name too long" in capsys.readouterr().err
