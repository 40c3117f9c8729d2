"""The zip for Lambda, really made of wheels, and really started the way Lambda starts it."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.parts.package import image_build, lambda_emulator, lambda_zip, serving_pins, work
from mlspec.records.packaged import PackagedZip, ZipProof
from mlspec.sections.deploy import Deploy, Lambda
from mlspec.sections.package import LambdaZip, Package
from mlspec.spec.project import ProjectInfo
from tests.bundles import text_bundle
from tests.conftest import missing
from tests.sharing import once, shared_folder

pytestmark = pytest.mark.slow
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
"""This one: Lambda's are newer, and any that the wheels exist for shows the same."""
HANDLER = "from mlspec.runtime.aws_lambda import make_handler\nhandle = make_handler()\n"


def job(root: Path, zipped: LambdaZip, memory: int = 512) -> Job:
    sections = {"project": ProjectInfo(name="cola"), "package": Package(zip=zipped),
                "deploy": Deploy.model_validate({"lambda": Lambda(memory=memory)})}  # fmt: skip
    return Job(root, root / "artifacts", root / "artifacts", {}, sections)


def zip_options(**values: Any) -> LambdaZip:
    architecture = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    return LambdaZip.model_validate({"python": PYTHON, "architecture": architecture, **values})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose zip is made: a copy for each process, since tests make it anew."""
    if sys.platform != "linux":
        missing("Linux, which the wheels in a zip for Lambda are for")
    created = once(shared_folder(tmp_path_factory, "zip"), zipped)
    return shutil.copytree(created, tmp_path_factory.mktemp("zip") / "project")


def zipped(root: Path) -> None:
    """Write a project, and make its zip."""
    (root / "lambda").mkdir()
    (root / "lambda" / "handler.py").write_text(HANDLER)
    requirements = serving_pins.requirements(PYTHON, False, ("text",))
    (root / "requirements-serve.txt").write_text("".join(f"{n}=={r}\n" for n, r in requirements.items()))
    text_bundle(root / "artifacts" / "bundle")
    work.main(job(root, zip_options()))


def prove(project: Path, file: Path, memory: int = 512, **values: Any) -> ZipProof:
    scratch = job(project, zip_options()).scratch
    bundle = project / "artifacts" / "bundle"
    return lambda_zip.prove(file, bundle, zip_options(**values), Lambda(memory=memory), scratch)


def changed(project: Path, folder: Path, name: str, content: bytes | None) -> Path:
    """The zip with one file of another content, or without it; its bytecode goes too."""
    created = folder / "function.zip"
    with zipfile.ZipFile(project / "artifacts" / "function.zip") as old, zipfile.ZipFile(created, "w") as new:
        for entry in old.infolist():
            if entry.filename != name and not entry.filename.startswith("__pycache__"):
                new.writestr(entry.filename, old.read(entry))
        if content is not None:
            new.writestr(name, content)
    return created


def test_the_zip_answers_as_the_bundle_does_in_lambdas_emulator(project: Path) -> None:
    if lambda_emulator.find() is None:
        missing("AWS's Lambda emulator (MLSPEC_LAMBDA_EMULATOR=path; it lies in the Python package aws-sam-cli)")
    image_build.main(job(project, zip_options()))
    result = PackagedZip.read(project / "artifacts")
    data = (project / "artifacts" / "function.zip").read_bytes()
    assert result.sha256 == hashlib.sha256(data).hexdigest()
    assert (result.runtime, result.handler) == (f"python{PYTHON}", "handler.handle")
    assert result.size_bytes == len(data) < 50 * 2**20
    assert result.unpacked_bytes < 150 * 2**20
    proof = result.proof
    assert (proof.emulator, proof.memory_mb) == (True, 512)
    assert (proof.difference or 0.0) < 1e-6
    assert 20_000_000 < (proof.peak or 0) < 512_000_000


def test_the_same_inputs_make_the_same_bytes(project: Path) -> None:
    file = project / "artifacts" / "function.zip"
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    (project / "artifacts" / "bundle" / "model.onnx").touch()
    work.main(job(project, zip_options()))
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before


def test_nothing_that_serving_never_opens_is_in_it(project: Path) -> None:
    with zipfile.ZipFile(project / "artifacts" / "function.zip") as archive:
        names = archive.namelist()
    assert {"handler.py", "bundle/model.onnx", "mlspec/runtime/aws_lambda.py"} <= set(names)
    assert [n for n in names if n.endswith(".pyc")]
    unused = (*(f"{name}/" for name in serving_pins.UNUSED), "bin/", "torch/", "mlspec/spec/")
    assert not [n for n in names if n.startswith(unused) or "/tests/" in n or n.endswith(".pyi")]


def test_without_the_emulator_the_function_is_called_directly_which_is_reported(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLSPEC_LAMBDA_EMULATOR", "")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    proof = prove(project, project / "artifacts" / "function.zip")
    assert proof.emulator is False
    assert proof.difference is not None
    assert proof.difference < 1e-6
    assert "warning: the zip was not tested in Lambda's emulator" in capsys.readouterr().out


def test_a_missing_processor_architecture_is_reported(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = "x86_64" if zip_options().architecture == "arm64" else "arm64"
    proof = prove(project, project / "artifacts" / "function.zip", architecture=other)
    assert f"for Linux on {other}" in proof.why
    assert "warning: the zip was not tested in Lambda's emulator" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bundle/preprocess/preprocess.json", None, r"the function of the zip does not start"),
        ("handler.py", None, r"does not start: .*No module named 'handler'"),
        ("handler.py", "import torch", r"does not start: .*No module named 'torch'"),
        ("handler.py", "open('/var/x', 'w')", r"does not start: .*read-only"),
        ("handler.py", "open('x', 'w')", r"does not start: .*read-only"),
        ("handler.py", "import socket; socket.create_connection(('example.org', 80))", r"must not need the network"),
        ("handler.py", f"{HANDLER}answer = handle\nhandle = lambda *a: answer({{'sentence': 'x'}}, None)", r"zip fails"),
    ],
    ids=["no-preprocessing", "no-handler", "torch", "writes", "writes-beside", "network", "another-answer"],
)  # fmt: skip
def test_a_zip_that_cannot_serve_is_refused(
    name: str, content: str | None, message: str, project: Path, tmp_path: Path
) -> None:
    file = changed(project, tmp_path, name, None if content is None else content.encode())
    with pytest.raises(StageError, match=message):
        prove(project, file)


def test_another_bundle_in_the_zip_is_detected(project: Path, tmp_path: Path) -> None:
    name = "bundle/preprocess/preprocess.json"
    preprocess = json.loads((project / "artifacts" / name).read_text())
    preprocess["members"][0]["max_length"] = 3
    with pytest.raises(StageError, match=r"the zip predicts .* instead of the bundle's"):
        prove(project, changed(project, tmp_path, name, json.dumps(preprocess).encode()))


def test_memory_and_size_are_held_to_their_bounds(project: Path) -> None:
    file = project / "artifacts" / "function.zip"
    with pytest.raises(StageError, match=r"the function used \d+ MB, more than deploy.lambda.memory: 30"):
        lambda_zip.prove(file, project / "artifacts" / "bundle", zip_options(), Lambda.model_construct(memory=30),
                         job(project, zip_options()).scratch)  # fmt: skip
    with pytest.raises(StageError, match=r"unpacked zip has \d+ MiB, more than package.zip.max_size: 100MB"):
        work.main(job(project, zip_options(max_size="100MB")))
    assert file.is_file()
