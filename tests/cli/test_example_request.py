"""The command that requests a prediction of an example row."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from mlspec.cli.example_request import FILE, LONGEST, example_request

ROW = {f"column_{number}": number / 7 for number in range(100)}


def test_a_short_row_is_part_of_the_command(tmp_path: Path) -> None:
    row = {"sentence": "it's fine"}
    *_, body = shlex.split(example_request("http://localhost:1/predict", row, tmp_path))
    assert json.loads(body) == row
    assert list(tmp_path.iterdir()) == []


def test_a_long_row_is_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "a project"
    root.mkdir()
    monkeypatch.chdir(root)
    command = example_request("http://localhost:1/predict", ROW, root)
    assert command.endswith(f" -d @{FILE}")
    monkeypatch.chdir(tmp_path)
    *_, body = shlex.split(example_request("http://localhost:1/predict", ROW, root))
    assert json.loads((tmp_path / body.removeprefix("@")).read_text()) == ROW


def test_without_a_place_for_the_file_the_command_has_the_row(tmp_path: Path) -> None:
    (tmp_path / ".mlspec").write_text("no folder")
    *_, body = shlex.split(example_request("http://localhost:1/predict", ROW, tmp_path))
    assert len(body) > LONGEST
    assert json.loads(body) == ROW
