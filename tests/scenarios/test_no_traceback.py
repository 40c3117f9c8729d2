"""Whatever a spec says, it builds or is answered with diagnostics: known codes, in the file, on one line each."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlspec.compiler import Build, compile_project
from mlspec.diagnostics import Diagnostic, render
from mlspec.errors import SpecError
from mlspec.explain import explanations
from mlspec.source.reader import BREAK
from tests.mutations import bases, damage, loaded, place

SEEDS = 250


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each base spec, with the modules that it names."""
    actual = {name: tmp_path_factory.mktemp("spec") for name in bases()}
    for name, folder in actual.items():
        place(name, folder)
    return actual


@cache
def known() -> frozenset[str]:
    return frozenset(explanations())


def attempt(path: Path, environment: str | None = None) -> Build | None:
    """The build, or None where the spec was refused in good form."""
    try:
        return compile_project(path, environment)
    except SpecError as error:
        lines = BREAK.split(path.read_text(encoding="utf-8"))
        assert any(d.severity == "error" for d in error.diagnostics)
        for diagnostic in error.diagnostics:
            in_good_form(diagnostic, lines)
    return None


def in_good_form(diagnostic: Diagnostic, lines: list[str]) -> None:
    assert diagnostic.code in known(), diagnostic
    assert diagnostic.message.strip()
    assert "\n" not in diagnostic.message
    assert len(diagnostic.message) < 500
    assert len(diagnostic.help) < 2000
    assert render(diagnostic).isprintable() or "\n" in render(diagnostic)
    assert json.dumps(diagnostic.to_json())
    span = diagnostic.span
    assert span is not None, diagnostic
    assert 1 <= span.line <= len(lines), diagnostic
    assert 1 <= span.column <= len(lines[span.line - 1]) + 1, diagnostic


def written(spec: object) -> str:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # by libyaml in a fifth of the time
    text: str = yaml.dump(spec, Dumper=dumper, allow_unicode=True, sort_keys=False)
    return text


@pytest.mark.parametrize("seed", range(0, SEEDS, 25))
def test_a_damaged_spec_is_answered(seed: int, folders: dict[str, Path]) -> None:
    for number in range(seed, seed + 25):
        answer(number, folders)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(10_000, 10_600, 300))
def test_many_damaged_specs_are_answered(first: int, folders: dict[str, Path]) -> None:
    """More of them: `python -m benchmarks.campaign_specs`."""
    for number in range(first, first + 300):
        answer(number, folders)


def answer(seed: int, folders: dict[str, Path]) -> None:
    dice = random.Random(seed)
    name = dice.choice(sorted(folders))
    spec = loaded(name)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        damage(spec, dice)
    path = folders[name] / "mlproject.yaml"
    path.write_text(written(spec), encoding="utf-8")
    overlays = spec.get("environments")
    attempt(path, "odd" if isinstance(overlays, dict) and isinstance(overlays.get("odd"), dict) else None)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(text=st.text(max_size=60), at=st.integers(0, 3000), gone=st.integers(0, 30))
def test_damaged_text_is_answered(text: str, at: int, gone: int) -> None:
    """Bytes put into the file, or lost from it."""
    from mlspec.parts.all_parts import PARTS
    from mlspec.source.project_context import ProjectContext
    from mlspec.source.reader import parse
    from mlspec.spec.check import check

    whole = bases()["specs/full/mlproject.yaml"]
    damaged = whole[:at] + text + whole[at + gone :]
    try:
        check(parse(damaged.encode("utf-8", "surrogatepass")), ProjectContext(), None, PARTS)
    except SpecError as error:
        for diagnostic in error.diagnostics:
            assert diagnostic.code in known()
            assert render(diagnostic)


def sections() -> Iterator[str]:
    yield from loaded("specs/full/mlproject.yaml")


KINDS: Final = ([], "", 1, True, "x", {"x": 1}, [None], "${project.name}")


def other_kinds() -> Iterator[tuple[str, object]]:
    """Each section without a value and empty, and with half of the other kinds in turn: each half meets ten sections."""
    for number, section in enumerate(sections()):
        yield from ((section, value) for value in (None, {}, *KINDS[number % 2 :: 2]))


@pytest.mark.parametrize(("section", "value"), other_kinds(), ids=repr)
def test_a_section_of_another_kind_is_answered(section: str, value: object, tmp_path: Path) -> None:
    """The other parts meet a project that lacks it."""
    spec = loaded("specs/full/mlproject.yaml")
    spec[section] = value
    path = tmp_path / "mlproject.yaml"
    path.write_text(written(spec), encoding="utf-8")
    attempt(path)


@pytest.mark.parametrize("section", sections())
@pytest.mark.parametrize("name", bases())
def test_a_missing_section_is_answered(name: str, section: str, folders: dict[str, Path]) -> None:
    spec = loaded(name)
    spec.pop(section, None)
    path = folders[name] / "mlproject.yaml"
    path.write_text(written(spec), encoding="utf-8")
    attempt(path)


HASHES = """
import hashlib, sys
from pathlib import Path
from mlspec.compiler import compile_project
for environment in (None, "staging", "prod"):
    build = compile_project(Path(sys.argv[1]), environment)
    for file in build.files:
        print(file.path, file.mode, file.anchor, hashlib.sha256(file.text.encode()).hexdigest())
    print([stage for stage in build.plan.stages])
    print(build.warnings)
"""


def test_the_same_text_gives_the_same_bytes_everywhere(checkout: Path, tmp_path: Path) -> None:
    """In another process, hash seed, time zone, language and folder."""
    spec = checkout / "specs" / "full" / "mlproject.yaml"
    here = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(checkout), "HOME": str(tmp_path)}
    settings = [
        (checkout, {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
        (tmp_path, {"PYTHONHASHSEED": "4711", "TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8"}),
    ]
    messages = []
    for folder, environment in settings:
        command = [sys.executable, "-c", HASHES, str(spec)]
        done = subprocess.run(command, cwd=folder, env=here | environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        messages.append(done.stdout)
    assert messages[0] == messages[1]
    assert messages[0].count("dvc.yaml") >= 3
