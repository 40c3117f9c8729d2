"""The code that decides what a stage makes, as `stages.json` has it: whoever changes it says what becomes of the results.

A project's stages run again after an upgrade of mlspec only where the version of their code was raised (`Stage.version`).
"""

from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.parts.all_parts import PARTS
from mlspec.source.module_imports import Imports
from tests.conftest import CHECKOUT

RECORD = Path(__file__).with_name("stages.json")
COMMAND = "python -m pytest tests/golden/test_stage_code.py --update"
FULL = CHECKOUT / "tests" / "golden" / "projects" / "full" / "mlproject.yaml"
PACKED = dict.fromkeys(("package", "image"), "mlspec.runtime")
"""Copied into what these stages make."""
OTHER = (
    "mlspec/__init__.py", "mlspec/diagnostics.py", "mlspec/errors.py", "mlspec/stage_context.py", "mlspec/stage_result.py", "mlspec/watch.py", "mlspec/plan/", "mlspec/render/",
    "mlspec/sections/", "mlspec/source/", "mlspec/spec/", "mlspec/learning/ranks.py", "mlspec/tracking/", "mlspec/parts/dvc/",
)  # fmt: skip
"""What only reports, or reaches the stages as files and parameters, whose changes DVC sees."""


def decides(path: str) -> bool:
    return not path.startswith(OTHER) and not path.endswith(("/part.py", "/__init__.py"))


def code(program: str, stage: str = "") -> list[str]:
    """The modules that running the program may load, as far as they decide what it makes."""
    names = [program.partition(":")[0]]
    if packed := PACKED.get(stage):
        folder = CHECKOUT / packed.replace(".", "/")
        names += [".".join(f.relative_to(CHECKOUT).with_suffix("").parts) for f in sorted(folder.rglob("*.py"))]
    return [path for path in Imports(CHECKOUT).of_modules(names) if decides(path)]


def digest(text: str) -> str:
    """Of what the module does: without comments, layout and docstrings, the same in every version of Python."""
    return hashlib.sha256(repr(_plain(ast.parse(text))).encode()).hexdigest()[:12]


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(each) for each in value if not _is_text(each)]
    if isinstance(value, ast.AST):
        fields = [(name, _plain(inner)) for name, inner in ast.iter_fields(value) if inner not in (None, [])]
        return [type(value).__name__, *fields]
    return value


def _is_text(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def now() -> dict[str, dict[str, object]]:
    programs = {name: program for part in PARTS for name, program in part.PROGRAMS.items()}
    stages = {s.name: s for s in compile_project(FULL).plan.stages if not s.effects and s.name in programs}
    used = {name: code(programs[name], name) for name in stages}
    paths = sorted({path for result in used.values() for path in result})
    return {
        "versions": {name: stage.version for name, stage in sorted(stages.items())},
        "modules": {
            path: [digest((CHECKOUT / path).read_text(encoding="utf-8")), *(n for n in used if path in used[n])]
            for path in paths
        },
    }


def test_the_versions_are_those_of_this_code(update: bool) -> None:
    result = now()
    if update:
        lines = ",\n".join(
            f'  "{kind}": {{\n' + ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in rows.items()) + "\n  }"
            for kind, rows in result.items()
        )
        RECORD.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    kept = json.loads(RECORD.read_text(encoding="utf-8"))
    modules, before = result["modules"], kept["modules"]
    changed = sorted(path for path in {*modules, *before} if modules.get(path) != before.get(path))
    stages = sorted({stage for path in changed for at in (modules, before) for stage in at.get(path, [""])[1:]})
    same = [stage for stage in stages if result["versions"].get(stage) == kept["versions"].get(stage)]
    assert result == kept, (
        f"\n{', '.join(changed) or 'the versions'} changed, which {', '.join(stages) or 'the stages'} run.\n"
        f"Does a stage make something else of the same inputs? Raise `version` of its Stage in mlspec/parts/*/part.py"
        f"{f' (not raised: {chr(44).join(same)})' if same else ''}, so that projects run it again.\n"
        f"Then, or where the results are the same: {COMMAND}"
    )


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('def f(x):\n    """Another text."""\n    return x + 1  # and a comment\n', True),
        ("def f(x):\n    return (x+1)\n", True),
        ("def f(x):\n    return x + 2\n", False),
        ("def f(x, y=1):\n    return x + 1\n", False),
    ],
)
def test_only_what_a_module_does_counts(text: str, same: bool) -> None:
    assert (digest(text) == digest('def f(x):\n    """A text."""\n    return x + 1\n')) is same


def test_a_stage_has_what_its_program_leads_to() -> None:
    train = code("mlspec.parts.train.work:main")
    assert {"mlspec/parts/train/fitting.py", "mlspec/learning/batches.py", "mlspec/runtime/preprocess/image.py"} <= {
        *train
    }
    assert "mlspec/parts/export/work.py" not in train
    assert "mlspec/runtime/server.py" in code("mlspec.parts.package.work:main", "package")
