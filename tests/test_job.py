"""Whose code failed: the project's, a library's, or mlspec's own."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pyarrow as pa
import pytest

import mlspec
from mlspec.errors import StageError
from mlspec.job import fresh, own_frames, swap, user_code, whole, write_json, write_text

PACKAGE = Path(mlspec.__file__).parent


def function(file: str, text: str, **known: object) -> Callable[[], Any]:
    """`f` of `text`, as if it stood in `file`."""
    code: CodeType = compile(text, file, "exec")
    names: dict[str, Any] = dict(known)
    exec(code, names)
    result: Callable[[], Any] = names["f"]
    return result


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
    error = refused(tmp_path, theirs(tmp_path, "def f():\n    return 1 / 0\n"))
    assert "src/model.py:2 in f: return 1 / 0" in error.message
    assert error.help == "fix the project's code at these lines"


def test_a_bad_value_that_the_project_passed_to_a_library_is_the_projects(tmp_path: Path) -> None:
    error = refused(tmp_path, theirs(tmp_path, "def f():\n    return json.loads('{')\n", json=json))
    assert "src/model.py:2 in f: return json.loads('{')" in error.message


def test_what_a_library_raised_by_itself_is_not_the_projects(tmp_path: Path) -> None:
    library = tmp_path / "lib" / "site-packages" / "lightning" / "loop.py"
    library.parent.mkdir(parents=True)
    library.write_text("def f():\n    raise RuntimeError('no grad')\n")
    error = refused(tmp_path, function(str(library), library.read_text()))
    assert error.message == "training raised RuntimeError: no grad (in lightning)"
    assert "src.model:Net" in error.help
    assert "own code" not in error.help


def test_what_mlspec_raised_is_a_bug_of_mlspec(tmp_path: Path) -> None:
    def ours() -> None:
        write_json(tmp_path / "x.json", {1, 2})

    with pytest.raises(TypeError), user_code(tmp_path, "training"):
        ours()


def library(root: Path, package: str, text: str, **known: object) -> Callable[[], Any]:
    path = root / "lib" / "site-packages" / package / "loop.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return function(str(path), text, **known)


def inside(call: Callable[[], Any]) -> Callable[[], Any]:
    """A call out of mlspec's own code."""
    return function(str(PACKAGE / "learning" / "infer.py"), "def f():\n    return call()\n", call=call)


def of_class(root: Path) -> Any:
    """An object of a class of the project's, whose method is inherited from a library."""
    theirs(root, "def f(): ...")
    module = ModuleType("theirs_of_class")
    module.__file__ = str(root / "src" / "model.py")
    sys.modules["theirs_of_class"] = module
    return type("Net", (), {"__module__": "theirs_of_class"})()


BAD = "def f():\n    raise RuntimeError('no')\n"


@pytest.mark.parametrize("deep", [False, True])
def test_a_compiled_frame_names_its_library(deep: bool, tmp_path: Path) -> None:
    # The file of the innermost frame is pyarrow/error.pxi.
    def call() -> Any:
        return pa.array([1]).cast("list<item: int8>") if not deep else pa.array([1]).cast(pa.list_(pa.int8()))

    error = refused(
        tmp_path, function(str(tmp_path / "lib/site-packages/other/x.py"), "def f():\n    call()\n", call=call)
    )
    assert error.message.endswith("(in pyarrow)")
    assert "own code" not in error.help


def test_a_compiled_function_without_a_frame_is_named_by_its_exception(tmp_path: Path) -> None:
    text = "def f():\n    with user_code(root, 'src.data:load'):\n        raise error\n"
    known = {"user_code": user_code, "root": tmp_path, "error": pa.ArrowInvalid("bad")}
    with pytest.raises(StageError) as caught:
        function(str(PACKAGE / "parts" / "data" / "read.py"), text, **known)()
    assert caught.value.message == "src.data:load raised ArrowInvalid: bad (in pyarrow)"


def test_the_innermost_library_is_named(tmp_path: Path) -> None:
    error = refused(
        tmp_path, library(tmp_path, "outer", "def f():\n    inner()\n", inner=library(tmp_path, "inner", BAD))
    )
    assert error.message == "training raised RuntimeError: no (in inner)"


def test_python_itself_is_not_a_library(tmp_path: Path) -> None:
    error = refused(tmp_path, library(tmp_path, "outer", "def f():\n    json.loads('{')\n", json=json))
    assert error.message.endswith("(in outer)")


