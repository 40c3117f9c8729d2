"""What DVC has cached, pushed to its remote."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.dvc.remote_push import push
from mlspec.errors import StageError
from tests.run.engines.lines import VALUES, toys

pytestmark = pytest.mark.slow


def test_outputs_and_run_cache_are_pushed_and_a_failure_names_the_cause(tmp_path: Path) -> None:
    project = toys(tmp_path / "project")
    project.write(VALUES, remote=str(tmp_path / "remote"))
    project.dvc("add", "-q", "raw")
    project.dvc("repro")
    push(project.root, lambda _: None)
    assert (tmp_path / "remote/runs").is_dir()
    assert (tmp_path / "remote/files/md5").is_dir()
    project.dvc("remote", "modify", "mlspec", "url", "http://127.0.0.1:9/x")
    with pytest.raises(StageError, match="cannot push to the DVC remote") as caught:
        push(project.root, lambda _: None)
    assert "dvc push --run-cache" in caught.value.help
