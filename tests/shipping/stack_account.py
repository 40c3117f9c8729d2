"""A second emulated AWS, in a process and an environment of its own: it deploys stacks, runs functions, and knows rights.

Moto, which most tests use, starts in no time, and has ECR's images, budgets and CodeDeploy. MiniStack has what moto lacks:
a CloudFormation that translates SAM's templates, creates versions and aliases and imports what exists; functions that run
with the Python of its environment; policies that are checked.
"""

from __future__ import annotations

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from mlspec.parent_death import die_with_parent
from tests.conftest import CHECKOUT, missing
from tests.monitoring.prometheus_servers import free_port
from tests.runtime.callers import until

ACCOUNT: Final = "123456789012"
"""The number of the account; moto has the same."""


@contextmanager
def stack_account(folder: Path, rights: bool = False) -> Iterator[str]:
    """The address of an empty account; with `rights` it refuses what no policy allows. It logs to `folder`."""
    python = Path(os.environ.get("MLSPEC_MINISTACK", ""), "bin", "python")
    if not python.is_file():
        missing("the emulated AWS (Python package ministack, with Python 3.12; MLSPEC_MINISTACK=folder)")
    port, log = free_port(), folder / "ministack.log"
    known = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    own = {
        "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1", "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": "eu-west-1", "LAMBDA_EXECUTOR": "local", "DOCKER_HOST": f"unix://{folder}/no-docker",
        "AUTH": str(rights).lower(), "TMPDIR": str(folder), "LOG_LEVEL": "WARNING", "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0",
        "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
    }  # fmt: skip
    command = [python, "-m", "tests.shipping.ministack_extended"]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=CHECKOUT, stdout=output, stderr=output, env=known | own, preexec_fn=die_with_parent
        ) as process,
    ):
        address = f"http://127.0.0.1:{port}"
        try:
            until(lambda: process.poll() is not None or _ready(address))
            assert process.poll() is None, log.read_text()
            yield address
        finally:
            process.terminate()


def empty_account(address: str) -> None:
    """Remove everything that is in the account."""
    urllib.request.urlopen(urllib.request.Request(f"{address}/_ministack/reset", method="POST"), timeout=60).close()


def _ready(address: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{address}/_ministack/health", timeout=5) as response:
        return bool(response.status == 200)
    return False
