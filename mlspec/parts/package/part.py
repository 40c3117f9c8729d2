"""`package` to a Dockerfile, its requirements, a compose file, and the stages that fill and build the image."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pydantic import BaseModel

from mlspec.parts.deploy.spec import Deploy
from mlspec.parts.export.spec import ExportSpec
from mlspec.parts.package import pins
from mlspec.parts.package.spec import DockerImage, Package
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Output, Stage
from mlspec.spec.base import Finding
from mlspec.spec.project import Project
from mlspec.spec.types import size_bytes

NAME: Final = "package"
SECTIONS: Final[dict[str, type[BaseModel]]] = {"package": Package}
PROGRAMS: Final = {"package": "mlspec.parts.package.work:main", "image": "mlspec.parts.package.image:main"}

_AT = ("package", "docker")
_PYTHON_IN_TAG = re.compile(r"(?:^|/)python:(3\.\d+)")


def check(project: Project) -> Iterator[Finding]:
    """Whether there is a model to serve, and the pinned runtime can be installed on that Python and that base."""
    package = project.get(Package)
    if package is None:
        return
    if project.get(ExportSpec) is None:
        message = "an image serves an exported model, and there is no `export`"
        yield Finding("section-needed", ("package",), message, "add `export: {onnx: {}}`", on="key")
    docker = package.docker
    if docker.python not in pins.pythons():
        yield Finding(
            "no-runtime-wheel",
            (*_AT, "python"),
            f"onnxruntime {pins.ONNXRUNTIME}, which serves the model, has no wheel for Python {docker.python}",
            f"choose one of {', '.join(pins.pythons())}",
        )
    found = _PYTHON_IN_TAG.search(docker.base)
    if found and found[1] != docker.python:
        message = f"the base image has Python {found[1]}, and `package.docker.python` is {docker.python}"
        yield Finding("unfit-base-image", (*_AT, "base"), message, "give both the same version")
    elif "alpine" in docker.base:
        message = "Alpine has musl, and the wheels of onnxruntime need glibc"
        yield Finding("unfit-base-image", (*_AT, "base"), message, f"for example `{_default_base(docker)}`")


def stages(project: Project) -> Iterator[Stage]:
    """Filling the build context is a function of files; building is not: it leaves an image in Docker."""
    if project.get(Package) is None:
        return
    yield Stage(
        name="package",
        description="Put the serving code beside the bundle, ready for docker build",
        part=NAME,
        inputs=("artifacts/bundle",),
        outputs=(Output("artifacts/image"),),
        params=("package",),
    )
    yield Stage(
        name="image",
        description="Build the serving image, start it, ask it for a prediction",
        part=NAME,
        inputs=("artifacts/bundle", "artifacts/image", "Dockerfile", "requirements-serve.txt"),
        outputs=(Output("artifacts/image.json", cache=False),),
        params=("package",),
        needs=("docker",),
        effects=True,
    )


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """Dockerfile, requirements, compose file, and the lines of .dockerignore."""
    package = project.get(Package)
    if package is None:
        return
    docker = package.docker
    deploy = project.get(Deploy)
    on_lambda = deploy is not None and deploy.lambda_ is not None
    values = {
        "name": project.info.name,
        "tag": image_name(project.info.name),
        "base": docker.base or _default_base(docker),
        "labels": _labels(project, docker),
        "docker": docker,
        "max_body": size_bytes(docker.max_body),
        "on_lambda": on_lambda,
    }
    requirements = pins.requirements(docker.python, on_lambda)
    yield Artifact("Dockerfile", "docker/Dockerfile.j2", values)
    yield Artifact(
        "requirements-serve.txt",
        "docker/requirements-serve.txt.j2",
        {"python": docker.python, "requirements": requirements},
    )
    yield Artifact(".dockerignore", "docker/dockerignore.j2", values, mode="block")
    yield Artifact("compose.yaml", "docker/compose.yaml.j2", values)


def image_name(name: str) -> str:
    """A project's name as an image's: separators stand alone and inside (github.com/distribution/reference)."""
    return re.sub(r"[._-]*$", "", re.sub(r"[.]{2,}|_{3,}|[._-]*[.][._-]+|[._-]+[.][._-]*", "-", name))


def _default_base(docker: DockerImage) -> str:
    return f"python:{docker.python}-slim-bookworm"


def _labels(project: Project, docker: DockerImage) -> dict[str, str]:
    """Labels of the image (github.com/opencontainers/image-spec, annotations.md), the user's last."""
    info = project.info
    known = {"title": info.name, "description": info.description, "licenses": info.license}
    made = {f"org.opencontainers.image.{key}": value for key, value in known.items() if value}
    return made | docker.labels
