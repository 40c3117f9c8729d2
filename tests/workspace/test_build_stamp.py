"""A build that still holds is seen to, and nothing that could change its result is overlooked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlspec.diagnostics import Diagnostic, Span
from mlspec.source.project_context import look
from mlspec.source.reader import read
from mlspec.workspace import build_stamp
from mlspec.workspace.digests import engine
from mlspec.workspace.roots import Roots
from tests.workspace.trees import block, build, file, workflow

SPEC = 'project: {name: cola}\nmodel: {class: "src.model:Net"}\n'
FILES = [file("conf/a.yaml"), file("run.sh", executable=True), block(".gitignore"), workflow(".github/x.yml")]
WARNING = Diagnostic("odd", "this is odd", "mlproject.yaml", Span(1, 2, 3), "help", "line", "warning")


def built(roots: Roots, environment: str | None = None, keep: str = "") -> None:
    spec = roots.project / "mlproject.yaml"
    if not spec.exists():
        spec.write_text(SPEC)
    question = build_stamp.build_key(spec, environment)
    surroundings = look(read(spec), roots.project)
    build_stamp.remember(question, roots, surroundings, build(FILES, roots, keep), [WARNING])


def standing(
    roots: Roots, environment: str | None = None, spec: str = "mlproject.yaml"
) -> build_stamp.CachedBuild | None:
    return build_stamp.up_to_date(build_stamp.build_key(roots.project / spec, environment), roots)


def test_a_build_holds_with_its_warnings(roots: Roots) -> None:
    assert standing(roots) is None
    built(roots)
    for _ in range(2):
        assert standing(roots) == build_stamp.CachedBuild(4, 0, (WARNING,))


def test_each_environment_and_each_spec_is_a_build_of_its_own(roots: Roots, project: Path) -> None:
    built(roots, "prod")
    shutil.copy(project / "mlproject.yaml", project / "other.yaml")
    assert standing(roots, "prod") is not None
    assert standing(roots) is None
    assert standing(roots, "prod", "other.yaml") is None


def write(path: str, text: str = "x\n") -> Callable[[Path], None]:
    def change(project: Path) -> None:
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)

    return change


DISTURBANCES: dict[str, Callable[[Path], object]] = {
    "spec": write("mlproject.yaml", SPEC + "\n"),
    "no spec": lambda project: (project / "mlproject.yaml").unlink(),
    "module appears": write("src/model.py"),
    "module appears as a package": write("src/model/__init__.py"),
    "template appears": write("templates/conf/a.yaml.j2"),
    "git appears": lambda project: (project / ".git").mkdir(),
    "git appears above": lambda project: (project.parent / ".git").mkdir(),
    "file edited": write("conf/a.yaml"),
    "file gone": lambda project: (project / "conf/a.yaml").unlink(),
    "file a link": lambda project: (
        (project / "conf/a.yaml").rename(project / "b.yaml"),
        (project / "conf/a.yaml").symlink_to("../b.yaml"),
    ),
    "right to execute gone": lambda project: (project / "run.sh").chmod(0o644),
    "block file edited": write(".gitignore"),
    "workflow edited": write(".github/x.yml"),
    "lock edited": write("mlspec.lock"),
    "lock gone": lambda project: (project / "mlspec.lock").unlink(),
    "unfinished": lambda project: (project / ".mlspec" / "pending" / "x").mkdir(parents=True),
    "stamp broken": write(".mlspec/stamp.json", "{"),
    "stamp of a wrong form": write(".mlspec/stamp.json", '{"named": 1, "inputs": 2}'),
    "stamp a list": write(".mlspec/stamp.json", "[]"),
}


@pytest.mark.parametrize("name", DISTURBANCES)
def test_any_change_of_an_input_invalidates_the_cached_build(roots: Roots, project: Path, name: str) -> None:
    built(roots)
    assert standing(roots) is not None
    DISTURBANCES[name](project)
    assert standing(roots) is None


def test_a_changed_or_removed_module_invalidates_the_cached_build(roots: Roots, project: Path) -> None:
    write("src/model.py", "class Net: ...\n")(project)
    built(roots)
    assert standing(roots) is not None
    write("src/model.py", "class Other: ...\n")(project)
    assert standing(roots) is None
    write("src/model.py", "class Net: ...\n")(project)
    assert standing(roots) is not None
    (project / "src/model.py").unlink()
    assert standing(roots) is None


def test_a_changed_import_invalidates_the_cached_build(roots: Roots, project: Path) -> None:
    write("src/model.py", "import src.layers\nclass Net: ...\n")(project)
    write("src/layers.py", "x = 1\n")(project)
    built(roots)
    write("src/layers.py", "x = 2\n")(project)
    assert standing(roots) is not None, "its text is an input of stages, not of the build"
    write("src/layers.py", "import settings\n")(project)
    assert standing(roots) is not None, "there is no such module in the project"
    write("settings.py")(project)
    assert standing(roots) is None


def test_a_newly_recorded_read_invalidates_the_cached_build(roots: Roots, project: Path) -> None:
    write("data/more.csv")(project)
    built(roots)
    write("reads.lock", "data data/more.csv\n")(project)
    assert standing(roots) is None


def test_a_kept_file_may_change(roots: Roots, project: Path) -> None:
    write("run.sh", "mine\n")(project)
    built(roots, keep="run.sh")
    write("run.sh", "still mine\n")(project)
    assert standing(roots) == build_stamp.CachedBuild(3, 1, (WARNING,))


def test_a_spec_that_changed_while_it_was_built_is_not_remembered(roots: Roots, project: Path) -> None:
    built(roots)
    question = build_stamp.build_key(project / "mlproject.yaml", None)
    surroundings = look(read(project / "mlproject.yaml"), project)
    write("mlproject.yaml", SPEC + "# later\n")(project)
    build_stamp.remember(question, roots, surroundings, build(FILES, roots), [])
    assert standing(roots) is None


def test_another_mlspec_is_another_engine(tmp_path: Path) -> None:
    package = tmp_path / "mlspec"
    (package / "spec").mkdir(parents=True)
    (tmp_path / "templates").mkdir()
    seen = [engine(package)]
    for path in ("spec/new.py", "../templates/new.j2", "_templates/shipped.j2"):
        write(path)(package)
        seen.append(engine(package))
    os.utime(package / "spec" / "new.py", ns=(0, 0))
    seen.append(engine(package))
    assert len(set(seen)) == len(seen)
    (package / "__pycache__").mkdir()
    assert engine(package) == seen[-1]
