"""The name of a capability to whether this machine has it, and the command that installs it.

Imports none of the packages that it checks.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mlspec.stage_context import lambda_emulator

PATIENCE = 10
"""Timeout in seconds of a command that prints a version: a Docker engine that is starting up answers late."""

BASE: tuple[str, ...] = ("click>=8.1", "jinja2>=3.1.4", "pathspec>=0.12", "pydantic>=2.10", "pyyaml>=6.0.1")
"""What mlspec needs without an extra."""

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "train": (
        "charset-normalizer>=3.4",
        "dvc>=3.60",
        "httptools>=0.6.4",
        "hydra-core>=1.3.6",
        "numpy>=1.26",
        "nvidia-ml-py>=12.535",
        "omegaconf>=2.3",
        "onnx>=1.18",
        "onnxruntime>=1.20",
        "onnxscript>=0.5.4",
        "orjson>=3.10",
        "pillow>=10",
        "psutil>=5.9",
        "pyarrow>=16",
        "pytest>=8",
        "pytorch-lightning>=2.6.6",
        "ruamel.yaml>=0.18",
        "tokenizers>=0.20",
        "torch>=2.9",
        "torchmetrics>=1.6",
        "transformers>=4.48",
    ),
    "wandb": ("wandb>=0.18",),
    "mlflow": ("mlflow-skinny>=2.16",),
    "sweep": ("optuna>=4",),
    "aws": ("boto3>=1.40.60", "hydra-core>=1.3.6", "omegaconf>=2.3", "psutil>=5.9", "ruamel.yaml>=0.18"),
    "local": (
        "boto3>=1.40.60",
        "hydra-core>=1.3.6",
        "moto[server]>=5.1",
        "omegaconf>=2.3",
        "psutil>=5.9",
        "ruamel.yaml>=0.18",
    ),
    "elastic": ("elasticsearch>=9", "hydra-core>=1.3.6", "omegaconf>=2.3", "psutil>=5.9", "ruamel.yaml>=0.18"),
    "sign": ("model-signing>=1.1.1", "pyopenssl>=24"),
    "lock": ("uv>=0.8",),
    "audit": ("picklescan>=1.0.5",),
    "monitor": ("duckdb>=1.2", "numpy>=1.26", "pyarrow>=16", "scikit-learn>=1.5", "scipy>=1.13"),
    "serve": (
        "httptools>=0.6.4",
        "numpy>=1.26",
        "onnxruntime>=1.20",
        "orjson>=3.10",
        "pillow>=10",
        "tokenizers>=0.20",
        "uvloop>=0.21",
    ),
    "s3": ("dvc-s3>=3.2", "s3fs>=2024.6"),
}
"""The extras of the `mlspec` distribution, each package with the oldest supported version; a test compares them with
pyproject.toml. They are repeated here because a checkout has no installed metadata to read."""

_PROGRAMS: Mapping[str, tuple[str, str]] = {
    "git": ("--version", "install git: https://git-scm.com/downloads"),
    "terraform": ("version", "install Terraform: https://developer.hashicorp.com/terraform/install"),
    "aws": ("--version", "install the AWS CLI: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"),
    "sam": ("--version", "pip install aws-sam-cli"),
    "serverless": ("--version", "npm install --global serverless"),
    "osls": ("--version", "npm install --global osls"),
}  # fmt: skip
"""Program to the argument that prints its version, and how to install it."""


@dataclass(frozen=True, slots=True)
class Capability:
    """The result of a probe: a version or the problem, and the command or page that fixes it, "" if present."""

    name: str
    present: bool
    detail: str
    fix: str = ""


def probe(name: str) -> Capability:
    """Check one capability of this machine. A missing one is a result, never an exception.

    Names: `docker` (client and engine), `buildkit`, `lambda emulator`, `gpu`, `python`; a program (`git`, …);
    `extra:train`; `package:torch`; `env:NAME` (set or not; the value is never part of the result). Raises ValueError
    for an unknown prefix.
    """
    kind, colon, rest = name.partition(":")
    if colon:
        if kind not in _KINDS:
            raise ValueError(f"unknown kind of capability: {kind!r}")
        return _KINDS[kind](name, rest)
    special = _either if " or " in name else _SPECIAL.get(name)
    return special(name) if special else _program(name)


def missing(extra: str) -> tuple[str, ...]:
    """The requirements of an extra that are absent or too old. Raises KeyError for an unknown extra."""
    return tuple(r for r in EXTRAS[extra] if not probe(f"package:{r}").present)


def _docker(name: str) -> Capability:
    """Whether the engine responds to one of the clients on PATH."""
    from mlspec.docker.client import INSTALL, programs
    from mlspec.docker.failures import PERMIT, START

    clients, reason = programs(), ""
    if not clients:
        return Capability(name, False, "no docker client", INSTALL)
    for docker in clients:
        version, reason = docker.engine(PATIENCE)
        if version:
            return Capability(name, True, f"engine {version}")
    if "permission denied" in reason.lower():
        return Capability(name, False, "no permission to use the engine", PERMIT)
    return Capability(name, False, "the engine does not respond", START)


def _buildkit(name: str) -> Capability:
    """The BuildKit version that a build would use: of a client with buildx, else of the first client with BuildKit."""
    from mlspec.docker.client import INSTALL, programs

    clients = programs()
    if not clients:
        return Capability(name, False, "no docker client", INSTALL)
    kits = [kit for docker in clients if (kit := docker.buildkit(PATIENCE)) is not None]
    if kits:
        return Capability(name, True, max(kits, key=lambda kit: kit[1])[0])
    help = "install docker-buildx-plugin: https://docs.docker.com/build/install-buildx/"
    return Capability(name, False, "no docker client has buildx", help)


def _emulator(name: str) -> Capability:
    """AWS's emulator of Lambda, which tests an image or zip before it is deployed."""
    if (path := lambda_emulator()) is not None:
        return Capability(name, True, str(path))
    page = "https://github.com/aws/aws-lambda-runtime-interface-emulator/releases"
    fix = f"download aws-lambda-rie from {page} and put it on PATH"
    return Capability(name, False, "not installed: images and zips cannot be tested as Lambda runs them", fix)


