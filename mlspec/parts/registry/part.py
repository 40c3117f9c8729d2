"""`registry` to Amazon ECR's settings: the repository, who may pull and push, and what is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from pydantic import ValidationError

from mlspec.aws.ecr import ecr_location, github_trust, push_policy, repository
from mlspec.aws.kms_key import key_region
from mlspec.aws.owned_bucket import bucket_name
from mlspec.aws.policies import destroy_data
from mlspec.diagnostics import Finding
from mlspec.parts.infrastructure_stages import after_infrastructure
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Output, Stage
from mlspec.sections.ci import Ci
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from mlspec.sections.registry import Ecr, Registry
from mlspec.sections.signature_files import signature_files
from mlspec.spec.project import Project
from mlspec.spec.shared_values import SharedResource, at, differing, shared

NAME: Final = "registry"
PROGRAMS: Final[dict[str, str]] = {"push": "mlspec.parts.registry.work:main"}
_PLACE: Final = ("region", "account")
OBSERVERS: Final[dict[str, str]] = {"push": "mlspec.shipping.remote_changes:push"}


_REPOSITORY: Final = SharedResource("shared-repository", "repository", ("registry", "ecr"), "registry.ecr.repository")


def check(project: Project) -> Iterator[Finding]:
    """What Amazon ECR would refuse when the project is deployed."""
    registry = project.get(Registry)
    if registry is None:
        return
    ecr, at = registry.ecr, ("registry", "ecr")
    if ecr.kms_key is not None and (region := key_region(ecr.kms_key)) != ecr.region:
        message = f"the KMS key is in {region}, and the repository in {ecr.region} needs one of its own region"
        yield Finding("key-elsewhere", (*at, "kms_key"), message, "name a key of that region, or leave `kms_key` out")
    yield from _shared(project)


def _shared(project: Project) -> Iterator[Finding]:
    """Settings that two environments give one repository. Sharing it is supported: an image is identified by its
    digest, and what a function runs has a tag with the function's name."""
    ecr = ("registry", "ecr")
    for same in shared(project, (*ecr, "repository"), lambda values: [at(values, (*ecr, k)) for k in _PLACE]):
        one, other = (_settings(at(values, ecr)) for values in same.theirs)
        yield from differing(project, same, _REPOSITORY, one, other)


def _settings(given: object) -> dict[str, object]:
    """Settings of a repository with their defaults; none where they are not valid."""
    try:
        return Ecr.model_validate(given).model_dump(mode="json")
    except ValidationError:
        return {}


def _on_lambda(project: Project) -> bool:
    deploy = project.get(Deploy)
    return deploy is not None and deploy.lambda_ is not None


def stages(project: Project) -> Iterator[Stage]:
    """The stage `push`: changes the registry, and of the project the record of the release. A zip is not pushed."""
    package = project.get(Package)
    if project.get(Registry) is None or package is None or package.zip is not None:
        return
    signed = signature_files(project)
    yield Stage(
        name="push",
        description="Push the image to Amazon ECR",
        part=NAME,
        inputs=(
            "artifacts/image.json",
            *(("artifacts/bundle", *signed) if signed else ()),
            *after_infrastructure(project, "foundation"),
        ),
        outputs=(Output("artifacts/release.json", cache=False),),
        params=("registry",),
        needs=("docker", "extra:aws", *(("extra:sign",) if signed else ())),
        effects=True,
    )


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """One JSON file for each AWS command."""
    registry = project.get(Registry)
    if registry is None:
        return
    ci = project.get(Ci)
    ecr, location = registry.ecr, ecr_location(registry.ecr)
    desired = repository(ecr, location, project.info.name, on_lambda=_on_lambda(project))
    files = {"repository": desired.to_request(), "push-policy": push_policy(ecr).to_json()}
    if desired.lifecycle:
        files["lifecycle-policy"] = desired.lifecycle.to_json()
    if desired.policy:
        files["repository-policy"] = desired.policy.to_json()
    if ci is not None:
        files["github-trust"] = github_trust(location, ci.github.repository, ci.github.environment).to_json()
    if not _on_lambda(project):  # that of the function has the same rights
        files["destroy-policy"] = destroy_data(location, ecr.repository, bucket_name(project)).to_json()
    for name, value in files.items():
        yield Artifact(f"ecr/{name}.json", "ecr/settings.json.j2", {"value": value})
