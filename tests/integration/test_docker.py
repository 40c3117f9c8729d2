"""The serving image, really built, really proved, and really asked."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlspec.compiler import compile_project
from mlspec.docker import buildkit
from mlspec.docker.client import Docker, with_buildkit
from mlspec.docker.container import READ_ONLY, Container, running
from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.monitoring.prediction_store import PredictionStore
from mlspec.parts.package import base_image, image_build, lambda_emulator, work
from mlspec.parts.package.image_check import prove
from mlspec.records.bundle_provenance import read_provenance
from mlspec.records.bundle_signature import BundleSignature
from mlspec.records.image_labels import from_labels, labels
from mlspec.records.packaged import PackagedImage
from mlspec.sections.deploy import Deploy, Lambda
from mlspec.sections.package import DockerImage, Package
from mlspec.spec.project import ProjectInfo
from tests.bundles import text_bundle
from tests.conftest import missing
from tests.packaged import SIGNATURE
from tests.parts.targets import LAMBDA, write
from tests.runtime.callers import until

pytestmark = [pytest.mark.slow, pytest.mark.docker]
TAG = f"mlspec-test-{os.environ.get('PYTEST_XDIST_WORKER', 'image')}"
"""Its own for each of the processes that tests run in."""
BASE = """\
mlspec: 1
project: {name: NAME, description: 'A "hostile" $(touch x) `y` $${HOME} \\ \\n description'}
data: {source: data/cola.csv, inputs: {sentence: text}, target: {labels: ["no", "yes"]}}
model: {type: text-classifier}
monitor: {}
""".replace("NAME", TAG)
SECRET = "hunter2-do-not-ship"
FUNCTION = Lambda(memory=256)
REGISTRY = "127.0.0.1:5000"


def job(root: Path, docker: DockerImage, function: Lambda = FUNCTION) -> Job:
    deploy = Deploy.model_validate({"lambda": function})
    sections = {"project": ProjectInfo(name=TAG), "package": Package(docker=docker), "deploy": deploy}
    return Job(root, root / "artifacts", root / "artifacts", {}, sections)


@pytest.fixture(scope="module")
def client(docker: str) -> Docker:
    """The client that builds."""
    return with_buildkit()


@pytest.fixture(scope="module")
def project(client: Docker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose image is built and proved, with secrets lying about in it."""
    if lambda_emulator.find() is None:
        missing("AWS's Lambda emulator (MLSPEC_LAMBDA_EMULATOR=path; it lies in the Python package aws-sam-cli)")
    root = tmp_path_factory.mktemp("project")
    write(root, LAMBDA, BASE)
    text_bundle(root / "artifacts" / "bundle", TAG)
    secrets = (".env", "credentials", ".git/config", "artifacts/bundle/.env", "artifacts/bundle/preprocess/id.pem",
               "src/settings.py", "lambda/.env", "artifacts/image.json")  # fmt: skip
    work.main(job(root, DockerImage()))
    for name in secrets:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(SECRET)
    image_build.main(job(root, DockerImage()))
    for name in secrets[3:5]:
        (root / name).unlink()
    return root


def record(project: Path) -> PackagedImage:
    return PackagedImage.read(project / "artifacts")


def configuration(client: Docker) -> dict[str, Any]:
    """What containers of the image start with."""
    content: dict[str, Any] = json.loads(client.output("image", "inspect", "--format", "{{json .Config}}", TAG))
    return content


def derived(client: Docker, folder: Path, text: str) -> str:
    """An image on top of the project's."""
    return buildkit.build(client, folder, f"FROM {TAG}\nUSER 0\n{text}\nUSER 10001:10001\n", "linux/amd64", {}, {})


def test_the_stage_leaves_what_it_proved(project: Path) -> None:
    content = record(project)
    assert (content.kind, content.image, content.id[:7]) == ("image", TAG, "sha256:")
    assert 100_000_000 < content.size_bytes <= content.max_size_bytes
    proof = content.proof
    assert (proof.architecture, proof.network, proof.http.writes) == ("amd64", "none", ())
    assert proof.http.difference < 1e-6
    assert proof.locked.emulator is True
    assert proof.locked.memory_mb == 256
    assert 10_000_000 < (proof.locked.peak or 0) < 256_000_000


