"""What keeps an image or a zip from ever starting, found before either is built. Pure.

Lambda's limits: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html; its runtimes: lambda-runtimes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from mlspec.diagnostics import Finding
from mlspec.parts.package import serving_pins
from mlspec.sections.package import DockerImage, LambdaZip
from mlspec.spec.types import size_bytes

MAX_UNZIPPED: Final = 250 * 2**20
"""Bytes of a function's code, unpacked."""
MAX_DIRECT: Final = 50 * 2**20
"""Bytes of a zip that Lambda takes in the request itself; a larger one goes through S3."""
_ZIP_PYTHONS: Final = ("3.12", "3.13", "3.14")
"""Lambda's runtimes on Amazon Linux 2023, with glibc 2.34. Python 3.11's has glibc 2.26, too old for the wheels."""
_PYTHON_IN_TAG = re.compile(r"(?:^|/)python:(3\.\d+)")


def image(docker: DockerImage) -> Iterator[Finding]:
    """Whether the pinned runtime can be installed on that Python and that base."""
    at = ("package", "docker")
    if docker.python not in serving_pins.pythons():
        message = (
            f"onnxruntime {serving_pins.ONNXRUNTIME}, which serves the model, has no wheel for Python {docker.python}"
        )
        yield Finding(
            "no-runtime-wheel", (*at, "python"), message, f"choose one of {', '.join(serving_pins.pythons())}"
        )
    found = _PYTHON_IN_TAG.search(docker.base)
    if found and found[1] != docker.python:
        message = f"the base image has Python {found[1]}, and `package.docker.python` is {docker.python}"
        yield Finding("unfit-base-image", (*at, "base"), message, "give both the same version")
    elif "alpine" in docker.base:
        message = "Alpine has musl, and the wheels of onnxruntime need glibc"
        yield Finding("unfit-base-image", (*at, "base"), message, f"for example `{default_base(docker)}`")


def archive(wanted: LambdaZip) -> Iterator[Finding]:
    """Whether Lambda has that Python, the pinned runtime starts on it, and the size is one that it takes."""
    at = ("package", "zip")
    if wanted.python not in _ZIP_PYTHONS:
        message = (
            f"Lambda has no runtime for Python {wanted.python} that onnxruntime {serving_pins.ONNXRUNTIME} starts on"
        )
        if wanted.python == "3.11":
            message += ": its glibc is 2.26, and the wheel needs 2.28"
        yield Finding("no-runtime-wheel", (*at, "python"), message, f"choose one of {', '.join(_ZIP_PYTHONS)}")
    if size_bytes(wanted.max_size) > MAX_UNZIPPED:
        message = f"Lambda takes 250 MiB of unpacked code, and {wanted.max_size} are allowed here"
        yield Finding("zip-too-large", (*at, "max_size"), message, "at most 250MiB; an image may have 10 GB")


def default_base(docker: DockerImage) -> str:
    """The base image where the spec names none."""
    return f"python:{docker.python}-slim-bookworm"
