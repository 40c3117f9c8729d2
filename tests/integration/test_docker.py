"""The serving image, really built and really asked."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.parts.package import image, work
from mlspec.parts.package.image import call, run, started
from mlspec.parts.package.spec import DockerImage, Package
from mlspec.runtime import Predictor
from mlspec.spec.project import ProjectInfo
from tests.bundles import text_bundle
from tests.conftest import missing
from tests.parts.targets import LAMBDA, write

pytestmark = [pytest.mark.slow, pytest.mark.docker]
TAG = "mlspec-test-image"
BASE = """\
mlspec: 1
project: {name: mlspec-test-image, description: 'A "hostile" $(touch x) `y` $${HOME} \\ \\n description'}
data: {source: data/cola.csv, inputs: {sentence: text}, target: {labels: ["no", "yes"]}}
model: {type: text-classifier}
"""


def job(root: Path, docker: DockerImage) -> Job:
    sections = {"project": ProjectInfo(name=TAG), "package": Package(docker=docker)}
    return Job(root, root / "artifacts", root / "artifacts", {}, sections)


@pytest.fixture(scope="module")
def project(docker: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose image is built."""
    root = tmp_path_factory.mktemp("project")
    write(root, LAMBDA, BASE)
    text_bundle(root / "artifacts" / "bundle", TAG)
    work.main(job(root, DockerImage()))
    image.main(job(root, DockerImage()))
    return root


def test_the_stage_leaves_what_it_measured(project: Path) -> None:
    found = json.loads((project / "artifacts" / "image.json").read_text())
    assert found["image"] == TAG
    assert found["id"].startswith("sha256:")
    assert 100_000_000 < found["size_bytes"] <= found["max_size_bytes"]


def test_the_image_answers_as_the_bundle_does(project: Path, docker: str) -> None:
    row = {"sentence": "the cat ran"}
    with started(docker, TAG, 8080) as port:
        status, answer = call(port, "POST", "/predict", json.dumps(row).encode())
        _, model = call(port, "GET", f"/v2/models/{TAG}")
    here = Predictor(project / "artifacts" / "bundle").predict([row])[0]
    assert status == 200
    assert answer["label"] == here["label"]
    assert answer["probabilities"] == pytest.approx(here["probabilities"])
    assert model["inputs"] == [{"name": "sentence", "datatype": "BYTES", "shape": [-1]}]


def test_the_image_is_locked_down_and_holds_nothing_that_trains(project: Path, docker: str) -> None:
    config = image.inspect(docker, TAG)["Config"]
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["Labels"]["org.opencontainers.image.description"].startswith('A "hostile" $(touch x) `y` ${HOME}')
    script = "import sys, importlib.util as u; print([n for n in sys.argv[1:] if u.find_spec(n)])"
    asked = [
        "torch",
        "mlspec.spec",
        "pydantic",
        "jinja2",
        "transformers",
        "pip",
        "onnxruntime",
        "awslambdaric",
        "handler",
    ]
    said = run([docker, "run", "--rm", "--read-only", TAG, "python", "-c", script, *asked]).stdout
    assert said.strip() == "['onnxruntime', 'awslambdaric', 'handler']"
    writable = run([docker, "run", "--rm", TAG, "sh", "-c", "find /app -writable | head -3; id -u"]).stdout.split()
    assert writable == ["10001"]


def test_the_health_check_of_the_image_passes_in_it(project: Path, docker: str) -> None:
    check = image.inspect(docker, TAG)["Config"]["Healthcheck"]["Test"][1:]
    with started(docker, TAG, 8080):
        container = run([docker, "ps", "--quiet", "--latest"]).stdout.strip()
        assert run([docker, "exec", container, *check]).returncode == 0
    assert run([docker, "run", "--rm", TAG, *check]).returncode != 0


def test_lambda_finds_its_handler(project: Path, docker: str) -> None:
    function = json.loads((project / "lambda" / "function.json").read_text())["ImageConfig"]
    script = (
        "from awslambdaric.bootstrap import _get_handler;"
        f"print(_get_handler({function['Command'][0]!r})({{'sentence': 'a cat'}}, None)['label'])"
    )
    locked = ["--read-only", "--user", "993:990", "--workdir", function["WorkingDirectory"]]
    done = run([docker, "run", "--rm", *locked, TAG, "python", "-c", script])
    assert done.stdout.strip() in ("no", "yes"), done.stderr


def test_lambdas_own_emulator_gets_an_answer(project: Path, docker: str) -> None:
    """AWS's Runtime Interface Emulator in front of the production image, with a root as read-only as Lambda's."""
    emulator = os.environ.get("MLSPEC_LAMBDA_EMULATOR") or shutil.which("aws-lambda-rie")
    if not emulator:
        missing("AWS's Lambda emulator (MLSPEC_LAMBDA_EMULATOR=path; it lies in the Python package aws-sam-cli)")
    function = json.loads((project / "lambda" / "function.json").read_text())
    config = function["ImageConfig"]
    mounted = ["--volume", f"{emulator}:/rie:ro", "--entrypoint", "/rie", "--workdir", config["WorkingDirectory"]]
    limits = ["--read-only", "--tmpfs", "/tmp", "--memory", f"{function['MemorySize']}m"]
    command = [docker, "run", "--detach", "--publish", "127.0.0.1::8080", *mounted, *limits, TAG]
    done = run([*command, *config["EntryPoint"], *config["Command"]])
    container = done.stdout.strip()
    try:
        assert done.returncode == 0, done.stderr
        port = int(run([docker, "port", container, "8080"]).stdout.strip().rpartition(":")[2])
        path = "/2015-03-31/functions/function/invocations"
        event = {
            "version": "2.0",
            "rawPath": "/predict",
            "body": '{"sentence": "the cat ran"}',
            "isBase64Encoded": False,
        }
        event["requestContext"] = {"stage": "$default", "http": {"method": "POST"}}
        answer = patiently(lambda: call(port, "POST", path, json.dumps(event).encode()))
        assert json.loads(answer["body"])["label"] in ("no", "yes")
        assert (answer["statusCode"], answer["headers"]["X-Request-Id"][8]) == (200, "-")
        assert call(port, "POST", path, b'{"sentence": 1}')[1]["code"] == "bad-row"
    finally:
        run([docker, "rm", "--force", container])


def patiently(ask: Callable[[], tuple[int, Any]]) -> Any:
    """The first answer: the emulator's port opens a moment after its container starts."""
    for _ in range(100):
        try:
            return ask()[1]
        except (OSError, http.client.HTTPException):
            threading.Event().wait(0.1)
    raise AssertionError("no answer")


def test_sigterm_stops_the_container_at_once_and_well(project: Path, docker: str) -> None:
    container = run([docker, "run", "--detach", "--publish", "127.0.0.1::8080", TAG]).stdout.strip()
    try:
        logs = subprocess.Popen([docker, "logs", "--follow", container], stdout=subprocess.PIPE, text=True)
        assert logs.stdout is not None
        assert "serving" in logs.stdout.readline()
        run([docker, "stop", "--time", "30", container])
        logs.wait(30)
        assert run([docker, "inspect", "--format", "{{.State.ExitCode}}", container]).stdout.strip() == "0"
    finally:
        run([docker, "rm", "--force", container])


def test_an_image_over_its_size_is_refused(project: Path, docker: str) -> None:
    with pytest.raises(StageError, match=r"max_size is 10MB"):
        image.main(job(project, DockerImage(max_size="10MB")))