def test_the_labels_say_what_led_to_it(project: Path, client: Docker) -> None:
    result = dict(client.inspect(TAG).labels or {})
    release, signature = from_labels(result)
    assert release is not None
    assert release.bundle
    assert result["org.opencontainers.image.version"] == release.bundle[:12]
    assert signature == BundleSignature.read(project / "artifacts")
    assert result["org.opencontainers.image.description"].startswith('A "hostile" $(touch x) `y` ${HOME}')
    assert result["org.opencontainers.image.base.name"] == "python:3.11-slim-bookworm"


def test_a_second_run_builds_and_verifies_nothing_again(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("artifacts/bundle/.env", "artifacts/bundle/preprocess/id.pem"):
        (project / name).unlink(missing_ok=True)
    image_build.main(job(project, DockerImage()))
    before = record(project)
    image_build.main(job(project, DockerImage()))
    assert record(project) == before
    assert "image unchanged: it passed these checks in an earlier run" in capfd.readouterr().out


def test_two_builds_have_the_same_layers(project: Path, client: Docker, tmp_path: Path) -> None:
    """In another folder, at another time, with another umask, and with nothing from the cache."""
    image_build.main(job(project, DockerImage()))
    copy = tmp_path / "elsewhere"
    shutil.copytree(project, copy, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns(".git"))
    for file in (copy / "artifacts").rglob("*"):
        file.chmod(0o700)
    created, _, _ = image_build.build(client, job(copy, DockerImage()), DockerImage(), cache=False)
    assert client.inspect(created).layers == record(project).layers


def test_no_secret_is_in_any_layer(project: Path, client: Docker, tmp_path: Path) -> None:
    client.output("save", "--output", str(tmp_path / "image.tar"), TAG)
    names = []
    with tarfile.open(tmp_path / "image.tar") as outer:
        for member in outer:
            data = outer.extractfile(member)
            raw = data.read() if data else b""
            assert SECRET.encode() not in raw, member.name
            if member.name.endswith(".tar"):
                with tarfile.open(fileobj=outer.extractfile(member)) as layer:
                    names += [name for name in layer.getnames() if name.startswith("app/")]
    assert "app/bundle/model.onnx" in names
    assert not [n for n in names if n.endswith((".env", ".pem")) or "/.git" in n]


def test_the_image_is_locked_down_and_holds_nothing_that_trains(project: Path, client: Docker) -> None:
    config = configuration(client)
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    script = "import sys, importlib.util as u; print([n for n in sys.argv[1:] if u.find_spec(n)])"
    requested = [
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
    output = client.output("run", "--rm", "--read-only", TAG, "python", "-c", script, *requested)
    assert output == "['onnxruntime', 'awslambdaric', 'handler']"
    assert client.output("run", "--rm", TAG, "sh", "-c", "find /app -writable | head -3; id -u") == "10001"
    assert client.output("run", "--rm", TAG, "sh", "-c", "find /app/bundle -type f ! -perm 0444") == ""
    owners = "touch /var/lib/mlspec/new && stat -c %u:%a /var /var/lib /var/lib/mlspec"
    assert client.output("run", "--rm", TAG, "sh", "-c", owners).split() == ["0:755", "0:755", "10001:755"]


def test_the_health_check_of_the_image_passes_in_it(project: Path, client: Docker) -> None:
    check = configuration(client)["Healthcheck"]["Test"][1:]
    with running(client, TAG, READ_ONLY) as container:
        assert container.ask(8080, "GET", "/v2/health/ready")[0] == 200
        assert client.run("exec", container.id, *check).returncode == 0
    assert client.run("run", "--rm", TAG, *check).returncode != 0


def test_sigterm_stops_the_container_at_once_and_well(project: Path, client: Docker) -> None:
    with running(client, TAG, READ_ONLY) as container:
        assert container.ask(8080, "GET", "/v2/health/ready")[0] == 200
        client.output("stop", "--time", "30", container.id)
        assert client.output("inspect", "--format", "{{.State.ExitCode}}", container.id) == "0"


def test_an_image_over_its_size_is_refused_and_gets_no_name(project: Path, client: Docker) -> None:
    before = client.inspect(TAG).id
    with pytest.raises(StageError, match=r"more than package.docker.max_size: 10MB"):
        image_build.main(job(project, DockerImage(max_size="10MB", labels={"a": "b"})))
    assert client.inspect(TAG).id == before
    assert record(project).max_size_bytes != 10_000_000


def test_another_bundle_in_the_image_is_detected(project: Path, client: Docker, tmp_path: Path) -> None:
    bundle = text_bundle(tmp_path / "bundle", TAG)
    preprocess = json.loads((bundle / "preprocess" / "preprocess.json").read_text())
    preprocess["members"][0]["max_length"] = 3
    (bundle / "preprocess" / "preprocess.json").write_text(json.dumps(preprocess))
    created = derived(client, tmp_path, "COPY bundle/ /app/bundle/")
    with pytest.raises(StageError, match=r"instead of the bundle's .*difference .*, limit 0.001"):
        prove(client, created, project / "artifacts" / "bundle", DockerImage(), FUNCTION)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('CMD ["python", "-c", "raise SystemExit(7)"]', r"stops at its start with exit code 7"),
        ('CMD ["no-such-program"]', r"does not start: .*no-such-program"),
        ("RUN rm /app/bundle/model.onnx", r"stops at its start with exit code 1"),
        ("RUN rm /app/handler.py", r"in Lambda's emulator fails: .*No module named 'handler'"),
        (
            "RUN rm -r /app/__pycache__ && echo 'x = b\"x\" * 400_000_000' > /app/handler.py",
            r"needs more than its 256 MB of memory",
        ),
        ("RUN chmod 0777 /opt && sed -i '1i open(\"/opt/x\", \"w\")' /app/mlspec/__init__.py && rm -r /app/mlspec/__pycache__",
         r"the image writes outside of /tmp: /opt/x"),
    ],
    ids=["crashes", "no-program", "no-model", "no-handler", "memory", "writes"],
)  # fmt: skip
def test_an_image_that_cannot_serve_is_refused(
    text: str, message: str, project: Path, client: Docker, tmp_path: Path
) -> None:
    created = derived(client, tmp_path, text)
    with pytest.raises(StageError, match=message):
        prove(client, created, project / "artifacts" / "bundle", DockerImage(), FUNCTION)


