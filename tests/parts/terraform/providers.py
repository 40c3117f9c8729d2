"""Terraform's AWS provider on this machine: nothing is downloaded in a test."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlspec.parent_death import die_with_parent
from tests.conftest import missing


def provider_folder() -> str:
    """The folder with the provider, which `terraform init -plugin-dir` takes; skips where it or Terraform is missing."""
    if shutil.which("terraform") is None:
        missing("terraform")
    folder = os.environ.get("MLSPEC_TF_PLUGINS", "")
    return folder if folder and Path(folder).is_dir() else missing("the AWS provider (MLSPEC_TF_PLUGINS)")


@contextmanager
def running_provider(environ: Mapping[str, str]) -> Iterator[str]:
    """The provider in a process of its own, as its authors debug it: commands of Terraform attach to it by the value of
    TF_REATTACH_PROVIDERS. A command that starts the provider itself takes twice as long. AWS's address and credentials
    are those of `environ`."""
    certificates = ("AWS_CA_BUNDLE",)  # of no use to an emulator, and the provider reads it only once
    known = {name: value for name, value in os.environ.items() if name not in certificates}
    program = next(Path(provider_folder()).rglob("terraform-provider-aws*"))
    process = subprocess.Popen(
        [str(program), "-debug"],
        env={**known, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=die_with_parent,
    )
    assert process.stdout is not None
    try:
        matches = (re.search(r"TF_REATTACH_PROVIDERS='(.*)'", line) for line in process.stdout)
        yield next(match[1] for match in matches if match)
    finally:
        process.terminate()
        process.wait()
