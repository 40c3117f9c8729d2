"""DVC on one project, as an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.errors import StageError
from mlspec.run.engine import EngineProject
from mlspec.run.engines.dvc_engine import Dvc
from tests.run.engines.lines import STAGES, toys


@pytest.mark.parametrize("name", ["a{b", "a}b", "${x}", "{}"])
def test_a_folder_that_dvc_cannot_work_in_is_refused_before_a_stage_runs(name: str, tmp_path: Path) -> None:
    project = toys(tmp_path / name)
    with pytest.raises(StageError, match="DVC cannot run in") as caught:
        Dvc(EngineProject(project.root)).prepare(STAGES)
    assert str(project.root) in caught.value.message
    assert "without `{` and `}`" in caught.value.help


def test_a_folder_of_another_odd_name_is_not(tmp_path: Path) -> None:
    project = toys(tmp_path / "a $HOME % 'q' \"d\" ü")
    Dvc(EngineProject(project.root, raw_data=("raw",))).prepare(STAGES)
    assert (project.root / "raw.dvc").is_file()
