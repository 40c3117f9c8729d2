"""Options with which an image or a zip could not start, reported before either is built. Pure.

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
"""Bytes of a zip that Lambda accepts in the request itself; a larger one is uploaded to S3."""
_ZIP_PYTHONS: Final = ("3.12", "3.13", "3.14")
"""Lambda's runtimes on Amazon Linux 2023, with glibc 2.34. Python 3.11's has glibc 2.26, too old for the wheels."""
_PYTHON_IN_TAG = re.compile(r"(?:^|/)python:(3\.\d+)")


def image(docker: DockerImage) -> Iterator[Finding]:
    """Whether the pinned runtime can be installed on that Python and base image."""
    at = ("package", "docker")
    if docker.python not in serving_pins.pythons():
        message = (
            f"onnxruntime {serving_pins.ONNXRUNTIME}, which serves the model, has no wheel for Python {docker.python}"
        )
        yield Finding(
            "no-runtime-wheel", (*at, "python"), message, f"choose one of {', '.join(serving_pins.pythons())}"
        )
    tag = _PYTHON_IN_TAG.search(docker.base)
    if tag and tag[1] != docker.python:
        message = f"the base image has Python {tag[1]}, and `package.docker.python` is {docker.python}"
        yield Finding("unfit-base-image", (*at, "base"), message, "use the same version in both")
    elif "alpine" in docker.base:
        message = "Alpine has musl, and the wheels of onnxruntime need glibc"
        yield Finding("unfit-base-image", (*at, "base"), message, f"for example `{default_base(docker)}`")


def archive(options: LambdaZip) -> Iterator[Finding]:
    """Whether Lambda has that Python, the pinned runtime starts on it, and Lambda accepts the size."""
    at = ("package", "zip")
    if options.python not in _ZIP_PYTHONS:
        message = (
            f"Lambda has no runtime for Python {options.python} that onnxruntime {serving_pins.ONNXRUNTIME} starts on"
        )
        if options.python == "3.11":
            message += ": its glibc is 2.26, and the wheel needs 2.28"
        yield Finding("no-runtime-wheel", (*at, "python"), message, f"choose one of {', '.join(_ZIP_PYTHONS)}")
    if size_bytes(options.max_size) > MAX_UNZIPPED:
        message = f"package.zip.max_size is {options.max_size}, and Lambda accepts at most 250 MiB of unpacked code"
        help = "set at most 250MiB, or ship an image (at most 10 GB): package: {docker: {}}"
        yield Finding("zip-too-large", (*at, "max_size"), message, help)


def default_base(docker: DockerImage) -> str:
    """The base image of a spec without one."""
    return f"python:{docker.python}-slim-bookworm"
