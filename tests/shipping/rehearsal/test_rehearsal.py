"""Shipping on this machine from the bundle on: real image, emulated control plane, real containers, one endpoint."""

from __future__ import annotations

import http.client
import json
import os
import platform
import shutil
import signal
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from mlspec.aws.action import lines
from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.parts.deploy import work as deploy
from mlspec.parts.package import image_build, serving_pins
from mlspec.parts.package import work as package
from mlspec.parts.registry import work as images
from mlspec.sections.package import LambdaZip, Package
from mlspec.shipping import remote_changes
from mlspec.shipping.rehearsal.rehearsal import Rehearsal, here
from mlspec.stage_context import StageContext
from tests.bundles import text_bundle
from tests.parts.targets import BASE, PACKAGE

pytestmark = pytest.mark.slow
ROLLOUT = "{strategy: canary, steps: [25, 100], min_requests: 40, abort_if: {error_rate: '> 0.05', psi: '> 2'}}"
SPEC = f"""{BASE.replace("name: cola", "name: rehearsed")}{PACKAGE}
registry: {{ecr: {{repository: team/rehearsed, region: eu-west-1}}}}
deploy: {{lambda: {{memory: 512}}, rollout: {ROLLOUT}}}
"""
ROW = {"sentence": "the cat sat"}
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
ARCHITECTURE = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"


