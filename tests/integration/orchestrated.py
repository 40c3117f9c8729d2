"""A small project for the tests of orchestrators: its gate passes, and fails in the environment `prod`; and the
environments of Python that the orchestrators have of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.pages import free_port
from tests.parts import projects
from tests.sharing import once, shared_folder
from tests.warm_python import WarmPython

MORE = """\
evaluate: {gates: {r2: "> 0.5", mae: "< 100"}}
export: {onnx: {}}
ci: {github: {schedule: "0 3 * * 1"}}
run: {retry_delay: 1s, resources: {data: {retries: 1}, train: {timeout: 1h, memory: 2GB, gpus: 1}}}
orchestrate: {dagster: {}, prefect: {}, airflow: {}}
environments:
  prod: {evaluate: {gates: {r2: "> 0.999999"}}}
"""
STAGES = ["data", "train", "evaluate", "gate", "export"]


@dataclass(frozen=True)
class Orchestrated:
    """The project, and the variables with which an orchestrator calls mlspec."""

    root: Path
    variables: Mapping[str, str]

    def spec(self, old: str, new: str) -> None:
        """Change the text of the spec."""
        projects.Applied(self.root).spec(old, new)

    def python(self, environment: Path, script: str, *arguments: str, **variables: str) -> Any:
        """The JSON on the last line that a script prints, run by the Python of `environment`."""
        command = [str(environment / "bin" / "python"), "-c", script, str(self.root), *arguments]
        environ = {**self.variables, **variables}
        done = subprocess.run(command, cwd=self.root, env=environ, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
        return json.loads(done.stdout.splitlines()[-1])


@dataclass(frozen=True)
class Published:
    """A bare repository that has the project, and its DVC remote; `project` has the files of the orchestrators."""

    project: Orchestrated
    origin: Path

    def git(self, *words: str) -> str:
        return subprocess.check_output(["git", "--git-dir", str(self.origin), *words], text=True)

    @property
    def branch(self) -> str:
        """The branch that results are proposed on."""
        return f"mlspec/prices-training/{self.git('symbolic-ref', '--short', 'HEAD').strip()}"

    def proposed(self) -> list[str]:
        """The files that the branch changes, in one commit that mlspec has made."""
        assert self.git("log", "--format=%s %an", f"HEAD..{self.branch}") == "Results of a training mlspec\n"
        return self.git("diff", "--name-only", "HEAD", self.branch).split()

    def refuse_changes(self) -> None:
        """From now on a branch can be created and not be changed."""
        hook = self.origin / "hooks" / "update"
        hook.write_text(_NEW_BRANCHES)
        hook.chmod(0o755)


_NEW_BRANCHES = """\
#!/bin/sh
case $2 in *[!0]*) echo "this branch is protected" >&2; exit 1;; esac
"""


@dataclass(frozen=True)
class PrefectServer:
    """A server of Prefect on this machine, and the Python environment that it runs in."""

    environment: Path
    folder: Path
    address: str

    def python(self, project: Orchestrated, script: str, *arguments: str) -> Any:
        """The JSON on the last line of a script, which finds the server without flows, deployments, pools and limits."""
        variables = {"PREFECT_HOME": str(self.folder), "PREFECT_API_URL": self.address}
        return project.python(self.environment, _FORGET + script, *arguments, **variables)


_FORGET = """\
from prefect.client.orchestration import get_client

with get_client(sync_client=True) as client:
    for flow in client.read_flows():
        client.delete_flow(flow.id)
    for pool in client.read_work_pools():
        client.delete_work_pool(pool.name)
    for limit in client.read_concurrency_limits(limit=200, offset=0):
        client.delete_concurrency_limit_by_tag(limit.tag)
"""


@pytest.fixture(scope="session")
def _prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PrefectServer, int]]:
    """A server for all tests of a process, with its process id: it starts in 15 seconds of computing."""
    environment = own_python("MLSPEC_PREFECT", "prefect", "prefect")
    folder, port = tmp_path_factory.mktemp("prefect"), free_port()
    app = ["--factory", "prefect.server.api.server:create_app", "--host", "127.0.0.1", "--port", str(port)]
    command = [str(environment / "bin" / "python"), "-m", "uvicorn", *app, "--log-level", "error"]
    left = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    quiet = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_SERVER_UI_ENABLED": "false"}
    with (folder / "log").open("w") as log:
        environ = {**left, **quiet, "PREFECT_HOME": str(folder)}
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}/api"
        answers(f"{address}/health", process, folder / "log")
        yield PrefectServer(environment, folder, address), process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def prefect(_prefect: tuple[PrefectServer, int]) -> Iterator[PrefectServer]:
    """The server, which is stopped between two tests: its services take a twentieth of a core without any work."""
    server, process = _prefect
    os.kill(process, signal.SIGCONT)
    yield server
    os.kill(process, signal.SIGSTOP)


def answers(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers."""
    waiting, end = threading.Event(), time.monotonic() + 300
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            waiting.wait(0.1)
    raise AssertionError(log.read_text())


def own_python(variable: str, package: str, program: str) -> Path:
    """The environment whose folder an environment variable has; skips where it is missing."""
    folder = os.environ.get(variable, "")
    if not folder or not (Path(folder) / "bin" / program).is_file():
        missing(f"{package} in a Python environment of its own ({variable}=folder)")
    return Path(folder)


@pytest.fixture(scope="session")
def _applied(warm: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def apply(root: Path) -> None:
        projects.numbers(root, MORE)
        subprocess.run(
            ["mlspec", "apply", "--yes"], cwd=root, env=warm.variables(os.environ), check=True, capture_output=True
        )

    return once(shared_folder(tmp_path_factory, "orchestrated"), apply)


@pytest.fixture
def orchestrated(_applied: Path, warm: WarmPython, tmp_path: Path) -> Orchestrated:
    """A copy of the project after its first `mlspec apply`."""
    return Orchestrated(shutil.copytree(_applied, tmp_path / "p", symlinks=True), variables(warm, tmp_path))


@pytest.fixture
def published(orchestrated: Orchestrated, tmp_path: Path) -> Published:
    """The project with other settings of its training, which are committed, and with orchestrators that clone it."""
    origin = tmp_path / "origin"
    orchestrated.spec("data:\n", f"data:\n  remote: {tmp_path / 'remote'}\n")
    orchestrated.spec("max_epochs: 12", "max_epochs: 11")
    for name in ("dagster", "prefect", "airflow"):
        orchestrated.spec(f"{name}: {{}}", f"{name}: {{repository: 'file://{origin}', propose: true}}")
    orchestrated.spec('ci: {github: {schedule: "0 3 * * 1"}}\n', "")
    identity = {f"GIT_{who}_{what}": "ada@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for command in (
        "git init -q",
        "mlspec build",
        "git add .",
        "git commit -qm one",
        "dvc push -q",
        f"git clone -q --bare . {origin}",
    ):
        environ = {**orchestrated.variables, **identity}
        subprocess.run(command.split(), cwd=orchestrated.root, env=environ, check=True, capture_output=True)
    shutil.rmtree(orchestrated.root / ".git")  # as in an image, or in a DAG bundle of Airflow
    return Published(orchestrated, origin)


def variables(warm: WarmPython, home: Path) -> dict[str, str]:
    """Variables for a program with an environment of its own: it finds mlspec, and none of the packages of the tests."""
    known = warm.variables(os.environ)
    left = {name: value for name, value in known.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    quiet = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    return {**left, **quiet, "MLSPEC_PROGRAM": str(warm.bin / "mlspec"), "HOME": str(home)}


Make = Callable[..., Orchestrated]
