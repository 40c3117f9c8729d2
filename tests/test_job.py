"""Whose code failed: the project's, a library's, or mlspec's own."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from mlspec.errors import StageError
from mlspec.job import own_frames, user_code, write_json


def function(file: str, text: str, **known: object) -> Callable[[], Any]:
    """`f` of `text`, as if it stood in `file`."""
    code: CodeType = compile(text, file, "exec")
    names: dict[str, Any] = dict(known)
    exec(code, names)
    found: Callable[[], Any] = names["f"]
    return found


def theirs(root: Path, text: str, **known: object) -> Callable[[], Any]:
    path = root / "src" / "model.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return function(str(path), text, **known)


def refused(root: Path, call: Callable[[], Any]) -> StageError:
    with pytest.raises(StageError) as caught, user_code(root, "training", "src.model:Net"):
        call()
    return caught.value


def test_what_the_project_raised_shows_its_line(tmp_path: Path) -> None:
    found = refused(tmp_path, theirs(tmp_path, "def f():\n    return 1 / 0\n"))
    assert "src/model.py:2 in f: return 1 / 0" in found.message
    assert found.help == "the error is in the project's own code"


def test_a_bad_value_that_the_project_passed_to_a_library_is_the_projects(tmp_path: Path) -> None:
    found = refused(tmp_path, theirs(tmp_path, "def f():\n    return json.loads('{')\n", json=json))
    assert "src/model.py:2 in f: return json.loads('{')" in found.message


def test_what_a_library_raised_by_itself_is_not_the_projects(tmp_path: Path) -> None:
    library = tmp_path / "lib" / "site-packages" / "lightning" / "loop.py"
    library.parent.mkdir(parents=True)
    library.write_text("def f():\n    raise RuntimeError('no grad')\n")
    found = refused(tmp_path, function(str(library), library.read_text()))
    assert found.message == "training raised RuntimeError: no grad (in lightning)"
    assert "src.model:Net" in found.help
    assert "own code" not in found.help


def test_what_mlspec_raised_stays_a_bug(tmp_path: Path) -> None:
    def ours() -> None:
        write_json(tmp_path / "x.json", {1, 2})

    with pytest.raises(TypeError), user_code(tmp_path, "training"):
        ours()


def test_what_mlspec_raised_below_the_projects_code_is_not_the_projects(tmp_path: Path) -> None:
    call = theirs(
        tmp_path, "def f():\n    return write('x.json', {1, 2})\n", write=lambda _, v: write_json(tmp_path, v)
    )
    with pytest.raises(TypeError) as caught:
        call()
    assert own_frames(caught.value, tmp_path) == []


@pytest.mark.parametrize("file", ["pyarrow/error.pxi", "<string>", "<frozen importlib._bootstrap>", "native.pyx"])
def test_a_compiled_librarys_name_for_its_source_is_no_file_of_the_project(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Such a name is relative, and the stage runs in the project's folder.
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ZeroDivisionError) as caught:
        function(file, "def f():\n    return 1 / 0\n")()
    assert own_frames(caught.value, tmp_path) == []


def test_an_environment_inside_the_project_is_not_the_projects_code(tmp_path: Path) -> None:
    environment = Path(sys.prefix)
    if not environment.parent.is_dir():  # pragma: no cover
        pytest.skip("the environment has no folder above it")
    file = next(environment.rglob("site-packages/*.py"))
    with pytest.raises(ZeroDivisionError) as caught:
        function(str(file), "def f():\n    return 1 / 0\n")()
    assert own_frames(caught.value, environment.parent) == []
