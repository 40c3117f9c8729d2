"""An emulated AWS, and a project with an image in its registry, for the tests of all that ships."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mlspec.aws.aws_target import AwsTarget
from tests.aws_models import keep_models
from tests.conftest import missing
from tests.shipping.cloud import REGISTRY, BuiltImages, Run, Shipped, registry_runs, spec
from tests.shipping.shown_requests import Watch, watching
from tests.shipping.stack_account import empty_account, stack_account
from tests.warm_python import WarmPython


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of an emulated AWS that looks for a function's image in its own ECR."""
    from moto.server import ThreadedMotoServer

    os.environ["MOTO_LAMBDA_STUB_ECR"] = "false"
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def target(moto: str) -> AwsTarget:
    """That AWS, empty, beside the real registry of this machine."""
    import urllib.request

    urllib.request.urlopen(urllib.request.Request(f"{moto}/moto-api/reset", method="POST"), timeout=60).close()
    return AwsTarget("aws", "eu-west-1", moto, REGISTRY, ("testing", "testing"))


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an emulated AWS that deploys stacks and runs functions."""
    with stack_account(tmp_path_factory.mktemp("ministack")) as address:
        yield address


@pytest.fixture
def stack_target(ministack: str) -> AwsTarget:
    """That account, empty, beside the same registry. A module whose projects deploy stacks to it has it for `target`."""
    empty_account(ministack)
    return AwsTarget("aws", "eu-west-1", ministack, REGISTRY, ("testing", "testing"))


@pytest.fixture(scope="session")
def ministack_with_rights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one that refuses what no policy allows."""
    with stack_account(tmp_path_factory.mktemp("ministack"), rights=True) as address:
        yield address


@pytest.fixture(scope="session")
def built_images() -> Iterator[BuiltImages]:
    """The images of all projects of this process."""
    images = BuiltImages(f"mlspec-test-{uuid.uuid4().hex[:10]}")
    yield images
    images.remove()


@pytest.fixture
def shipped(
    target: AwsTarget, docker: str, built_images: BuiltImages, tmp_path: Path
) -> Iterator[Callable[..., Shipped]]:
    """A project with a first image, its name its own: the registry keeps what was pushed."""
    if not registry_runs():
        missing(f"an image registry on {REGISTRY}")
    tags: list[str] = []

    def make(function: str = "{}", more: str = "") -> Shipped:
        name = f"t{uuid.uuid4().hex[:10]}"
        root = tmp_path / name
        root.mkdir()
        (root / "mlproject.yaml").write_text(spec(name, function, more))
        created = Shipped(root, target, docker, built_images)
        tags.append(created.tag)
        created.image("one")
        return created

    yield make
    if tags:
        subprocess.run([docker, "image", "rm", "--force", *tags], capture_output=True)


@pytest.fixture(scope="session", autouse=True)
def quiet() -> None:
    """The emulator tells of every request."""
    import logging

    logging.getLogger("werkzeug").setLevel(logging.ERROR)


@pytest.fixture(scope="session", autouse=True)
def _service_models() -> None:
    """Sessions of AWS's client share what they read from the disk."""
    keep_models()


@pytest.fixture
def watch() -> Iterator[Watch]:
    """A proxy before the emulated account of a project, until the end of the test."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(watching(*arguments))


@pytest.fixture
def mlspec(target: AwsTarget, warm: WarmPython, tmp_path: Path) -> Run:
    """The program in a project's folder, with an emulated AWS for AWS. Gives exit code, stdout, stderr."""
    aws = target.environ

    def run(project: Shipped, *arguments: str, **environment: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [warm.python, "-m", "mlspec", *arguments],
            cwd=project.root,
            env={**os.environ, **aws, **environment},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        return done.returncode, done.stdout, done.stderr

    return run
