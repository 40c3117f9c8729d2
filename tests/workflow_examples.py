"""The specs, golden projects and starters whose workflows linters judge and act executes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mlspec.compiler import compile_project
from mlspec.starters import STARTERS, contents
from tests.conftest import CHECKOUT
from tests.parts.targets import BASE, EXPORT, IN_GIT, LAMBDA, PACKAGE

CI = 'ci: {github: {schedule: "0 3 * * 1", train_on: [pull_request, push, dispatch], branches: [main, "release/**"]}}\n'
REMOTE = BASE.replace("data:\n", "data:\n  remote: s3://my-bucket/dvc\n")
TEST = "test:\n"
SIGNED = EXPORT.replace(
    "{onnx: {}}", "{onnx: {}, sign: {key: {private: {env: MODEL_SIGNING_KEY}, public: mlproject.yaml}}}"
)
WATCHED = REMOTE.replace("data:\n", "data:\n  collected: data/collected\n")
WATCH = """\
monitor:
  drift: {}
  on_drift: retrain
  notify: {github: {repository: octo-org/cola}, slack: {env: SLACK_WEBHOOK}}
"""
EXPERIMENTS = "experiments: {fast: {train.max_epochs: 1}}\n"
CASES = {
    "smallest": (BASE, "ci:\n"),
    "in git": (IN_GIT, EXPORT + "ci:\n"),
    "signed": (IN_GIT, SIGNED + TEST + "ci:\n"),
    "everything": (
        REMOTE,
        LAMBDA
        + CI
        + EXPERIMENTS
        + "track: {wandb: {project: cola, mode: online, api_key: {env: WANDB_API_KEY}}}\n"
        + TEST,
    ),
    "data": (BASE, "train: {}\n" + EXPERIMENTS + "ci: {github: {train_on: [data, dispatch]}}\n"),
    "arm": (BASE, EXPORT + "package: {docker: {platform: linux/arm64}}\n" + CI),
    "subfolder": (REMOTE, LAMBDA.replace(', account: "123456789012"', "") + CI),
    "watched": (WATCHED, LAMBDA + CI + WATCH),
    "watched, subfolder": (REMOTE, LAMBDA + CI + "monitor: {}\n"),
    "serverless": (BASE, LAMBDA.replace("deploy: {lambda: {", "deploy: {iac: serverless, lambda: {") + CI),
    "watched, serverless": (
        WATCHED,
        LAMBDA.replace("deploy: {lambda: {", "deploy: {iac: serverless, lambda: {") + CI + WATCH,
    ),
    "sam": (BASE, LAMBDA.replace("deploy: {lambda: {", "deploy: {iac: sam, lambda: {") + CI),
    "zip": (BASE, EXPORT + "package: {zip: {}}\ndeploy: {lambda: {region: eu-west-1}}\n" + CI),
    "package": (BASE, PACKAGE + "ci: {github: {train_on: [push], mlspec: 'git+https://github.com/octo/mlspec@v1'}}\n"),
}


GOLDEN = CHECKOUT / "tests" / "golden" / "projects"


def examples() -> Iterator[tuple[str, dict[str, bytes]]]:
    """Every example: its name, and its files by path in its repository."""
    for name, (base, text) in CASES.items():
        folder = "ml/cola/" if "subfolder" in name else ""
        yield name, {f"{folder}mlproject.yaml": f"{base}{text}".encode()}
    for spec in sorted((CHECKOUT / "specs").rglob("mlproject.yaml")):
        root = next(folder for folder in spec.parents if folder.parent.name == "specs")
        files = (file for file in root.rglob("*") if file.is_file())
        yield f"spec {root.name}", {file.relative_to(root).as_posix(): file.read_bytes() for file in files}
    known = {spec.read_bytes() for spec in (CHECKOUT / "specs").rglob("mlproject.yaml")}
    for spec in sorted(GOLDEN.glob("*/mlproject.yaml")):
        if spec.read_bytes() not in known:
            own_files = (f for f in spec.parent.rglob("*") if f.is_file() and spec.parent / "expected" not in f.parents)
            yield (
                f"golden {spec.parent.name}",
                {f.relative_to(spec.parent).as_posix(): f.read_bytes() for f in own_files},
            )
    for starter in STARTERS:
        own = contents(starter, starter).items()
        yield f"starter {starter}", {path: content for path, content in own if not path.startswith("data/")}


def projects(folder: Path) -> Iterator[tuple[str, Path]]:
    """The project's name and the repository of every example, built; with the section `ci`."""
    for name, files in examples():
        root = folder / re.sub(r"\W+", "-", name)
        for path, content in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        spec = next(root.rglob("mlproject.yaml"))
        if "\nci:" not in spec.read_text(encoding="utf-8"):
            spec.write_text(f"{spec.read_text(encoding='utf-8')}\nci: {{github: {{}}}}\n", encoding="utf-8")
        (root / ".git").mkdir()
        built = compile_project(spec)
        for created in built.files:
            file = (root if created.anchor == "repository" else spec.parent) / created.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(created.text, encoding="utf-8")
        (root / ".git").rmdir()
        yield built.project.info.name, root


def without_tests(root: Path) -> None:
    """Remove the section `test` of a starter's spec: its stage takes longer than all others."""
    spec = root / "mlproject.yaml"
    text, number = re.subn(r"^test:.*\n(?:[ #].*\n)*", "", spec.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert number == 1
    spec.write_text(text, encoding="utf-8")