def test_a_missing_emulator_is_reported_and_recorded(
    project: Path, client: Docker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLSPEC_LAMBDA_EMULATOR", "")
    if shutil.which("aws-lambda-rie"):
        monkeypatch.setenv("PATH", "/usr/bin:/bin")
    proof = prove(client, TAG, project / "artifacts" / "bundle", DockerImage(), FUNCTION)
    assert proof.locked.emulator is False
    assert "warning: the image was not tested in Lambda's emulator" in capsys.readouterr().out


@pytest.fixture
def registry(client: Docker) -> Iterator[str]:
    """A base image in a registry: it alone gives digests."""
    name = f"{REGISTRY}/{TAG}-base:3.11"
    client.output("tag", "python:3.11-slim-bookworm", name)
    done = client.run("push", "--quiet", name)
    client.run("image", "rm", name)
    if done.returncode:
        missing(f"an image registry on {REGISTRY}")
    yield name
    client.run("image", "rm", name)


def test_the_base_is_held_to_its_digest_from_the_first_build_on(registry: str, client: Docker, tmp_path: Path) -> None:
    text = LAMBDA.replace("docker: {}", f"docker: {{base: '{registry}'}}")
    write(tmp_path, text, BASE)
    text_bundle(tmp_path / "artifacts" / "bundle", TAG)
    expected = DockerImage(base=registry)
    work.main(job(tmp_path, expected))
    created, existing, marks = image_build.build(client, job(tmp_path, expected), expected)
    digest = existing.partition("@")[2]
    assert f"{registry}@{digest}" in (tmp_path / "Dockerfile.lock").read_text()
    assert marks["org.opencontainers.image.base.digest"] == digest
    dockerfile = next(f for f in compile_project(tmp_path / "mlproject.yaml").files if f.path == "Dockerfile").text
    assert dockerfile.count(f"FROM {registry}@{digest} AS") == 3
    (tmp_path / "Dockerfile").write_text(dockerfile)
    assert image_build.build(client, job(tmp_path, expected), expected)[:2] == (created, existing)


def test_a_base_that_is_not_there(client: Docker, tmp_path: Path) -> None:
    with pytest.raises(
        StageError, match=r"cannot pull the base image 127.0.0.1:5000/none:1: the base image does not exist"
    ):
        base_image.lookup(client, f"{REGISTRY}/none:1", "linux/amd64")


class Severed:
    """A way to the engine that is cut once a few bytes of a build have come back."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.building = False
        self.ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            other = socket.socket(socket.AF_UNIX)
            other.connect("/var/run/docker.sock")
            self.ends += [one, other]
            for pair in ((one, other), (other, one)):
                threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, to: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self.building = self.building or b"/build?" in data
                if self.building and source.family == socket.AF_UNIX:
                    self.cut()
                    return
                to.sendall(data)
        except OSError:
            pass
        to.close()

    def cut(self) -> None:
        """Close every connection, and take no new one."""
        self.listener.close()
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def test_the_engine_stops_in_the_middle_of_a_build(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not Path("/var/run/docker.sock").exists():
        missing("an engine on /var/run/docker.sock")
    severed = Severed()
    before = record(project)
    with monkeypatch.context() as patch, pytest.raises(StageError, match=r"does not answer, or it stopped") as caught:
        patch.setenv("DOCKER_HOST", severed.address)
        image_build.main(job(project, DockerImage(labels={"another": "one"})))
    assert severed.building
    assert "mlspec apply" in caught.value.help
    assert record(project) == before
    image_build.main(job(project, DockerImage()))


def test_an_engine_that_does_not_run(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(StageError, match=r"does not answer"):
        image_build.main(job(project, DockerImage()))


def test_compose_serves_it(project: Path, client: Docker) -> None:
    """The generated file as it is, but for the port, and for a key that Compose 1 does not know."""
    command = [client.path, "compose"] if client.run("compose", "version").returncode == 0 else ["docker-compose"]
    if len(command) == 1 and shutil.which("docker-compose") is None:
        missing("docker compose, or docker-compose")
    text = (project / "compose.yaml").read_text()
    (project / "compose.yaml").write_text(text.replace("127.0.0.1:8080:8080", "127.0.0.1::8080"))
    if len(command) == 1:
        text = (project / "compose.yaml").read_text()
        older = re.sub(r" +bind:\n +create_host_path: false.*\n", "", text)  # Compose 1 never creates it
        (project / "docker-compose.yml").write_text(older)

    owner = 12345 if os.geteuid() == 0 else os.geteuid()
    log = project / ".mlspec" / "monitor"
    log.mkdir(parents=True)
    os.chown(log, owner, -1)
    (project / ".env").write_text(f"MLSPEC_USER={owner}:{os.getegid()}\n")

    def compose(*words: str) -> str:
        environment = {**os.environ, "DOCKER_BUILDKIT": "1", "COMPOSE_DOCKER_CLI_BUILD": "1"}
        environment["PATH"] = f"{Path(client.path).parent}:{environment['PATH']}"
        done = subprocess.run([*command, *words], cwd=project, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    try:
        compose("up", "--build", "--detach")
        container = Container(client, compose("ps", "--quiet", "serve"), None)
        assert container.ask(8080, "GET", "/v2/health/ready")[0] == 200
        row = json.dumps({"sentence": "the cat ran"}).encode()
        with urllib.request.urlopen(f"http://{compose('port', 'serve', '8080')}/v2/health/ready") as answer:
            assert answer.status == 200
        assert container.ask(8080, "POST", "/predict", row)[1]["label"] in ("no", "yes")
        until(lambda: any(file.stat().st_size for file in log.rglob("*.open")))
        assert {file.stat().st_uid for file in log.rglob("*")} == {owner}
        store = PredictionStore(log, BundleSignature.read(project / "artifacts"))
        assert store.query("SELECT status FROM predictions").to_pylist() == [{"status": 200}]
        assert client.output("inspect", "--format", "{{.HostConfig.ReadonlyRootfs}}", container.id) == "true"
    finally:
        compose("down")


def test_a_commit_in_the_record_is_in_the_labels(project: Path) -> None:
    provenance = read_provenance(project, project / "artifacts")
    created = labels(provenance, SIGNATURE)
    assert from_labels(created) == (provenance, SIGNATURE)


def test_a_package_with_another_hash_fails_the_build(project: Path, client: Docker, tmp_path: Path) -> None:
    copy = tmp_path / "replaced"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".git"))
    requirements = copy / "requirements-serve.txt"
    text = requirements.read_text(encoding="utf-8")
    first = text.index("httptools==")
    at = text.index("sha256:", first) + len("sha256:")
    requirements.write_text(f"{text[:at]}{'0' * 64}{text[at + 64 :]}", encoding="utf-8")
    other = text.index("sha256:", at) + len("sha256:")
    assert "orjson" not in text[first:other] or pytest.fail("httptools has one hash only")
    changed = requirements.read_text(encoding="utf-8")
    requirements.write_text(f"{changed[:other]}{'1' * 64}{changed[other + 64 :]}", encoding="utf-8")
    with pytest.raises(StageError, match=r"a package is not the one whose hash is in requirements-serve\.txt"):
        image_build.build(client, job(copy, DockerImage()), DockerImage())
