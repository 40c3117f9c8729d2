"""The stages `robustness` and `test`."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlspec.errors import StageError
from tests.parts.projects import Applied

pytest.importorskip("torch")
Trained = Callable[..., Applied]
pytestmark = pytest.mark.slow


def report(project: Applied) -> Any:
    return json.loads((project.artifacts / "metrics/robustness.json").read_text())


def test_answers_that_do_not_change(trained: Trained) -> None:
    project = trained("images", "export:\ntest: {robustness: {min_agreement: 0.5, sample: 20}}\n")
    project.run("export", "robustness")
    result = report(project)
    assert result["passed"] is True
    assert result["min_agreement"] == 0.5
    assert list(result["perturbations"]) == ["noise", "brightness", "shift"]
    assert all(entry["rows"] <= 20 for entry in result["perturbations"].values())
    first = (project.artifacts / "metrics/robustness.json").read_bytes()
    project.run("robustness")
    assert (project.artifacts / "metrics/robustness.json").read_bytes() == first


def test_answers_that_change_are_shown(trained: Trained) -> None:
    project = trained("text", "export:\ntest: {robustness: {perturbations: [typos, whitespace], strength: 10}}\n")
    project.run("export")
    with pytest.raises(StageError) as caught:
        project.run("robustness")
    result = report(project)
    assert result["passed"] is False
    assert result["perturbations"]["typos"]["agreement"] < 0.9
    assert result["perturbations"]["whitespace"]["agreement"] == 1.0
    assert "typos: " in caught.value.message
    assert "whitespace" not in caught.value.message
    assert " to glad" in caught.value.message or " to sad" in caught.value.message


def test_numbers_may_move_by_a_part_of_their_spread(trained: Trained) -> None:
    project = trained("numbers", "export:\ntest: {robustness: {perturbations: [noise], tolerance: 0.5}}\n")
    project.run("export", "robustness")
    assert report(project)["perturbations"]["noise"]["agreement"] > 0.9
    project.spec("tolerance: 0.5", "tolerance: 0.0001")
    with pytest.raises(StageError, match="noise"):
        project.run("robustness")


def test_a_bundle_that_cannot_be_loaded(trained: Trained) -> None:
    project = trained("numbers", "export:\ntest: {robustness: {}}\n")
    project.run("export")
    (project.artifacts / "bundle/model.onnx").write_bytes(b"")
    with pytest.raises(StageError, match="cannot load the bundle"):
        project.run("robustness")


def own_tests(project: Applied, text: str) -> None:
    folder = project.root / "tests"
    folder.mkdir(exist_ok=True)
    (folder / "test_own.py").write_text(text)


def test_the_projects_tests(trained: Trained) -> None:
    project = trained("numbers", "export:\ntest:\n")
    own_tests(project, "import pytest\ndef test_a(): pass\n@pytest.mark.skip\ndef test_b(): pass\n")
    project.run("test")
    cases = list(ElementTree.parse(project.artifacts / "test/junit.xml").iter("testcase"))
    assert [case.get("name") for case in cases] == ["test_a", "test_b"]
    assert not list((project.root / "tests").rglob("__pycache__"))


def test_failing_tests_are_named(trained: Trained) -> None:
    project = trained("numbers", "export:\ntest:\n")
    own_tests(project, "def test_a(): assert 1 == 2, 'not so'\ndef test_b(): pass\ndef test_c(x): pass\n")
    with pytest.raises(StageError, match="2 tests fail") as caught:
        project.run("test")
    assert "tests/test_own.py::test_a: AssertionError: not so" in caught.value.message
    assert "tests/test_own.py::test_c" in caught.value.message
    assert "test_b" not in caught.value.message
    assert caught.value.help == "run a single test: pytest tests/test_own.py::test_a"


def test_tests_that_cannot_be_collected(trained: Trained) -> None:
    project = trained("numbers", "export:\ntest:\n")
    own_tests(project, "import nothing_of_this_name\n")
    with pytest.raises(StageError, match="1 test failed"):
        project.run("test")


def test_selection_and_nothing_left_of_it(trained: Trained) -> None:
    project = trained("numbers", "export:\ntest: {pytest: {select: 'not filterwarnings', args: [-q]}}\n")
    own_tests(project, "import pytest\n@pytest.mark.filterwarnings('error')\ndef test_a(): assert False\n")
    with pytest.raises(StageError, match="no test ran"):
        project.run("test")


@pytest.mark.parametrize("name", ["a $HOME", "~", "b % c", "d 'e' \"f\"", "${HOME} g", "ü 名 #"], ids=ascii)
def test_the_tests_run_in_a_folder_of_any_name(name: str, trained: Trained, tmp_path: Path) -> None:
    project = trained("numbers", "export:\ntest:\n")
    own_tests(project, "def test_a(): pass\n")
    moved = Applied(project.root.rename(tmp_path / name))
    moved.run("test")
    assert (moved.artifacts / "test/junit.xml").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert not list((moved.root / ".mlspec/scratch").iterdir())


def test_a_disturbed_row_that_the_own_preprocessing_cannot_prepare_is_shown(trained: Trained) -> None:
    project = trained("own", "export:\ntest: {robustness: {perturbations: [noise]}}\n")
    project.run("export")
    code = project.artifacts / "bundle" / "preprocess" / "code" / "own" / "prep.py"
    text = code.read_text(encoding="utf-8").replace("sizes = np.array([[", "sizes = np.array([[four(row) and ")
    code.write_text(
        text
        + "\ndef four(row):\n    return 1 if row['size'] != row['size'] or round(row['size'], 4) == row['size'] else 1 / 0\n"
    )
    with pytest.raises(StageError) as raised:
        project.run("robustness")
    assert raised.value.message.startswith('noise: cannot predict the perturbed row {"size": ')
    assert "own.prep:Prep.__call__ raised ZeroDivisionError" in raised.value.message
    assert raised.value.help.endswith("remove `noise` from test.robustness.perturbations")
