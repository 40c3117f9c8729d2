"""The checks of an image before it is pushed: kind, processor, size, and the predictions of two containers of it.

A check that this machine cannot run is a warning, and recorded as not run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mlspec.docker.container import READ_ONLY, Container, running
from mlspec.docker.docker_engine import Client
from mlspec.docker.registry_client import INDEXES, an_index
from mlspec.errors import StageError
from mlspec.parts.package import lambda_emulator
from mlspec.parts.package.prediction_check import ExpectedPredictions
from mlspec.records.packaged import HttpCheck, ImageProof, LockedCheck, SizeCheck
from mlspec.sections.deploy import Lambda
from mlspec.sections.package import DockerImage
from mlspec.spec.types import size_bytes
from mlspec.stage_result import warn

_ARCHITECTURES: Final = {"linux/amd64": "amd64", "linux/arm64": "arm64"}
_LAMBDA_USER: Final = "993:990"
"""Lambda runs a container as a user of its own, whatever the image says."""


def prove(docker: Client, image: str, bundle: Path, options: DockerImage, function: Lambda | None) -> ImageProof:
    """The checks that the image passes. Raises StageError with the value and the limit."""
    details = docker.inspect(image)
    expected = ExpectedPredictions(bundle)
    return ImageProof(
        manifest=_media_type(details),
        architecture=_architecture(details, options),
        size=_size(details, options),
        http=_http(docker, image, expected, options.port),
        locked=_locked(docker, image, expected, options.port, function),
        examples=expected.examples(),
    )


def _media_type(details: Mapping[str, Any]) -> str:
    """Media type of the manifest; engines without the containerd image store hold single images and report none."""
    kind = str((details.get("Descriptor") or {}).get("mediaType") or "single")
    if kind in INDEXES:
        raise an_index("the image")
    return kind


def _architecture(details: Mapping[str, Any], options: DockerImage) -> str:
    architecture, expected = str(details["Architecture"]), _ARCHITECTURES[options.platform]
    if architecture != expected:
        message = f"the image is for {architecture}, and package.docker.platform is {options.platform}"
        raise StageError(message, help=f"choose a base image (package.docker.base) that exists for {options.platform}")
    return architecture


def _size(details: Mapping[str, Any], options: DockerImage) -> SizeCheck:
    size, limit = int(details["Size"]), size_bytes(options.max_size)
    if size > limit:
        raise StageError(
            f"the image has {size / 1e6:.0f} MB, more than package.docker.max_size: {options.max_size}",
            help="quantize the model (export.onnx.quantize), choose a smaller base image, or raise the limit",
        )
    return SizeCheck(bytes=size, max_bytes=limit)


def _http(docker: Client, image: str, expected: ExpectedPredictions, port: int) -> HttpCheck:
    """Its server, with a writable root, where it must write to /tmp alone."""
    began = time.monotonic()
    with running(docker, image, ()) as container:
        difference, seconds = _predictions(container, expected, port, began)
        written = [path for path in container.changed() if not path.startswith("/tmp/")]  # noqa: S108
    if written:
        shown = ", ".join(written[:3])
        help = "Lambda and a read-only root forbid that: write to /tmp"
        raise StageError(f"the image writes outside of /tmp: {shown}", help=help)
    return HttpCheck(rows=len(expected.rows), difference=difference, seconds=seconds)


def _predictions(container: Container, expected: ExpectedPredictions, port: int, began: float) -> tuple[float, float]:
    """Largest difference from the bundle's predictions, and seconds from `began` to the first answer."""
    answers, first = [], 0.0
    for body in expected.bodies():
        answers.append(container.ask(port, "POST", "/predict", body))
        first = first or time.monotonic() - began
        if container.killed():
            raise container.out_of_memory()
    return expected.compare("the image", answers), round(first, 2)


def _locked(
    docker: Client, image: str, expected: ExpectedPredictions, port: int, function: Lambda | None
) -> LockedCheck:
    """With a read-only root: as Lambda runs it where the spec deploys to Lambda, else as its own server."""
    binary = lambda_emulator.find()
    if function is None:
        return _locked_server(docker, image, expected, port, None)
    if binary is None:
        why = "AWS's Lambda emulator is not installed"
        warn(f"the image was not tested in Lambda's emulator: {why}; {lambda_emulator.HELP}")
        check = _locked_server(docker, image, expected, port, function.memory)
        return check.model_copy(update={"emulator": False, "why": why})
    return _locked_function(docker, image, expected, binary, function)


def _locked_server(
    docker: Client, image: str, expected: ExpectedPredictions, port: int, memory: int | None
) -> LockedCheck:
    began = time.monotonic()
    with running(docker, image, READ_ONLY, memory=memory) as container:
        difference, seconds = _predictions(container, expected, port, began)
        peak = container.peak()
    rows = len(expected.rows)
    return LockedCheck(rows=rows, difference=difference, seconds=seconds, peak=peak, memory_mb=memory)


def _locked_function(
    docker: Client, image: str, expected: ExpectedPredictions, binary: Path, function: Lambda
) -> LockedCheck:
    """As a function, in Lambda's emulator."""
    began = time.monotonic()
    options = (
        *READ_ONLY,
        *("--user", _LAMBDA_USER),
        *("--volume", f"{binary}:/aws-lambda-rie:ro"),
        *("--workdir", "/app"),
        *("--entrypoint", "/aws-lambda-rie"),
        *environment(function),
    )
    command = ("python", "-m", "awslambdaric", "handler.handle")
    with running(docker, image, options, command, memory=function.memory) as container:
        answers, first = [], 0.0
        for event in expected.events():
            answers.append(container.ask(lambda_emulator.PORT, "POST", lambda_emulator.PATH, event)[1])
            first = first or time.monotonic() - began
            if container.killed():
                raise container.out_of_memory()
        try:
            difference = expected.compare_events("the image in Lambda's emulator", answers)
        except StageError:
            sys.stdout.write(container.logs() + "\n")
            raise
        peak = container.peak()
    return LockedCheck(
        rows=len(expected.rows),
        difference=difference,
        seconds=round(first, 2),
        peak=peak,
        memory_mb=function.memory,
        emulator=True,
    )


def environment(function: Lambda) -> list[str]:
    """The variables that Lambda sets for a function, as options of `docker run`, without secrets of the spec."""
    lambda_variables = {
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": function.memory,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": function.timeout,
    }
    plain = {name: value for name, value in function.environment.items() if isinstance(value, str)}
    variables = {**lambda_variables, **plain}
    return [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
