"""`registry` to Amazon ECR's settings: the repository, who may pull and push, and what is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pydantic import BaseModel

from mlspec.parts.images import settings
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Output, Stage
from mlspec.sections.ci import Ci
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.spec.base import Finding
from mlspec.spec.project import Project

NAME: Final = "registry"
SECTIONS: Final[dict[str, type[BaseModel]]] = {"registry": Registry}
PROGRAMS: Final[dict[str, str]] = {"push": "mlspec.parts.images.work:main"}
OBSERVERS: Final[dict[str, str]] = {"push": "mlspec.shipping.remote:push"}


def check(project: Project) -> Iterator[Finding]:
    """What Amazon ECR refuses on the day."""
    registry = project.get(Registry)
    if registry is None:
        return
    ecr, at = registry.ecr, ("registry", "ecr")
    if ecr.kms_key is not None and (region := ecr.kms_key.split(":")[3]) != ecr.region:
        message = f"the key is in {region}, and a repository in {ecr.region} needs one of its own region"
        yield Finding("key-elsewhere", (*at, "kms_key"), message, "name a key of that region, or leave `kms_key` out")


def _on_lambda(project: Project) -> bool:
    deploy = project.get(Deploy)
    return deploy is not None and deploy.lambda_ is not None


def stages(project: Project) -> Iterator[Stage]:
    """Pushing: it changes the registry and nothing here but the record of it. A zip is pushed nowhere."""
    package = project.get(Package)
    if project.get(Registry) is None or package is None or package.zip is not None:
        return
    yield Stage(
        name="push",
        description="Push the image to Amazon ECR and read its digest back",
        part=NAME,
        inputs=("artifacts/image.json",),
        outputs=(Output("artifacts/release.json", cache=False),),
        params=("registry",),
        needs=("docker", "extra:aws"),
        effects=True,
    )


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """One JSON file for each AWS command."""
    registry = project.get(Registry)
    if registry is None:
        return
    ci = project.get(Ci)
    ecr = registry.ecr
    files = {
        "repository": settings.create_repository(ecr, project.info.name),
        "lifecycle-policy": settings.lifecycle(ecr),
        "push-policy": settings.push_policy(ecr),
    }
    policy = settings.repository_policy(ecr, _on_lambda(project))
    if policy:
        files["repository-policy"] = policy
    if ci is not None:
        files["github-trust"] = settings.github_trust(ecr, ci.github.repository, ci.github.environment)
    for name, value in files.items():
        yield Artifact(f"ecr/{name}.json", "ecr/settings.json.j2", {"value": value})
