"""Building an image with BuildKit, the output of which goes to the log of the stage."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mlspec.docker.client import Docker
from mlspec.docker.failures import failure

_ENVIRONMENT: Final = {"DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
"""Without attestations: they turn the image into an index of images, which Lambda does not accept."""


def build(
    docker: Docker,
    context: Path,
    dockerfile: str,
    platform: str,
    labels: Mapping[str, str],
    arguments: Mapping[str, str],
    *,
    cache: bool = True,
) -> str:
    """Build the text `dockerfile` in the folder `context` and return the image's id. Raises StageError.

    The image has no name: it is named once it passed its checks.
    """
    with tempfile.TemporaryDirectory(prefix="mlspec-") as folder:
        file = Path(folder) / "id"
        command = ["build", "--progress", "plain", "--platform", platform, "--iidfile", str(file), "--file", "-"]
        command += ["--load"] * docker.buildx + ["--no-cache"] * (not cache)
        for name, value in labels.items():
            command += ["--label", f"{name}={value}"]
        for name, value in arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        environment = {**(docker.environment or os.environ), **_ENVIRONMENT}
        code, output = _follow([docker.path, *command, str(context)], dockerfile, environment)
        if code:
            raise failure("docker build failed", output)
        return file.read_text(encoding="ascii").strip()


def _follow(command: Sequence[str], input: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a command, copy its output to stdout, and return its exit code and the last lines."""
    last: deque[str] = deque(maxlen=60)
    with subprocess.Popen(
        command,
        env=environment,
        text=True,
        errors="replace",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(input)
            process.stdin.close()
        except BrokenPipeError:
            pass  # it stopped before it read the Dockerfile, and its output says why
        for line in process.stdout:
            last.append(line)
            sys.stdout.write(line)
            sys.stdout.flush()
    return process.returncode, "".join(last)
