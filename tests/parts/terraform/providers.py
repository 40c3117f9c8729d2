"""Terraform's AWS provider on this machine: nothing is downloaded in a test."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.conftest import missing


def provider_folder() -> str:
    """The folder with the provider, which `terraform init -plugin-dir` takes; skips where it or Terraform is missing."""
    if shutil.which("terraform") is None:
        missing("terraform")
    folder = os.environ.get("MLSPEC_TF_PLUGINS", "")
    return folder if folder and Path(folder).is_dir() else missing("the AWS provider (MLSPEC_TF_PLUGINS)")
