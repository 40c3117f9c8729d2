"""Our verdict on what is stale is DVC's own, change by change."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlspec.dvc.ignores import Ignores
from mlspec.dvc.staleness import reasons
from mlspec.dvc.tree import Tree
from tests.run.engines.lines import STAGES, VALUES, Toys, toys

pytestmark = pytest.mark.slow
Change = Callable[[Toys], object]


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    toy_project = toys(tmp_path_factory.mktemp("toys"))
    toy_project.dvc("repro", "-q")
    return toy_project.root


@pytest.fixture
def project(run_once: Path, tmp_path: Path) -> Toys:
    shutil.copytree(run_once, tmp_path / "p", symlinks=True)
    return Toys(tmp_path / "p")


def setting(section: str, key: str, value: object) -> Change:
    def change(project: Toys) -> None:
        values = copy.deepcopy(VALUES)
        values[section][key] = value
        project.write(values)

    return change


def text(path: str, content: str) -> Change:
    def change(project: Toys) -> None:
        (project.root / path).parent.mkdir(parents=True, exist_ok=True)
        (project.root / path).write_text(content)

    return change


def gone(path: str) -> Change:
    def change(project: Toys) -> None:
        target = project.root / path
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink()

    return change


def texts(tree: Tree) -> dict[str, str | None]:
    return {name: reason.text if reason else None for name, reason in reasons(STAGES, tree).items()}


def same(project: Toys) -> None:
    (project.root / "raw" / "a.txt").write_text("a")


NONE: dict[str, str | None] = {"first": None, "second": None}
RATE, TEXT = "beta.rate changed 3e-05 → 0.0003", r"alpha.text changed \${x} on 1e5 → \${y} off"
OUT = ("output out/first is missing", "input out/first is missing")
TORN = "output out/second.json changed"
CASES: list[tuple[str, Change, dict[str, str | None]]] = [
    ("nothing", lambda _: None, NONE),
    ("touched", same, NONE),
    ("a number", setting("beta", "rate", 3e-4), {"first": RATE, "second": RATE}),
    ("another key", setting("beta", "big", 1), {"first": None, "second": "beta.big changed 1e+22 → 1"}),
    ("a text", setting("alpha", "text", "${y} off"), {"first": TEXT, "second": None}),
    ("a deep key", setting("alpha", "deep", {"er": 2.5}), {"first": "alpha.deep.er changed 1.5 → 2.5", "second": None}),
    ("a kind", setting("beta", "on", True), {"first": None, "second": "beta.on changed on → true"}),
    ("a new key", setting("alpha", "more", 1), {"first": "alpha.more was added", "second": None}),
    ("a list", setting("alpha", "list", [1, 2, 3]), {"first": "alpha.list changed [1, 2] → [1, 2, 3]", "second": None}),
    ("an input folder", text("raw/sub/b.txt", "B"), {"first": "input raw changed", "second": None}),
    ("a new file in it", text("raw/new/d.txt", "d"), {"first": "input raw changed", "second": None}),
    ("a file gone", gone("raw/sub/b.txt"), {"first": "input raw changed", "second": None}),
    ("an ignored file", text("raw/sub/c.pyc", "other"), NONE),
    ("an ignored folder", text("src/gen/x.py", "x"), NONE),
    ("an exception", text("src/keep.pyc", "x"), {"first": None, "second": "input src changed"}),
    ("an input gone", gone("raw"), {"first": "input raw is missing", "second": None}),
    ("an output gone", gone("out/first"), dict(zip(NONE, OUT, strict=True))),
    ("an output torn", text("out/second.json", '{"sc'), {"first": None, "second": TORN}),
    ("a folder's file gone", gone("out/folder/a"), {"first": None, "second": "output out/folder changed"}),
    ("no lock", gone("dvc.lock"), {"first": "never ran", "second": "never ran"}),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_stage_is_stale_exactly_where_dvc_says_so(
    change: Change, expected: dict[str, str | None], project: Toys
) -> None:
    change(project)
    result = texts(Tree(project.root))
    assert result == expected
    status = json.loads(project.dvc("status", "--json"))
    assert {name for name, reason in result.items() if reason} == set(status) & {"first", "second"}


def test_what_is_about_to_be_written_counts_as_written(project: Toys, tmp_path: Path) -> None:
    values = copy.deepcopy(VALUES)
    values["beta"]["big"] = 2
    coming = Toys(tmp_path / "coming").write(values)
    result = texts(Tree(project.root, {**coming, "src/new.py": "y = 2\n"}))
    assert result == {"first": None, "second": "beta.big changed 1e+22 → 2, input src changed"}
    assert texts(Tree(project.root)) == NONE


def test_digests_are_remembered_by_size_and_time(project: Toys) -> None:
    (project.root / ".mlspec").mkdir()
    reasons(STAGES, Tree(project.root))
    memory = project.root / ".mlspec" / "digests.json"
    known = json.loads(memory.read_text())
    assert "raw/a.txt" in known
    memory.write_text("{torn")
    assert texts(Tree(project.root)) == NONE
    memory.write_text(json.dumps({**known, "raw/a.txt": [*known["raw/a.txt"][:3], "0" * 32]}))
    assert texts(Tree(project.root))["first"] == "input raw changed"


def test_an_ignore_file_applies_below_its_folder_and_overrides_those_above() -> None:
    texts = {".dvcignore": "*.log\nbuild/\n", "a/.dvcignore": "!keep.log\n/x\n"}
    ignores = Ignores(texts.get)
    assert [path for path in ("b.log", "a/b.log", "a/keep.log", "a/x", "a/b/x", "x") if ignores.ignored(path)] == [
        "b.log", "a/b.log", "a/x",
    ]  # fmt: skip
    assert ignores.ignored("a/build", folder=True)
    assert not ignores.ignored("a/build")
