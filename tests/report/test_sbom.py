"""The bill of materials is valid CycloneDX 1.6, names every part with its digest, and is the same each time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlspec.cli.app import main
from mlspec.errors import StageError
from mlspec.report.sbom import read_materials, sbom
from mlspec.sections.package import Package
from mlspec.source.dockerfile_lock import PinnedBase
from mlspec.source.project_context import ProjectContext
from mlspec.spec.project import Project, ProjectInfo
from tests.packaged import packaged_image
from tests.parts.projects import written
from tests.run import lines
from tests.run.line import Line, bare

BASE = "registry.example:5000/python:3.11-slim"
HOSTILE = 'a "b" \\ </script> ${x} \u2028 é'


def valid(text: str) -> Any:
    """The document, if CycloneDX's own validator accepts it."""
    schema = pytest.importorskip("cyclonedx.schema")
    validator = pytest.importorskip("cyclonedx.validation.json").JsonStrictValidator(schema.SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    return json.loads(text)


def served(line: Line, info: ProjectInfo | None = None) -> Project:
    """The line's project with an image on a pinned base, and a pinned image of the workflows."""
    pins = {BASE: PinnedBase(f"sha256:{'b' * 64}"), "other.example/lambda:1": PinnedBase(f"sha256:{'c' * 64}")}
    context = ProjectContext(bases=pins)
    sections = {**line.project.sections, "project": info or line.project.info, "package": Package()}
    (line.root / "requirements-serve.txt").write_text(
        f"# Packages\nnumpy==2.4.6 \\\n    --hash=sha256:{'1' * 64} \\\n    --hash=sha256:{'2' * 64}\nscipy==1.17.0\n",
        encoding="utf-8",
    )
    (line.root / "requirements-train.lock").write_text(
        f"torch==2.13.0 ; python_version > '3.10' \\\n    --hash=sha256:{'3' * 64}\nnumpy==2.4.6 \\\n    --hash=sha256:{'1' * 64}\n",
        encoding="utf-8",
    )
    return replace(line.project, sections=sections, surroundings=context)


def by_reference(document: Any) -> dict[str, Any]:
    return {component["bom-ref"]: component for component in document["components"]}


@pytest.mark.parametrize("make", [lines.text, lines.images])
def test_every_line_has_a_valid_bill(make: Callable[[Path], Line], tmp_path: Path) -> None:
    line = make(tmp_path)
    text = sbom(read_materials(line.project, line.root))
    document = valid(text)
    card = by_reference(document)["model"]["modelCard"]
    assert card["quantitativeAnalysis"]["performanceMetrics"][0]["slice"] == "test"
    assert text == sbom(read_materials(line.project, line.root))
    assert str(tmp_path) not in text


def test_packages_base_image_and_data_have_digests(tmp_path: Path) -> None:
    line = lines.text(tmp_path)
    packaged_image(base=BASE).write(line.artifacts)
    info = ProjectInfo(name="cola", description=HOSTILE, license="Apache-2.0")
    document = valid(sbom(read_materials(served(line, info), line.root)))
    parts = by_reference(document)
    assert [h["content"][0] for h in parts["pkg:pypi/numpy@2.4.6"]["hashes"]] == ["1", "2"]
    assert "scope" not in parts["pkg:pypi/numpy@2.4.6"]
    assert "hashes" not in parts["pkg:pypi/scipy@1.17.0"]
    assert parts["pkg:pypi/torch@2.13.0"]["scope"] == "excluded"
    assert parts["pkg:pypi/torch@2.13.0"]["hashes"][0]["content"] == "3" * 64
    (base,) = (part for part in document["components"] if part["type"] == "container")
    assert (base["name"], base["version"]) == ("registry.example:5000/python", "3.11-slim")
    assert base["hashes"][0]["content"] == "b" * 64
    assert document["metadata"]["component"]["description"] == HOSTILE
    assert document["metadata"]["component"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    (dependencies,) = document["dependencies"]
    assert {"model", "pkg:pypi/numpy@2.4.6"} <= set(dependencies["dependsOn"])
    assert "pkg:pypi/torch@2.13.0" not in dependencies["dependsOn"]


def test_another_digest_is_another_serial_number(tmp_path: Path) -> None:
    line = lines.text(tmp_path)
    project = served(line)
    first = valid(sbom(read_materials(project, line.root)))
    requirements = line.root / "requirements-serve.txt"
    requirements.write_text(requirements.read_text(encoding="utf-8").replace("2" * 64, "4" * 64), encoding="utf-8")
    second = valid(sbom(read_materials(project, line.root)))
    assert first["serialNumber"] != second["serialNumber"]


def test_without_a_model_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StageError, match="has no exported model"):
        read_materials(bare(tmp_path).project, tmp_path)
    spec = "project: {name: x}\ndata: {source: d.csv, inputs: {a: number}, target: {column: b, type: number}}\n"
    spec += "model: {type: tabular}\n"
    written(tmp_path, {"mlproject.yaml": spec, "d.csv": "a,b\n1,2\n"})
    assert main(["sbom", "--spec", str(tmp_path / "mlproject.yaml")]) == 4
    assert "mlspec apply --until export" in capsys.readouterr().err


def test_a_base_image_of_this_machine_has_no_digest(tmp_path: Path) -> None:
    line = lines.text(tmp_path)
    packaged_image(base="python:3.11-slim-bookworm").write(line.artifacts)
    project = replace(served(line), surroundings=ProjectContext())
    (base,) = (
        part for part in valid(sbom(read_materials(project, line.root)))["components"] if part["type"] == "container"
    )
    assert (base["name"], base["version"], "hashes" in base) == ("python", "3.11-slim-bookworm", False)
