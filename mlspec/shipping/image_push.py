"""The image that was built and proved here, to the registry: pushed once, and read back."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlspec.aws.account import repository_name, repository_uri
from mlspec.aws.action import Action, FieldChange, unexpected
from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.desired import Spec, ZipArchive
from mlspec.aws.ecr import repository
from mlspec.aws.error_messages import code_of
from mlspec.aws.repository import RepositoryProvider
from mlspec.docker.client import isolated
from mlspec.docker.image_details import ImageDetails, require_single
from mlspec.docker.image_upload import upload
from mlspec.docker.registry_client import Manifest, RegistryClient
from mlspec.errors import StageError
from mlspec.records.bundle_provenance import BundleProvenance, file_digest
from mlspec.records.bundle_signature import BundleSignature
from mlspec.records.packaged import PackagedImage, PackagedZip, find_packaged
from mlspec.records.release import PushedImage
from mlspec.sections.deploy import Deploy
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.spec.project import ProjectInfo

Say = Callable[[str], object]


@dataclass(frozen=True)
class Built:
    """What `artifacts/image.json` says of the image. `release` is what led to it.

    It is found by `id`: the tag `image` belongs to whichever project of that name was built last on this machine.
    """

    image: str
    id: str
    platform: str
    size: int
    release: BundleProvenance = field(default_factory=BundleProvenance)

    @property
    def tag(self) -> str:
        """Commit, bundle and content: the same content has the same tag, and no tag ever means another content."""
        commit, bundle = self.release.commit or "uncommitted", self.release.bundle or "0" * 8
        dirty = "-dirty" if commit.endswith("-dirty") else ""
        return f"{commit[:12].removesuffix('-dirty')}{dirty}-{bundle[:8]}-{self.id.rpartition(':')[2][:8]}"


def built(artifacts: Path) -> Built | None:
    """What is to be pushed; None where no image was built yet."""
    packaged = PackagedImage.find(artifacts)
    if packaged is None:
        return None
    return Built(packaged.image, packaged.id, packaged.platform, packaged.size_bytes, packaged.provenance)


def zipped(artifacts: Path, spec: Spec, target: AwsTarget) -> tuple[ZipArchive, BundleProvenance] | None:
    """The zip that was packaged and tested, and its provenance; None where there is none.

    Raises StageError where it is too large for a direct upload and the spec names no bucket, or where the file changed
    after it was tested.
    """
    packaged = PackagedZip.find(artifacts)
    if packaged is None:
        return None
    path, options = artifacts.parent / packaged.file, spec.need(Package).zip
    direct = packaged.direct or target.facts.any_zip
    if not (direct or (options and options.bucket)):
        message = f"the zip has {packaged.size_bytes / 2**20:.0f} MiB, and Lambda accepts 50 MiB without S3"
        help = "name an S3 bucket for the upload (package.zip.bucket), or ship an image: `package: {docker: {}}`"
        raise StageError(message, help=help)
    if not path.is_file() or file_digest(path) != packaged.sha256:
        message = f"{packaged.file} is no longer the file that was tested"
        raise StageError(message, help="mlspec apply --force image")
    return ZipArchive(path, packaged.code_sha256, direct), packaged.provenance


def signature(artifacts: Path) -> BundleSignature | None:
    """The signature of what was packaged, or of the bundle beside it; None where neither is known."""
    packaged = find_packaged(artifacts)
    return (packaged.signature if packaged else None) or BundleSignature.find(artifacts)


def repository_actions(target: AwsTarget, location: AwsLocation, spec: Spec) -> list[Action]:
    """What gives the repository its desired state; nothing where another tool does."""
    if target.tool(spec).creates:
        return []
    ecr, deploy = spec.need(Registry).ecr, spec.get(Deploy)
    on_lambda = deploy is not None and deploy.lambda_ is not None
    project = spec.need(ProjectInfo).name
    desired = repository(ecr, location, project, on_lambda=on_lambda, source=target.owner.source)
    desired = replace(desired, name=repository_name(target, ecr.repository))
    provider = RepositoryProvider(target)
    return provider.diff(desired, provider.read(desired.name))


def registry_of(target: AwsTarget, location: AwsLocation) -> RegistryClient:
    """The registry behind a repository, with the right to read it."""
    if target.registry:
        return RegistryClient(target.registry)
    return RegistryClient(location.registry, f"Basic {_token(target)}")


def _token(target: AwsTarget) -> str:
    """Base64 of `AWS:PASSWORD`, valid for twelve hours."""
    return str(target.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"])


def push_actions(target: AwsTarget, name: str, built: Built | None) -> list[Action]:
    """What a push would add to the repository; `built` is None where the image is still to be built."""
    if built is None:
        return [_push(name, "an image that is not built yet")]
    if digest_of(target, name, built.tag) and _has_image(target, name, built):
        return []
    return [_push(f"{name}:{built.tag}", f"{built.size / 1e6:.0f} MB unpacked")]


def _has_image(target: AwsTarget, name: str, built: Built) -> bool:
    """Whether the registry beside an emulated Amazon ECR holds the image that this one has a record of."""
    if not target.registry:
        return True
    there = RegistryClient(target.registry).manifest(name, built.tag)
    return there is not None and is_it(there, built)


def _push(name: str, new: str) -> Action:
    return Action("image", name, "push", (FieldChange("+", new=new),))


def digest_of(target: AwsTarget, name: str, tag: str) -> str:
    """Digest of the image with that tag in the repository, as AWS knows it; "" where there is none."""
    from botocore.exceptions import ClientError

    try:
        answer = target.client("ecr").describe_images(repositoryName=name, imageIds=[{"imageTag": tag}])
    except ClientError as error:
        if code_of(error) in ("ImageNotFoundException", "RepositoryNotFoundException"):
            return ""
        raise
    return str(answer["imageDetails"][0]["imageDigest"])


def is_it(there: Manifest, built: Built) -> bool:
    """Whether the registry's image is the one built here. Docker's id of an image is the digest of its configuration,
    or, where containerd keeps the images, that of its manifest."""
    return built.id in (there.config, there.digest)


@dataclass(frozen=True)
class ImagePush:
    """Executes the push of the image that was built here, and reads it back. `name` is that of the repository."""

    target: AwsTarget
    location: AwsLocation
    name: str
    built: Built
    scratch: Path
    say: Say

    def apply(self, action: Action) -> None:
        """Push it; an interrupted push of the whole image is only completed."""
        if action.operation != "push":
            raise unexpected(action)
        registry, built = registry_of(self.target, self.location), self.built
        there = registry.manifest(self.name, built.tag)
        if there is None or not is_it(there, built):
            self._upload(f"{self._address}:{built.tag}")
        if self.target.registry:
            _make_known(self.target, self.name, built.tag, _read_back(registry, self.name, built))

    def _upload(self, address: str) -> None:
        with isolated(self.scratch) as docker:
            _unchanged(docker.inspect(self.built.id, self.built.image), self.built)
            upload(docker, self.built.id, address, None if self.target.registry else self._password, self.say)

    def _password(self) -> str:
        return base64.b64decode(_token(self.target)).decode().partition(":")[2]

    def pushed(self) -> PushedImage:
        """The image as the registry has it. Raises StageError where that is another one than was built."""
        there, address = _read_back(registry_of(self.target, self.location), self.name, self.built), self._address
        return PushedImage(
            repository=address,
            tag=self.built.tag,
            digest=there.digest,
            uri=f"{address}@{there.digest}",
            size_bytes=there.size,
        )

    @property
    def _address(self) -> str:
        return repository_uri(self.target, self.location, self.name)


def _unchanged(details: ImageDetails, built: Built) -> None:
    """Raise StageError where the image is not the one that was checked."""
    require_single(details.media_type, built.image)
    if details.platform != built.platform:
        message = f"the image is for {details.platform}, and package.docker.platform is {built.platform}"
        raise StageError(message, help="build it again: mlspec apply --force image")


def _read_back(registry: RegistryClient, name: str, built: Built) -> Manifest:
    answer = registry.manifest(name, built.tag)
    if answer is None or not is_it(answer, built):
        message = f"{registry.host} does not hold what was pushed as {name}:{built.tag}"
        raise StageError(
            message, help="another process may have pushed the same tag; push again: mlspec apply --force push"
        )
    return answer


def _make_known(target: AwsTarget, name: str, tag: str, image: Manifest) -> None:
    """The emulated control plane hears of an image that went to a registry beside it, as Amazon ECR would by itself."""
    client = target.client("ecr")
    if client.batch_get_image(repositoryName=name, imageIds=[{"imageTag": tag}])["images"]:
        return
    client.put_image(
        repositoryName=name,
        imageManifest=image.text,
        imageManifestMediaType=image.media_type,
        imageTag=tag,
        imageDigest=image.digest,
    )


def pushed_digest(spec: Spec, artifacts: Path, target: AwsTarget) -> str:
    """Digest of the image that was built here, as the registry knows it; "" where it is not pushed, and of a zip."""
    image = None if spec.need(Package).zip is not None else built(artifacts)
    if image is None:
        return ""
    return digest_of(target, repository_name(target, spec.need(Registry).ecr.repository), image.tag)