def _gpu(name: str) -> Capability:
    """The GPUs that the driver lists, and whether the installed PyTorch can use them."""
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return Capability(name, True, "Apple GPU (mps)")
    code, text = _output("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
    listed = "; ".join(line.strip() for line in text.splitlines() if line.strip())
    if code or not listed:
        return Capability(name, False, "none: nvidia-smi lists no GPU")
    torch = _package("package:torch", "torch")
    if torch.present and torch.detail.endswith("+cpu"):
        fix = "install a PyTorch with CUDA: https://pytorch.org/get-started/locally"
        return Capability(name, False, f"{listed}, but PyTorch {torch.detail} is built without CUDA", fix)
    return Capability(name, True, listed)


def _python(name: str) -> Capability:
    version = ".".join(map(str, sys.version_info[:3]))
    present = sys.version_info >= (3, 11)
    return Capability(name, present, version, "" if present else "install Python 3.11 or newer")


def _either(name: str) -> Capability:
    """The first installed program of `ONE or ANOTHER`."""
    probed = [_program(program) for program in name.split(" or ")]
    present = next((one for one in probed if one.present), None)
    return replace(
        present or probed[0], name=name, detail=f"{present.name} {present.detail}" if present else "not on PATH"
    )


def _program(name: str) -> Capability:
    argument, fix = _PROGRAMS.get(name, ("", f"install {name} and put it on PATH"))
    path = shutil.which(name)
    if path is None:
        return Capability(name, False, "not on PATH", fix)
    if not argument:
        return Capability(name, True, path)
    code, text = _output(name, argument)
    if code:
        return Capability(name, False, f"{path} cannot be run", fix)
    return Capability(name, True, text.splitlines()[0] if text else path)


def _extra(name: str, extra: str) -> Capability:
    requirements = missing(extra)
    if not requirements:
        return Capability(name, True, "installed")
    return Capability(name, False, f"missing: {', '.join(requirements)}", f"pip install 'mlspec[{extra}]'")


def _package(name: str, requirement: str) -> Capability:
    package, _, oldest = requirement.partition(">=")
    try:
        version = importlib.metadata.version(package.partition("[")[0])
    except importlib.metadata.PackageNotFoundError:
        return Capability(name, False, "not installed", _install(package, requirement))
    if oldest and _numbers(version) < _numbers(oldest):
        return Capability(name, False, f"{version} is older than {oldest}", _install(package, requirement))
    return Capability(name, True, version)


def _install(package: str, requirement: str) -> str:
    extra = next((e for e, needs in EXTRAS.items() if any(n.partition(">=")[0] == package for n in needs)), None)
    return f"pip install 'mlspec[{extra}]'" if extra else f"pip install '{requirement}'"


def _variable(name: str, variable: str) -> Capability:
    if os.environ.get(variable):
        return Capability(name, True, "set")
    state = "empty" if variable in os.environ else "not set"
    return Capability(name, False, state, f"export {variable}=...")


def _output(*command: str) -> tuple[int, str]:
    """Exit code and output of a short command; 1 where it does not start or takes too long."""
    try:
        completed = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=PATIENCE, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return completed.returncode, (completed.stdout.strip() or completed.stderr.strip())


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: enough to order releases."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(n) for n in match[0].split(".")) if match else ()


_KINDS: Mapping[str, Callable[[str, str], Capability]] = {"extra": _extra, "package": _package, "env": _variable}
_SPECIAL: Mapping[str, Callable[[str], Capability]] = {
    "docker": _docker,
    "buildkit": _buildkit,
    "gpu": _gpu,
    "python": _python,
    "lambda emulator": _emulator,
}
