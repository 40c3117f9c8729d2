"""Errors out of the user's own code."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from mlspec.run.user_traceback import in_user_code


def caught(path: Path) -> BaseException:
    spec = importlib.util.spec_from_file_location("theirs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_only_lines_of_the_users_code_are_shown(tmp_path: Path) -> None:
    file = tmp_path / "src" / "m.py"
    file.parent.mkdir()
    file.write_text("import json\ndef load():\n    return json.loads('{')\nload()\n")
    result = in_user_code(caught(file), tmp_path)
    assert result is not None
    assert result.message.startswith("src/m.py:3: JSONDecodeError: Expecting property name")
    assert result.help.splitlines() == [
        "traceback in your code:",
        "src/m.py:4 in <module>: load()",
        "src/m.py:3 in load: return json.loads('{')",
    ]


def test_what_never_went_through_their_code_is_not_theirs(tmp_path: Path) -> None:
    for folder in (".venv/lib", "elsewhere"):
        file = tmp_path / folder / "m.py"
        file.parent.mkdir(parents=True)
        file.write_text("1 / 0\n")
    assert in_user_code(caught(tmp_path / ".venv/lib/m.py"), tmp_path) is None
    assert in_user_code(caught(tmp_path / "elsewhere/m.py"), tmp_path / "project") is None
