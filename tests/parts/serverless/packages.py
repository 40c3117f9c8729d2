"""Specs with `iac: serverless`, and their services as osls itself packages them: without a network or an account."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CHECKOUT, missing
from tests.parts.cloudformation import stack_specs
from tests.parts.targets import write
from tests.sharing import once, shared_folder

DIGEST = "sha256:" + "0" * 64
IMAGE = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/cola@{DIGEST}"
SPECS = {name: text.replace("IAC", "serverless") for name, text in stack_specs.SPECS.items()}
SPECS["everything"] = SPECS["everything"].replace(
    "environment: {LEVEL: 'say \"$${hi}\"'}",
    "environment: {LEVEL: 'say \"$${self:service}\"', TOKEN: {env: SERVICE_TOKEN}}",
)


def osls() -> str:
    """The program, which CI installs from npm; skips where it is missing."""
    folders = [os.environ.get("MLSPEC_NODE_MODULES"), CHECKOUT / "node_modules"]
    program = next((file for f in folders if f and (file := Path(f) / ".bin" / "osls").is_file()), None)
    path = str(program) if program else shutil.which("osls")
    return path or missing("the npm package osls (MLSPEC_NODE_MODULES=folder, or node_modules/ here)")


def package(folder: Path, service: str, params: Mapping[str, str]) -> dict[str, Any]:
    """The template that osls makes of a service in the project's folder."""
    keys = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    environ = {**os.environ, **keys, "SLS_TELEMETRY_DISABLED": "1", "CI": "1"}
    given = [f"--param={name}={value}" for name, value in params.items()]
    at = folder / "serverless" / service
    done = subprocess.run([osls(), "package", *given], cwd=at, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    template = at / ".serverless" / "cloudformation-template-update-stack.json"
    content: dict[str, Any] = json.loads(template.read_text(encoding="utf-8"))
    return content


def packaged_service(folder: Path, spec: str, image: str = IMAGE) -> dict[str, Any]:
    """The template of the service with the function of a spec."""
    write(folder, spec)
    if (folder / "serverless" / "foundation").is_dir():
        package(folder, "foundation", {"github_repository": "octo-org/cola"})
    if "package: {zip:" in spec:
        (folder / "artifacts").mkdir(exist_ok=True)
        (folder / "artifacts" / "function.zip").write_bytes(b"PK\x05\x06" + bytes(18))
        return package(folder, "service", {})
    return package(folder, "service", {"image": image})


def packaged_example(factory: pytest.TempPathFactory, name: str) -> Path:
    """The folder of the example of that name in `SPECS` with its packages, made once for all tests."""
    return once(shared_folder(factory, f"serverless-{name}"), lambda folder: packaged_service(folder, SPECS[name]))
