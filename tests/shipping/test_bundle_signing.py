"""A bundle is signed with a real key; every stage that uses it refuses one that has changed since."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.parts.deploy import work as deploy_work
from mlspec.parts.package import image_build, work
from mlspec.parts.registry import work as push_work
from mlspec.shipping import bundle_signing
from mlspec.shipping.bundle_signing import sign, verify, verify_packaged
from tests.parts.projects import written

pytest.importorskip("model_signing")

SPEC = (
    "project: {name: prices}\n"
    "data: {source: d.csv, inputs: {size: number}, target: {column: price, type: number}}\n"
    "model: {type: tabular}\ntrain:\nexport:\n"
    "  sign: {key: {private: {env: SIGNING_KEY}, public: keys/model.pem}}\n"
    "package: {zip: {}}\ndeploy: {lambda: {region: eu-west-1}}\n"
)
FILES = {
    "mlproject.yaml": SPEC,
    "artifacts/bundle/model.onnx": bytes(range(200)),
    "artifacts/bundle/signature.json": "{}\n",
    "artifacts/bundle/preprocess/preprocess.json": "{}\n",
}


def key_pair(folder: Path, name: str) -> Path:
    """A private key in `folder`, and its public key in `folder/public`."""
    private, public = folder / f"{name}.pem", folder / "public" / f"{name}.pem"
    public.parent.mkdir(exist_ok=True)
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", private], check=True)
    subprocess.run(["openssl", "ec", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    return private


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    key_pair(folder, "model")
    key_pair(folder, "other")
    return folder


@pytest.fixture(scope="module")
def signed(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("signed")
    written(root, dict(FILES))
    shutil.copytree(keys / "public", root / "keys")
    sign(job(root), {"SIGNING_KEY": str(keys / "model.pem")})
    return root


@pytest.fixture
def project(signed: Path, tmp_path: Path) -> Path:
    """A copy of a project whose bundle is signed."""
    shutil.copytree(signed, tmp_path / "project")
    return tmp_path / "project"


def job(root: Path) -> Job:
    project = compile_project(root / "mlproject.yaml").project
    return Job(root, root / "artifacts", root / "artifacts", project.values, project.sections)


def flip(path: Path) -> None:
    """Change one bit of one byte."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_signed_bundle_is_valid(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify(job(project))
    assert "the signature of the bundle is valid" in capsys.readouterr().out
    statement = json.loads((project / "artifacts/bundle.sig").read_text(encoding="utf-8"))
    assert "dsseEnvelope" in statement
    assert not list(project.rglob("*.partial"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: flip(b / "model.onnx"), "artifacts/bundle/model.onnx has changed"),
        (lambda b: (b / "preprocess/preprocess.json").unlink(), "artifacts/bundle/preprocess/preprocess.json is missing"),
        (lambda b: (b / "more.json").write_text("{}"), "artifacts/bundle/more.json was added"),
        (lambda b: (b.parent / "bundle.sig").unlink(), "artifacts/bundle.sig is missing"),
        (lambda b: (b.parent / "bundle.sig").write_text("{}"), "artifacts/bundle.sig is not a valid signature"),
        (lambda b: flip(b.parent / "bundle.sig"), "artifacts/bundle.sig is not a valid signature"),
        (lambda b: shutil.copy(b.parents[1] / "keys/other.pem", b.parents[1] / "keys/model.pem"), "another key than keys/model.pem"),
        (lambda b: (b.parents[1] / "keys/model.pem").unlink(), "the public key keys/model.pem is missing"),
        (lambda b: (b.parents[1] / "keys/model.pem").write_text("no key"), "cannot verify the bundle with keys/model.pem"),
    ],
)  # fmt: skip
def test_every_stage_refuses_a_changed_bundle(project: Path, change: Callable[[Path], object], message: str) -> None:
    change(project / "artifacts/bundle")
    for refuse in (verify, work.main, image_build.main, push_work.main, deploy_work.main):
        with pytest.raises(StageError, match=message):
            refuse(job(project))


def test_what_was_packaged_must_contain_the_signed_bundle(project: Path) -> None:
    release = json.dumps({"bundle": "0" * 64})
    packaged = {"labels": {"io.mlspec.release": release}, "kind": "zip", "file": "x", "sha256": "x", "code_sha256": "x",
                "runtime": "python3.12", "handler": "h", "architecture": "x86_64", "size_bytes": 1, "unpacked_bytes": 1,
                "max_size_bytes": 1, "direct": True, "proof": {"size": {"bytes": 1, "max_bytes": 1}, "emulator": False}}  # fmt: skip
    (project / "artifacts/image.json").write_text(json.dumps(packaged), encoding="utf-8")
    with pytest.raises(StageError, match="contains another bundle than the signed one"):
        verify_packaged(job(project))


def test_a_key_in_the_variable_itself_is_left_in_no_file(project: Path, keys: Path) -> None:
    private = (keys / "model.pem").read_text(encoding="utf-8")
    sign(job(project), {"SIGNING_KEY": private})
    verify(job(project))
    files = [file for file in project.rglob("*") if file.is_file() and b"PRIVATE KEY" in file.read_bytes()]
    assert files == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "the environment variable SIGNING_KEY is not set"),
        ("/no/such/key.pem", "SIGNING_KEY names no file"),
        ("INSIDE", "a private key inside the project"),
        ("OTHER", "made with another key than keys/model.pem"),
        ("PUBLIC", "cannot sign the bundle"),
        ("-----BEGIN EC PRIVATE KEY-----\nnonsense", "cannot sign the bundle"),
    ],
)
def test_an_unusable_private_key(project: Path, keys: Path, value: str, message: str) -> None:
    shutil.copy(keys / "model.pem", project / "secret.pem")
    named = {"INSIDE": project / "secret.pem", "OTHER": keys / "other.pem", "PUBLIC": keys / "public/model.pem"}
    with pytest.raises(StageError, match=message) as error:
        sign(job(project), {"SIGNING_KEY": str(named.get(value, value))})
    assert error.value.help


def test_a_spec_without_sign_signs_nothing(tmp_path: Path) -> None:
    written(tmp_path, FILES | {"mlproject.yaml": SPEC.replace("sign:", "onnx: {} #")})
    sign(job(tmp_path), {})
    bundle_signing.verify(job(tmp_path))
    assert not (tmp_path / "artifacts/bundle.sig").exists()


def test_the_stages_name_the_signature_and_the_public_key(signed: Path) -> None:
    stages = {stage.name: stage for stage in compile_project(signed / "mlproject.yaml").plan.stages}
    assert "artifacts/bundle.sig" in [output.path for output in stages["export"].outputs]
    image = SPEC.replace("{zip: {}}", "{docker: {}}\nregistry: {ecr: {repository: prices, region: eu-west-1}}")
    (signed / "image.yaml").write_text(image, encoding="utf-8")
    stages |= {
        stage.name: stage for stage in compile_project(signed / "image.yaml").plan.stages if stage.name == "push"
    }
    for name in ("package", "image", "push", "deploy"):
        assert {"artifacts/bundle", "artifacts/bundle.sig", "keys/model.pem"} <= set(stages[name].inputs)
        assert "extra:sign" in stages[name].needs
