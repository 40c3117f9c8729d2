"""The requirements of stages compared with the capabilities of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.plan.stage import Stage
from mlspec.run.capabilities import Capability
from mlspec.run.engine import EngineProject
from mlspec.run.engines.dvc_engine import Dvc
from mlspec.run.engines.requirements import ProbedMachine
from mlspec.run.schedule import MissingRequirement

IMAGE = Stage("image", "Build the image", "package", needs=("docker", "buildkit"))
PUSH = Stage("push", "Push the image", "registry", needs=("docker", "network"))
ONLY_AWS = Stage("deploy", "Deploy", "deploy", needs=("extra:aws",))


class Probes:
    """A stand-in for `probe`, with the names that it was called with."""

    def __init__(self, *missing: str) -> None:
        self.missing, self.names = {*missing}, list[str]()

    def __call__(self, name: str) -> Capability:
        self.names.append(name)
        return Capability(name, name not in self.missing, "not here", f"install {name}")


def test_the_first_missing_one_is_named_with_the_command_that_installs_it() -> None:
    assert ProbedMachine(Probes("docker", "buildkit")).lacks(IMAGE) == MissingRequirement(
        "it needs docker: not here", "install docker"
    )
    assert ProbedMachine(Probes("extra:train")).lacks(IMAGE) == MissingRequirement(
        "it needs train: not here", "install extra:train"
    )
    assert ProbedMachine(Probes("network", "extra:train")).lacks(ONLY_AWS) is None


def test_each_capability_is_probed_once_for_all_stages_of_a_plan() -> None:
    probes = Probes()
    machine = ProbedMachine(probes)
    assert [machine.lacks(stage) for stage in (IMAGE, PUSH, ONLY_AWS)] == [None, None, None]
    assert probes.names == ["extra:train", "docker", "buildkit", "extra:aws"]


def test_the_next_plan_of_the_same_process_finds_an_engine_that_stopped_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage("image", "Build the image", "package", needs=("docker",))
    assert Dvc(EngineProject(tmp_path)).lacks(stage) is None
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    missing = Dvc(EngineProject(tmp_path)).lacks(stage)
    assert missing is not None
    assert missing.text == "it needs docker: the engine does not respond"