@dataclass
class Project:
    """A project whose bundle was made by hand, at its rehearsal."""

    root: Path

    @property
    def context(self) -> StageContext:
        return StageContext(target="local", root=self.root, local_dir=self.root / ".mlspec" / "local")

    def job(self) -> Job:
        built = compile_project(self.root / "mlproject.yaml").project
        artifacts, sections = self.root / "artifacts", dict(built.sections)
        if built.need(Package).zip is not None:
            sections["package"] = Package(zip=LambdaZip(python=PYTHON, architecture=ARCHITECTURE))
        return Job(self.root, artifacts, artifacts, built.values, sections, self.context)

    def zip(self) -> None:
        """From now on its package is a zip, of the Python that runs here."""
        spec = self.root / "mlproject.yaml"
        text = spec.read_text(encoding="utf-8").replace("{docker: {}}", "{zip: {}}")
        spec.write_text(text.replace("{memory: 512}", "{memory: 512, region: eu-west-1}"), encoding="utf-8")

    def build(self) -> None:
        """The files and the image."""
        for file in compile_project(self.root / "mlproject.yaml").files:
            path = self.root / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text, encoding="utf-8")
        if self.job().need(Package).zip is not None:
            exact = serving_pins.requirements(PYTHON, False, ("text",))
            (self.root / "requirements-serve.txt").write_text("".join(f"{n}=={r}\n" for n, r in exact.items()))
        package.main(self.job())
        image_build.main(self.job())

    def ship(self, **faults: float) -> None:
        """Start what does not run, push, deploy, roll out."""
        context = replace(self.context, faults=tuple(f"{name}={value}" for name, value in faults.items()))
        here(context).start()
        job = replace(self.job(), context=context)
        if job.need(Package).zip is None:
            images.main(job)
        deploy.main(job)

    def due(self) -> list[str]:
        """What another apply would change."""
        job = self.job()
        return lines(
            [
                *remote_changes.push(job, job.inputs, job.context),
                *remote_changes.deploy(job, job.inputs, job.context),
            ]
        )

    def memory(self, old: int, new: int) -> None:
        """Another setting of the function, which makes another version of it."""
        spec = self.root / "mlproject.yaml"
        text = spec.read_text(encoding="utf-8")
        assert f"memory: {old}" in text
        spec.write_text(text.replace(f"memory: {old}", f"memory: {new}"), encoding="utf-8")

    @property
    def release(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((self.root / "artifacts" / "release.local.json").read_text())
        return record["function"]


@pytest.fixture(scope="module")
def packed(docker: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with its image built and proved."""
    assert docker
    root = tmp_path_factory.mktemp("packed")
    (root / "mlproject.yaml").write_text(SPEC, encoding="utf-8")
    text_bundle(root / "artifacts" / "bundle")
    Project(root).build()
    return root


@pytest.fixture
def project(packed: Path, tmp_path: Path) -> Iterator[Project]:
    shutil.copytree(packed, tmp_path, dirs_exist_ok=True)
    project = Project(tmp_path)
    yield project
    here(project.context).stop()
    assert here(project.context).address is None


def ask(project: Project) -> tuple[int, str | None]:
    """One caller's call: its status, and the version that answered."""
    connection = http.client.HTTPConnection(urlsplit(here(project.context).address or "").netloc, timeout=60)
    connection.request("POST", "/predict", json.dumps(ROW), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    assert answer.status != 200 or body["label"] in ("no", "yes")
    return answer.status, answer.headers.get("X-Amz-Executed-Version")


def kill(rehearsal: Rehearsal, name: str) -> None:
    process = rehearsal.home.process(name)
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(process.pid)] if psutil.pid_exists(process.pid) else [], timeout=60)


def test_a_version_is_deployed_judged_rolled_back_and_fixed(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.ship(error_rate=0.5)
    assert "warning: the injected fault has no effect: a first version has none before it" in capsys.readouterr().out
    assert project.release["version"] == "1"
    assert project.release["url"] == here(project.context).address
    assert ask(project) == (200, "1")
    assert project.due() == []

    project.memory(512, 640)
    with pytest.raises(StageError, match="version 2 was rolled back, all traffic is on version 1 again: error_rate"):
        project.ship(error_rate=0.5)
    assert {ask(project) for _ in range(8)} == {(200, "1")}

    capsys.readouterr()
    project.ship()
    output = capsys.readouterr().out
    assert "version 2 was rolled back before (error_rate" in output
    assert "25 %  " in output
    assert {ask(project) for _ in range(8)} == {(200, "2")}

    kill(here(project.context), "endpoint")
    assert project.due() == ["+ endpoint on this machine"]
    project.ship()
    assert ask(project) == (200, "2")

    kill(here(project.context), "control-plane")
    with pytest.raises(StageError, match="the rehearsal is not running"):
        project.due()
    project.ship()
    assert ask(project) == (200, "1"), "an emulated account begins anew"


def test_a_bad_version_never_receives_all_traffic(project: Project) -> None:
    spec = project.root / "mlproject.yaml"
    spec.write_text(SPEC.replace("psi: '> 2'", "psi: '> 2', p95_ms: '> 400'"), encoding="utf-8")
    project.ship()
    bad: tuple[tuple[dict[str, float], str], ...] = (
        ({"crash": 5.0}, "error_rate"), ({"wrong": 1.0}, "psi is"), ({"latency_ms": 600.0}, "p95_ms is")
    )  # fmt: skip
    memory = 512
    for faults, why in bad:
        project.memory(memory, memory + 64)
        memory += 64
        with pytest.raises(StageError, match=why):
            project.ship(**faults)
        assert ask(project) == (200, "1")


def test_a_zip_is_rehearsed_too(project: Project) -> None:
    """Its own code in a container as Lambda has it, before callers, through a canary and back."""
    project.zip()
    project.build()
    project.ship()
    assert ask(project) == (200, "1")
    assert [change for change in project.due() if "endpoint" in change or "function" in change] == []

    project.memory(512, 640)
    with pytest.raises(StageError, match="version 2 was rolled back, all traffic is on version 1 again: error_rate"):
        project.ship(error_rate=0.5)
    assert {ask(project) for _ in range(8)} == {(200, "1")}
    project.ship()
    assert project.release["version"] == "2"
    assert {ask(project) for _ in range(4)} == {(200, "2")}


def test_a_copied_project_leaves_the_first_alone(
    project: Project, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str], docker: str
) -> None:
    """`cp -r a b`, an edit in b, `mlspec apply` there: a ships its own image and keeps its endpoint."""
    unseen = f"Is this {uuid.uuid4().hex}"  # no image that the registry has already
    (project.root / "mlproject.yaml").write_text(SPEC.replace("Is this", unseen), encoding="utf-8")
    project.build()
    record = json.loads((project.root / "artifacts" / "image.json").read_text())
    copy = Project(tmp_path_factory.mktemp("copy") / "b")
    shutil.copytree(project.root, copy.root)
    spec = copy.root / "mlproject.yaml"
    spec.write_text(SPEC.replace("Is this English", "Is that English"), encoding="utf-8")
    capsys.readouterr()
    copy.build()
    assert "rehearsed:latest was the image of a project of the same name in another folder" in capsys.readouterr().out
    project.ship()
    assert project.release["version"] == "1"
    first = json.loads((project.root / "artifacts" / "release.local.json").read_text())["image"]
    assert first["tag"].endswith(record["id"].rpartition(":")[2][:8])
    copy.ship()
    assert copy.release["url"] == here(copy.context).address
    assert here(copy.context).stop()
    assert ask(project) == (200, "1")
    assert project.due() == []
