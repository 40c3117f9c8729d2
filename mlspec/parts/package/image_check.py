"""The checks of an image before it is pushed: kind, processor, size, and the predictions of two containers of it.

A check that this machine cannot run is a warning, and recorded as not run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mlspec.docker.client import Docker
from mlspec.docker.container import READ_ONLY, Container, JsonAnswer, running
from mlspec.docker.image_details import ImageDetails, require_single
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


def prove(docker: Docker, image: str, bundle: Path, options: DockerImage, function: Lambda | None) -> ImageProof:
    """The checks that the image passes. Raises StageError with the value and the limit."""
    details = docker.inspect(image)
    require_single(details.media_type, "the image")
    expected = ExpectedPredictions(bundle)
    return ImageProof(
        manifest=details.media_type or "single",
        architecture=architecture(details, options),
        size=size(details, options),
        http=_http(docker, image, expected, options.port),
        locked=_locked(docker, image, expected, options.port, function),
        examples=expected.examples(),
    )


def architecture(details: ImageDetails, options: DockerImage) -> str:
    """The processor of the image. Raises StageError where it is not that of the spec."""
    if details.architecture != _ARCHITECTURES[options.platform]:
        message = f"the image is for {details.architecture}, and package.docker.platform is {options.platform}"
        raise StageError(message, help=f"choose a base image (package.docker.base) that exists for {options.platform}")
    return details.architecture


def size(details: ImageDetails, options: DockerImage) -> SizeCheck:
    """Its size and limit. Raises StageError where it is larger."""
    limit = size_bytes(options.max_size)
    if details.size > limit:
        raise StageError(
            f"the image has {details.size / 1e6:.0f} MB, more than package.docker.max_size: {options.max_size}",
            help="quantize the model (export.onnx.quantize), choose a smaller base image, or raise the limit",
        )
    return SizeCheck(bytes=details.size, max_bytes=limit)


def _http(docker: Docker, image: str, expected: ExpectedPredictions, port: int) -> HttpCheck:
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
    answers, first = _answers(container, port, "/predict", expected.bodies(), began)
    return expected.compare("the image", answers), first


def _answers(
    container: Container, port: int, path: str, bodies: Sequence[bytes], began: float
) -> tuple[list[tuple[int, JsonAnswer]], float]:
    """The answers, each to a request of its own, and seconds from `began` to the first."""
    answers = [container.ask(port, "POST", path, bodies[0])]
    first = time.monotonic() - began
    answers += container.ask_all(port, "POST", path, bodies[1:])
    if container.killed():
        raise container.out_of_memory()
    return answers, round(first, 2)


def _locked(
    docker: Docker, image: str, expected: ExpectedPredictions, port: int, function: Lambda | None
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
    docker: Docker, image: str, expected: ExpectedPredictions, port: int, memory: int | None
) -> LockedCheck:
    began = time.monotonic()
    with running(docker, image, READ_ONLY, memory=memory) as container:
        difference, seconds = _predictions(container, expected, port, began)
        peak = container.peak()
    rows = len(expected.rows)
    return LockedCheck(rows=rows, difference=difference, seconds=seconds, peak=peak, memory_mb=memory)


def _locked_function(
    docker: Docker, image: str, expected: ExpectedPredictions, binary: Path, function: Lambda
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
        answers, first = _answers(container, lambda_emulator.PORT, lambda_emulator.PATH, expected.events(), began)
        try:
            difference = expected.compare_events("the image in Lambda's emulator", [answer for _, answer in answers])
        except StageError:
            sys.stdout.write(container.logs() + "\n")
            raise
        peak = container.peak()
    return LockedCheck(
        rows=len(expected.rows),
        difference=difference,
        seconds=first,
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