def test_a_library_that_mlspec_called_is_a_bug_of_mlspec(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no"), user_code(tmp_path, "training"):
        inside(library(tmp_path, "numpy", BAD))()


def test_a_library_that_mlspec_called_from_a_library_is_a_bug_of_mlspec(tmp_path: Path) -> None:
    hook = inside(library(tmp_path, "numpy", BAD))
    with pytest.raises(RuntimeError, match="no"), user_code(tmp_path, "training"):
        library(tmp_path, "lightning", "def f():\n    call()\n", call=hook)()


def test_a_library_that_works_on_an_object_of_the_project_is_named(tmp_path: Path) -> None:
    text = "def f():\n    return run(net)\n\n\ndef run(self):\n    raise NotImplementedError('no forward')\n"
    error = refused(tmp_path, inside(library(tmp_path, "torch", text, net=of_class(tmp_path))))
    assert error.message == "training raised NotImplementedError: no forward (in torch)"
    assert error.help == "check the inputs and the results of src.model:Net; the error is not in a line of the project"


def test_an_object_that_cannot_be_stored_is_not_a_bug_of_mlspec(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    def save() -> None:
        torch.save({"hyper_parameters": lambda: 1}, tmp_path / "x.ckpt")

    error = refused(tmp_path, inside(save))
    assert error.message.endswith("(in torch)")


def test_a_line_of_the_project_between_libraries_is_the_projects(tmp_path: Path) -> None:
    call = theirs(tmp_path, "def f():\n    return call()\n", call=library(tmp_path, "torch", BAD))
    error = refused(tmp_path, inside(library(tmp_path, "lightning", "def f():\n    call()\n", call=call)))
    assert "src/model.py:2 in f: return call()" in error.message


def test_what_mlspec_raised_below_the_projects_code_is_not_the_projects(tmp_path: Path) -> None:
    call = theirs(
        tmp_path, "def f():\n    return write('x.json', {1, 2})\n", write=lambda _, v: write_json(tmp_path, v)
    )
    with pytest.raises(TypeError) as caught:
        call()
    assert own_frames(caught.value, tmp_path) == []


@pytest.mark.parametrize("file", ["pyarrow/error.pxi", "<string>", "<frozen importlib._bootstrap>", "native.pyx"])
def test_a_compiled_librarys_name_for_its_source_is_not_a_file_of_the_project(
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


def test_a_folder_is_swapped_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "old").write_text("old")
    with pytest.raises(OSError, match="missing"):
        swap(tmp_path / "missing", tmp_path / "made")
    assert [path.name for path in tmp_path.rglob("*")] == ["made", "old"]
    partial = fresh(tmp_path / "made")
    (partial / "new").write_text("new")
    swap(partial, tmp_path / "made")
    assert [path.name for path in tmp_path.rglob("*")] == ["made", "new"]


def test_what_a_killed_run_left_does_not_get_into_the_next(tmp_path: Path) -> None:
    (fresh(tmp_path / "made") / "torn").write_text("torn")
    swap(fresh(tmp_path / "made"), tmp_path / "made")
    assert list((tmp_path / "made").iterdir()) == []


def test_a_folder_behind_a_link_is_swapped_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "disk" / "made").mkdir(parents=True)
    (tmp_path / "made").symlink_to(tmp_path / "disk" / "made")
    partial = fresh(tmp_path / "made")
    (partial / "new").write_text("new")
    swap(partial, tmp_path / "made")
    assert (tmp_path / "made").is_symlink()
    assert [path.name for path in (tmp_path / "disk").rglob("*")] == ["made", "new"]


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "made.json"
    write_json(path, {"a": 1})
    before = path.read_bytes()
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "a" * 100_000 + "\ud800")
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    with pytest.raises(KeyboardInterrupt), whole(path) as partial:
        partial.write_text("torn")
        raise KeyboardInterrupt
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["made.json"]


def test_the_longest_name_of_a_file_can_be_written(tmp_path: Path) -> None:
    for name in ("n" * 255, "\u4e2d" * 85):
        write_text(tmp_path / name, "x")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_a_kill_left_between_two_names_is_restored(tmp_path: Path) -> None:
    (tmp_path / ".made.old").mkdir()
    (tmp_path / ".made.old" / "old").write_text("old")
    fresh(tmp_path / "made")
    assert (tmp_path / "made" / "old").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".made.partial", "made"]
