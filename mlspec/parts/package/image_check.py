"""An image to the proof that it starts and answers: its kind, processor and size, then two containers of it.

Nothing is pushed that has not been through here. What cannot be tried on this machine is said, and recorded as such.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mlspec.docker.container import READ_ONLY, Container, running
from mlspec.docker.docker_engine import Client
from mlspec.errors import StageError
from mlspec.parts.package import lambda_emulator
from mlspec.parts.package.prediction_check import ExpectedPredictions
from mlspec.sections.deploy import Lambda
from mlspec.sections.package import DockerImage
from mlspec.spec.types import size_bytes
from mlspec.stage_result import warn

INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_ARCHITECTURES: Final = {"linux/amd64": "amd64", "linux/arm64": "arm64"}
_LAMBDA_USER: Final = "993:990"
"""Lambda runs a container as a user of its own choice, not the image's."""


def prove(docker: Client, image: str, bundle: Path, wanted: DockerImage, function: Lambda | None) -> dict[str, Any]:
    """What was proved of the image, for the record. Raises StageError with the number, the bound and the next step."""
    found = docker.inspect(image)
    expected = ExpectedPredictions(bundle)
    made: dict[str, Any] = {
        "manifest": _kind(found),
        "architecture": _architecture(found, wanted),
        "size": _size(found, wanted),
        "network": "none",
        "http": _http(docker, image, expected, wanted.port),
    }
    made["locked"] = _locked(docker, image, expected, wanted.port, function)
    made["examples"] = expected.examples()
    return made


def _kind(found: Mapping[str, Any]) -> str:
    """Media type of its manifest; engines with the first kind of image store hold single images only, and name none."""
    kind = str((found.get("Descriptor") or {}).get("mediaType") or "single")
    if kind in INDEXES:
        message = "the image is an index of several, which Lambda refuses"
        raise StageError(message, help="build it without attestations: docker build --provenance=false --sbom=false")
    return kind


def _architecture(found: Mapping[str, Any], wanted: DockerImage) -> str:
    made, asked = str(found["Architecture"]), _ARCHITECTURES[wanted.platform]
    if made != asked:
        message = f"the image is for {made}, and package.docker.platform is {wanted.platform}"
        raise StageError(message, help="the base image must exist for that platform; look at package.docker.base")
    return made


def _size(found: Mapping[str, Any], wanted: DockerImage) -> dict[str, int]:
    size, most = int(found["Size"]), size_bytes(wanted.max_size)
    if size > most:
        raise StageError(
            f"the image has {size / 1e6:.0f} MB, and package.docker.max_size is {wanted.max_size}",
            help="quantize the model (export.onnx.quantize), choose a smaller base, or raise the limit",
        )
    return {"bytes": size, "max_bytes": most}


def _http(docker: Client, image: str, expected: ExpectedPredictions, port: int) -> dict[str, Any]:
    """Its server, on a root that it could write to: it must not."""
    began = time.monotonic()
    with running(docker, image, ()) as container:
        made = _over_http(container, expected, port, began)
        elsewhere = [path for path in container.changed() if not path.startswith("/tmp/")]  # noqa: S108
    if elsewhere:
        shown = ", ".join(elsewhere[:3])
        raise StageError(f"the image writes outside of /tmp: {shown}", help="Lambda and a read-only root forbid that")
    return made | {"writes": []}


def _over_http(container: Container, expected: ExpectedPredictions, port: int, began: float) -> dict[str, Any]:
    found, first = [], 0.0
    for body in expected.bodies():
        found.append(container.ask(port, "POST", "/predict", body))
        first = first or time.monotonic() - began
        if container.killed():
            raise container.out_of_memory()
    return {"rows": len(found), "difference": expected.compare("the image", found), "seconds": round(first, 2)}


def _locked(
    docker: Client, image: str, expected: ExpectedPredictions, port: int, function: Lambda | None
) -> dict[str, Any]:
    """Once more with a read-only root: as Lambda runs it where it goes there, else as its own server."""
    binary, began = lambda_emulator.find(), time.monotonic()
    memory = function.memory if function else None
    if function is None or binary is None:
        with running(docker, image, READ_ONLY, memory=memory) as container:
            made = _over_http(container, expected, port, began) | {"memory_mb": memory, "peak": container.peak()}
        if function is None:
            return made
        why = "AWS's Lambda emulator is not on this machine"
        warn(f"not proved that the image answers in Lambda: {why}; {lambda_emulator.HELP}")
        return made | {"emulator": False, "why": why}
    options = (*READ_ONLY, "--user", _LAMBDA_USER, "--volume", f"{binary}:/aws-lambda-rie:ro", "--workdir", "/app",
               "--entrypoint", "/aws-lambda-rie", *environment(function))  # fmt: skip
    with running(
        docker, image, options, ("python", "-m", "awslambdaric", "handler.handle"), memory=memory
    ) as container:
        return _in_lambda(container, expected, began) | {"memory_mb": memory, "emulator": True}


def _in_lambda(container: Container, expected: ExpectedPredictions, began: float) -> dict[str, Any]:
    found, first = [], 0.0
    for event in expected.events():
        found.append(container.ask(lambda_emulator.PORT, "POST", lambda_emulator.PATH, event)[1])
        first = first or time.monotonic() - began
        if container.killed():
            raise container.out_of_memory()
    try:
        apart = expected.compare_events("the image in Lambda's emulator", found)
    except StageError:
        sys.stdout.write(container.logs() + "\n")
        raise
    return {"rows": len(expected.rows), "difference": apart, "seconds": round(first, 2), "peak": container.peak()}


def environment(function: Lambda) -> list[str]:
    """What Lambda tells a function of itself, as options of `docker run`; secrets of the spec are not among it."""
    given = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": function.memory, "AWS_LAMBDA_FUNCTION_TIMEOUT": function.timeout}
    plain = {name: value for name, value in function.environment.items() if isinstance(value, str)}
    return [word for name, value in {**given, **plain}.items() for word in ("--env", f"{name}={value}")]
