"""Specs with targets in them, built by all parts."""

from __future__ import annotations

from pathlib import Path

from mlspec.compiler import Build, compile_project
from mlspec.errors import SpecError

BASE = """\
mlspec: 1
project: {name: cola, description: Is this English sentence grammatical?}
data:
  source: data/cola.csv
  inputs: {sentence: text}
  target: {column: label, type: class, labels: ["no", "yes"]}
model: {type: text-classifier}
"""
IN_GIT = BASE.replace("data:\n", "data:\n  track: git\n")
EXPORT = "train: {}\nexport: {onnx: {}}\n"
PACKAGE = EXPORT + "package: {docker: {}}\n"
REGISTRY = 'registry: {ecr: {repository: cola, region: eu-west-1, account: "123456789012"}}\n'
LAMBDA = PACKAGE + REGISTRY + "deploy: {lambda: {}}\n"


def build(folder: Path, text: str, base: str = BASE) -> Build:
    """The Build of `base` and `text` together."""
    spec = folder / "mlproject.yaml"
    spec.write_text(base + text, encoding="utf-8")
    return compile_project(spec)


def files(folder: Path, text: str, base: str = BASE) -> dict[str, str]:
    """Path to text of every generated file."""
    return {file.path: file.text for file in build(folder, text, base).files}


def codes(folder: Path, text: str, base: str = BASE) -> list[str]:
    """What is found wrong with a spec: `code` for an error, `code?` for a warning."""
    try:
        return [f"{d.code}?" for d in build(folder, text, base).warnings]
    except SpecError as error:
        return [d.code + ("?" if d.severity == "warning" else "") for d in error.diagnostics]


def write(folder: Path, text: str, base: str = BASE, root: Path | None = None) -> None:
    """Every generated file, on disk; those of the repository below `root`."""
    for built in build(folder, text, base).files:
        file = (root if root and built.anchor == "repository" else folder) / built.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(built.text, encoding="utf-8")
