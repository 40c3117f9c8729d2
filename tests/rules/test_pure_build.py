"""From `check` to `render` a build touches no disk, no environment, no clock and no network."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import CHECKOUT
from tests.rules.test_code_rules import LIGHT, PURE, TREES, layer

EFFECTS = frozenset(
    {"environ", "getenv", "read_text", "read_bytes", "write_text", "write_bytes", "is_file", "is_dir", "exists", "stat",
     "iterdir", "glob", "rglob", "scandir", "listdir", "mkdir", "unlink", "cwd", "getcwd", "home", "expanduser", "now",
     "today", "monotonic", "urlopen", "Popen"}
)  # fmt: skip
"""Attributes that read or change what lies outside of the process."""
LAYERS = ("spec", "sections", "plan", "render")
ALLOWED = {
    "mlspec.render.environment": "mlspec's own templates: in the wheel, or in a checkout beside the package",
    "mlspec.parts.package.serving_hashes": "a table of mlspec's own, a file beside the module that is read once",
    "mlspec.parts.test.textattack_environment": "`problem`, which the stage and `mlspec doctor` call, and no build",
}
"""Modules with an effect, each with the reason."""
BUILD = """
import sys
from pathlib import Path
from mlspec.compiler import make_plan
from mlspec.parts.all_parts import PARTS
from mlspec.render.environment import templates_folder
from mlspec.render.renderer import render
from mlspec.source.project_context import look
from mlspec.source.reader import read
from mlspec.spec.check import check

path, own = Path(sys.argv[1]), str(templates_folder())
document = read(path)
surroundings = look(document, path.parent)

def compile():
    project, _ = check(document, surroundings, None, PARTS)
    return render(make_plan(project).artifacts, surroundings.templates)

def note(event, arguments):
    if watching and event.startswith(("open", "os.", "subprocess.", "socket.")):
        if not str(arguments[0] if arguments else "").startswith(own):
            events.append((event, str(arguments)))

watching, events = False, []
first = compile()  # imports the parts, which is no effect of a build
sys.addaudithook(note)
watching = True
second = compile()
if len(sys.argv) > 2:
    path.read_text()
watching = False
assert first == second and len(second) > 20
print(*(f"{event}: {arguments}" for event, arguments in events), sep="\\n")
"""


def effects(tree: ast.AST) -> Iterator[str]:
    """What a module calls or reads that lies outside of the process."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) if name in EFFECTS:
                yield ast.unparse(node)
            case ast.Call(func=ast.Name(id="open")):
                yield "open"
            case ast.Import(names=names) if any(n.name in ("subprocess", "socket", "random") for n in names):
                yield ast.unparse(node)


def pure_modules() -> set[str]:
    return {name for name in TREES if layer(name) in LAYERS} | LIGHT | PURE


def test_a_module_of_the_build_has_no_effect() -> None:
    names = sorted(pure_modules() - ALLOWED.keys())
    assert [f"{name}: {effect}" for name in names for effect in effects(TREES[name])] == []


def test_each_exception_is_needed() -> None:
    assert [name for name in ALLOWED if not list(effects(TREES[name]))] == []


@pytest.mark.parametrize(
    "text", ["os.environ['X']", "Path(a).read_text()", "open(a)", "datetime.now()", "import socket"]
)
def test_an_effect_is_detected(text: str) -> None:
    assert list(effects(ast.parse(text)))


def events(*arguments: str) -> list[str]:
    spec = str(CHECKOUT / "specs" / "full" / "mlproject.yaml")
    command = [sys.executable, "-c", BUILD, spec, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


def test_nothing_between_check_and_render_opens_a_file_or_a_connection() -> None:
    assert events() == []


def test_a_file_that_is_opened_there_is_detected() -> None:
    assert any("mlproject.yaml" in event for event in events("read"))
