"""Every file of the project that importing a module loads is named, whatever form the import has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlspec.source.module_imports import Imports

CASES: dict[str, tuple[dict[str, str], set[str]]] = {
    "plain": ({"src/model.py": "import src.layers", "src/layers.py": ""}, {"src/layers.py"}),
    "a module out of a package": (
        {"src/__init__.py": "", "src/model.py": "from src import layers", "src/layers.py": ""},
        {"src/__init__.py", "src/layers.py"},
    ),
    "a name out of a module": ({"src/model.py": "from src.layers import x", "src/layers.py": "x = 1"}, {"src/layers.py"}),
    "the helper of a helper": (
        {"src/model.py": "import src.a", "src/a.py": "import src.b", "src/b.py": "import src.c", "src/c.py": ""},
        {"src/a.py", "src/b.py", "src/c.py"},
    ),
    "a circle": ({"src/model.py": "import src.a", "src/a.py": "import src.model"}, {"src/a.py"}),
    "relative": ({"src/model.py": "from .a import x", "src/a.py": "from . import b\nx = 1", "src/b.py": ""},
                 {"src/a.py", "src/b.py"}),
    "relative, one package up": (
        {"src/model.py": "from .deep.low import x", "src/deep/low.py": "from ..top import x", "src/top.py": "x = 1"},
        {"src/deep/low.py", "src/top.py"},
    ),
    "out of a package's __init__": (
        {"src/model.py": "from src.nets import Net", "src/nets/__init__.py": "from .deep import Net",
         "src/nets/deep.py": "Net = 1"},
        {"src/nets/__init__.py", "src/nets/deep.py"},
    ),
    "namespace packages": ({"src/model.py": "import lib.tools.t", "lib/tools/t.py": ""}, {"lib/tools/t.py"}),
    "at the project's root": ({"src/model.py": "import settings", "settings.py": ""}, {"settings.py"}),
    "inside a function": ({"src/model.py": "def f():\n    import src.late", "src/late.py": ""}, {"src/late.py"}),
    "under a condition": (
        {"src/model.py": "import os\nif os.name == 'nt':\n    import src.a\nelse:\n    import src.b",
         "src/a.py": "", "src/b.py": ""},
        {"src/a.py", "src/b.py"},
    ),
    "under try": (
        {"src/model.py": "try:\n    import nowhere\nexcept ImportError:\n    import src.own", "src/own.py": ""},
        {"src/own.py"},
    ),
    "a star": ({"src/model.py": "from src.all import *", "src/all.py": "import src.deep", "src/deep.py": ""},
               {"src/all.py", "src/deep.py"}),
    "a star of a package": (
        {"src/model.py": "from lib import *", "lib/__init__.py": "__all__ = ['one']", "lib/one.py": "", "lib/two.py": ""},
        {"lib/__init__.py", "lib/one.py"},
    ),
    "a star of a computed list": (
        {"src/model.py": "from lib import *", "lib/__init__.py": "__all__ = []\n__all__ += ['o' + 'ne']", "lib/one.py": ""},
        {"lib/__init__.py", "lib/one.py"},
    ),
    "by name": (
        {"src/model.py": "import importlib\nimportlib.import_module('src.named')\n__import__('settings')",
         "src/named.py": "", "settings.py": ""},
        {"src/named.py", "settings.py"},
    ),
    "a package before a module of its name": (
        {"src/model.py": "import lib.both", "lib/both.py": "", "lib/both/__init__.py": ""},
        {"lib/both/__init__.py"},
    ),
    "another encoding": (
        {"src/model.py": "import src.old", "src/old.py": "# -*- coding: latin-1 -*-\nname = 'é'\nimport src.deep",
         "src/deep.py": ""},
        {"src/old.py", "src/deep.py"},
    ),
    "as another name": ({"src/model.py": "import src.a as b, src.c", "src/a.py": "", "src/c.py": ""},
                        {"src/a.py", "src/c.py"}),
}  # fmt: skip


def written(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="latin-1" if "latin-1" in text else "utf-8")
    return root


@pytest.mark.parametrize(("files", "expected"), CASES.values(), ids=CASES)
def test_what_is_imported_is_followed(files: dict[str, str], expected: set[str], tmp_path: Path) -> None:
    result = Imports(written(tmp_path, files)).of_modules(["src.model"])
    assert set(result) == {"src/model.py", *expected}


@pytest.mark.parametrize("files", [files for files, _ in CASES.values()], ids=CASES)
def test_python_itself_loads_no_file_beyond(files: dict[str, str], tmp_path: Path) -> None:
    """The import system as the judge; functions are not called, so that it may load fewer."""
    code = (
        "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, '.')\nimport src.model\n"
        "print(*(m.__file__ for m in list(sys.modules.values()) if getattr(m, '__file__', None)), sep='\\n')"
    )
    root = written(tmp_path, files)
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=root, capture_output=True, text=True, check=True)
    loaded = {Path(line) for line in done.stdout.splitlines()}
    ours = {file.relative_to(root).as_posix() for file in loaded if file.is_relative_to(root)}
    assert ours <= set(Imports(root).of_modules(["src.model"]))
    assert "src/model.py" in ours


def test_a_module_that_is_not_python_is_named_and_not_followed(tmp_path: Path) -> None:
    root = written(tmp_path, {"src/model.py": "import src.a", "src/a.py": "import src.b\ndef (", "src/b.py": ""})
    assert Imports(root).of_modules(["src.model"]) == ("src/a.py", "src/model.py")


def test_modules_from_elsewhere_are_left_out(tmp_path: Path) -> None:
    root = written(tmp_path, {"src/model.py": "import os, json\nfrom ... import beyond\nfrom torch import nn"})
    assert Imports(root).of_modules(["src.model", "no.such", "not a name", "a" * 5000]) == ("src/model.py",)


def test_files_that_are_run_are_followed_without_themselves(tmp_path: Path) -> None:
    root = written(tmp_path, {"tests/test_a.py": "from src.a import f", "src/a.py": "import src.b", "src/b.py": ""})
    assert Imports(root).of_files(["tests/test_a.py"]) == ("src/a.py", "src/b.py")
