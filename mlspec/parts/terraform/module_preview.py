"""The files of a module as the next build writes them, in a folder of their own: a plan changes no file."""

from __future__ import annotations

import shutil
from pathlib import Path

from mlspec.parts.terraform.modules import FOLDER, deployed_function, files
from mlspec.render.renderer import GENERATED, render
from mlspec.spec.project import Project


def preview(project: Project, name: str, root: Path) -> Path:
    """The folder of a module with the files of the spec as it is now, the user's own files beside them, and a copy of a
    local state."""
    folder = root / ".mlspec" / FOLDER / name / "preview"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    module = root / FOLDER / name
    for file in module.iterdir() if module.is_dir() else ():
        if file.is_file() and not _generated(file):
            shutil.copyfile(file, folder / file.name)
    spec = deployed_function(project)
    assert spec is not None, "a spec that deploys nothing has no stage that plans a module"
    start = f"{FOLDER}/{name}/"
    artifacts = [artifact for artifact in files(project, spec) if artifact.path.startswith(start)]
    for rendered in render(artifacts, project.surroundings.templates):
        path = folder / rendered.path.removeprefix(start)
        path.parent.mkdir(exist_ok=True)
        path.write_text(rendered.text, encoding="utf-8")
    return folder


def _generated(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(GENERATED) + 2).endswith(GENERATED.encode())
