"""The test and the training workflow of the examples in `specs/`, executed by act with the real tools and data of tests.

Of the other examples `dagshub` needs its server (test_dagshub_remote) and `full` the weights of a published model.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import CHECKOUT
from tests.example_data import EXAMPLES, write
from tests.integration.test_workflow_runs import GH
from tests.warm_python import WarmPython
from tests.workflow_runner import Workflows, act_program, git, real_programs
from tests.yaml_text import parsed

pytestmark = pytest.mark.slow
BUCKETS: Final = {"custom": "example-bucket", "regression": "house-price-data"}
"""Example to the bucket of its remote."""
IN_S3: Final = {"custom": "clicks.parquet"}
"""Example to the file of its data that is in the bucket."""


def test_every_example_has_data_or_a_reason() -> None:
    specs = {spec.relative_to(CHECKOUT / "specs").parts[0] for spec in (CHECKOUT / "specs").rglob("mlproject.yaml")}
    assert specs == {*EXAMPLES, "dagshub", "full"}


@pytest.fixture
def example(moto: str, warm: WarmPython, tmp_path: Path) -> Callable[[str], Workflows]:
    """The repository of an example with its data, built and committed."""
    act_program()

    def get(name: str) -> Workflows:
        import boto3

        root, folder = tmp_path / name, tmp_path / "run"
        shutil.copytree(CHECKOUT / "specs" / name, root)
        spec = next(root.rglob("mlproject.yaml"))
        write(spec.parent, name)
        text = spec.read_text(encoding="utf-8")
        if name not in BUCKETS:
            text = text.replace("\ndata:\n", "\ndata:\n  track: git\n")
        text = re.sub(r"max_epochs: \d+", "max_epochs: 4", text) if name != "regression" else text
        spec.write_text(text if "\nci:" in text else f"{text}\nci: {{github: {{}}}}\n", encoding="utf-8")
        real_programs(folder / "bin", warm, {"gh": GH})
        keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "testing")
        variables = {
            "PYTHONPATH": warm.variables({"PATH": ""})["PYTHONPATH"],
            "OMP_NUM_THREADS": "1",
            "AWS_STAND_IN": moto,
        }
        repository = Workflows(root, folder, variables)
        if bucket := BUCKETS.get(name):
            s3 = boto3.client(
                "s3",
                endpoint_url=moto,
                region_name="us-east-1",
                aws_access_key_id="testing",
                aws_secret_access_key="testing",
            )
            s3.create_bucket(Bucket=bucket)
            if file := IN_S3.get(name):
                s3.upload_file(str(spec.parent / file), bucket, file)
                (spec.parent / file).unlink()
        git(root, "init", "-q", "-b", "main")
        subprocess.run([warm.bin / "mlspec", "build"], cwd=spec.parent, check=True, capture_output=True)
        if name in BUCKETS and name not in IN_S3:
            environment = (
                os.environ | keys | repository.variables | {"AWS_ENDPOINT_URL": moto, "AWS_DEFAULT_REGION": "us-east-1"}
            )
            for words in (["add", "data"], ["push"]):
                subprocess.run([warm.python, "-m", "dvc", *words], cwd=spec.parent, check=True, env=environment)
        repository.commit()
        return repository

    return get


def workflow(repository: Workflows, kind: str) -> str:
    (path,) = (repository.root / ".github" / "workflows").glob(f"*{kind}.yaml")
    return path.relative_to(repository.root).as_posix()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_workflows_of_an_example_are_green(example: Callable[[str], Workflows], name: str) -> None:
    repository = example(name)
    tested = repository.run(workflow(repository, "test"), "push")
    assert tested.jobs == {"test": "success"}, tested
    assert ("mlspec run data" in repository.calls) == (name not in BUCKETS), "data that is in git is checked"
    (repository.folder / "calls").unlink()
    trained = repository.run(workflow(repository, "train"), "workflow_dispatch")
    assert trained.jobs == {"train": "success", "propose": "success"}, trained
    pipeline = next(repository.root.rglob("dvc.yaml")).read_text(encoding="utf-8")
    stages = [f"mlspec run {stage}" for stage in parsed(pipeline)["stages"]]
    assert [call for call in repository.calls if call.startswith("mlspec run ")] == stages
