"""`package` to a Dockerfile, its requirements, a compose file, and the stages that build and check what is shipped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from mlspec.diagnostics import Finding, Location
from mlspec.parts.package import package_limits, served_imports, serving_hashes, serving_pins
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Output, Stage
from mlspec.sections.data import DataSpec
from mlspec.sections.deploy import Deploy
from mlspec.sections.export import ExportSpec
from mlspec.sections.monitor import Monitor
from mlspec.sections.package import DockerImage, Package
from mlspec.sections.signature_files import signature_files
from mlspec.source import known_bad
from mlspec.source.dockerfile_lock import pinned
from mlspec.source.hash_lock import FILE as LOCK
from mlspec.source.hash_lock import requirement
from mlspec.spec.project import Project, ProjectInfo
from mlspec.spec.types import SecretRef, size_bytes, unprintable

NAME: Final = "package"
PROGRAMS: Final = {"package": "mlspec.parts.package.work:main", "image": "mlspec.parts.package.image_build:main"}

_REQUIREMENTS: Final = "requirements-serve.txt"
_HANDLER: Final = "lambda/handler.py"
_POLICY: Final = "monitoring.json"
"""What the server logs; `monitor` writes it."""
_ZIP: Final = ("package.zip.python", "package.zip.architecture", "package.zip.max_size")
"""Options of the zip that its content and checks depend on: the bucket is for the stage that uploads it."""
_PROVED: Final = ("deploy.lambda.memory", "deploy.lambda.timeout", "deploy.lambda.environment")
"""Options of the function that its checks depend on; a new rollout or endpoint needs no new image."""


def check(project: Project) -> Iterator[Finding]:
    """Whether the spec exports a model to serve, and its options fit the pinned runtime."""
    package = project.get(Package)
    if package is None:
        return
    if project.get(ExportSpec) is None:
        message = "`package` serves an exported model, and the spec has no section `export`"
        yield Finding("section-needed", ("package",), message, "add `export: {onnx: {}}`", on="key")
    yield from served_imports.check(project, package, kinds(project) if project.get(DataSpec) else ())
    yield from _without_hash(project, package)
    if package.zip is None:
        yield from _unwritable(project)
        yield from package_limits.image(package.docker)
        return
    given = project.given.get("package")
    if isinstance(given, dict) and "docker" in given:
        message = "`package` has both `zip` and `docker`, and ships one of them"
        yield Finding("conflicting-options", ("package", "docker"), message, "remove one of them", on="key")
    if not _on_lambda(project):
        message = "a zip is deployed to Lambda, and the spec has no `deploy.lambda`"
        yield Finding("section-needed", ("package", "zip"), message, "add `deploy: {lambda: {}}`", on="key")
    yield from package_limits.archive(package.zip)


def stages(project: Project) -> Iterator[Stage]:
    """`package` only writes files; `image` also leaves an image in Docker, and checks image or zip."""
    package = project.get(Package)
    if package is None:
        return
    on_lambda = (_HANDLER,) if _on_lambda(project) else ()
    policy = (_POLICY,) if _logs(project) else ()
    zipped = package.zip is not None
    packed = _ZIP if zipped else (NAME,)
    signed = signature_files(project)
    yield Stage(
        name="package",
        description="Package serving code, dependencies and bundle as a zip for Lambda"
        if zipped
        else "Copy the serving code beside the bundle, for docker build",
        part=NAME,
        inputs=("artifacts/bundle", *signed, *((_REQUIREMENTS, *on_lambda, *policy) if zipped else ())),
        outputs=(Output("artifacts/function.zip" if zipped else "artifacts/image"),),
        params=packed,
        needs=_signing(signed),
    )
    files = (
        ("artifacts/function.zip",) if zipped else ("artifacts/image", "Dockerfile", _REQUIREMENTS, *on_lambda, *policy)
    )
    yield Stage(
        name="image",
        description="Run the zip as Lambda does and compare its predictions with the bundle's"
        if zipped
        else "Build the serving image, run it isolated and compare its predictions with the bundle's",
        part=NAME,
        inputs=("artifacts/bundle", *signed, *(("artifacts/function.zip",) if zipped else files)),
        outputs=(Output("artifacts/image.json", cache=False),),
        params=(*packed, *(_PROVED if on_lambda else ())),
        needs=(*(() if zipped else ("docker",)), *_signing(signed)),
        effects=True,
    )


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """Requirements; and for an image the Dockerfile, the compose file, and the lines of .dockerignore."""
    package = project.get(Package)
    if package is None:
        return
    docker, on_lambda = package.docker, _on_lambda(project)
    python = package.zip.python if package.zip else docker.python
    in_image = package.zip is None
    requirements = serving_pins.requirements(
        python,
        on_lambda and in_image,
        kinds(project),
        server=in_image,
        elasticsearch=in_image and _stores_in_elasticsearch(project),
        more=package.requirements,
    )
    lines, hashed = _hashed(requirements, python, project.surroundings.hashes)
    yield Artifact(_REQUIREMENTS, "docker/requirements-serve.txt.j2", {"python": python, "requirements": lines})
    if package.zip is not None:
        return
    values = {
        "name": project.info.name,
        "tag": image_name(project.info.name),
        "base": pinned(docker.base or package_limits.default_base(docker), project.surroundings.bases),
        "labels": _labels(project, docker),
        "docker": docker,
        "hashed": hashed,
        "max_body": size_bytes(docker.max_body),
        "on_lambda": on_lambda,
        "logs": _logs(project),
        **_log_folder(project),
        "elastic": _elastic_variables(project),
        "memory": _memory(project),
        "unused": serving_pins.UNUSED,
        "epoch": serving_pins.EPOCH,
    }
    yield Artifact("Dockerfile", "docker/Dockerfile.j2", values)
    yield Artifact(".dockerignore", "docker/dockerignore.j2", values, mode="block")
    yield Artifact("compose.yaml", "docker/compose.yaml.j2", values)


def _hashed(releases: Mapping[str, str], python: str, locked: Mapping[str, tuple[str, ...]]) -> tuple[list[str], bool]:
    """The requirements with the digests of their wheels, and whether each has one: pip demands all or none."""
    pinned = [f"{name}=={release}" for name, release in releases.items()]
    known = {pin: serving_hashes.hashes(pin, python) or locked.get(pin, ()) for pin in pinned}
    hashed = all(known.values())
    return [requirement(pin, known[pin] if hashed else ()) for pin in pinned], hashed


def _without_hash(project: Project, package: Package) -> Iterator[Finding]:
    """Packages of the user whose digest is not known."""
    python = package.zip.python if package.zip else package.docker.python
    for name, release in package.requirements.items():
        pin = f"{name}=={release}"
        known = serving_hashes.hashes(pin, python) or pin in project.surroundings.hashes
        if not known and known_bad.find(name, release) is None:
            message = f"{LOCK} has no hash of {name} {release}: serving installs its packages without comparing hashes"
            at = ("package", "requirements", name)
            yield Finding("package-without-hash", at, message, "mlspec lock", severity="warning")


def _signing(files: tuple[str, ...]) -> tuple[str, ...]:
    return ("extra:sign",) if files else ()


def image_name(name: str) -> str:
    """A project's name as an image's: separators stand alone and inside (github.com/distribution/reference)."""
    return re.sub(r"[._-]*$", "", re.sub(r"[.]{2,}|_{3,}|[._-]*[.][._-]+|[._-]+[.][._-]*", "-", name))


def kinds(project: Project) -> tuple[str, ...]:
    """The kinds of the model's inputs, in alphabetical order."""
    return tuple(sorted({column.type for column in project.need(DataSpec).columns.values()}))


def _on_lambda(project: Project) -> bool:
    deploy = project.get(Deploy)
    return deploy is not None and deploy.lambda_ is not None


def _logs(project: Project) -> bool:
    """Whether there is a file with the policy of the prediction log."""
    return project.get(Monitor) is not None and project.get(DataSpec) is not None


def _log_folder(project: Project) -> dict[str, str]:
    """The folder of the log, and the same as the source of a mount, in which `$` begins a variable."""
    folder = (project.get(Monitor) or Monitor()).log.folder
    path = folder if folder.startswith("/") else f"./{folder}"
    return {"log_folder": folder, "log_source": path.replace("$", "$$")}


def _stores_in_elasticsearch(project: Project) -> bool:
    monitor = project.get(Monitor)
    return monitor is not None and monitor.elasticsearch is not None


def _elastic_variables(project: Project) -> list[str]:
    """The environment variables with which the server sends predictions to Elasticsearch."""
    elastic = (project.get(Monitor) or Monitor()).elasticsearch
    if elastic is None or not _logs(project):
        return []
    return list(dict.fromkeys(ref.env for ref in (elastic.url, elastic.api_key) if isinstance(ref, SecretRef)))


def _memory(project: Project) -> int | None:
    """MB that the function has."""
    deploy = project.get(Deploy)
    return deploy.lambda_.memory if deploy is not None and deploy.lambda_ is not None else None


def _labels(project: Project, docker: DockerImage) -> dict[str, str]:
    """Labels of the image (github.com/opencontainers/image-spec, annotations.md), the user's last."""
    info = project.info
    known = {
        "title": info.name,
        "description": _spaced(info.description),
        "authors": ", ".join(map(_spaced, info.authors)),
        "licenses": _spaced(info.license),
    }
    labels = {f"org.opencontainers.image.{key}": value for key, value in known.items() if value}
    return labels | docker.labels


def _spaced(text: str) -> str:
    """`text` in one line: line breaks and tabs are spaces."""
    return re.sub(r"[ \t\r\n]*[\t\r\n][ \t\r\n]*", " ", text.strip("\t\r\n"))


def _unwritable(project: Project) -> Iterator[Finding]:
    """Texts of `project` that become labels of the image and contain characters that a label cannot have."""
    info = project.get(ProjectInfo)
    if info is None:
        return
    texts: list[tuple[Location, str]] = [(("description",), info.description), (("license",), info.license)]
    texts += [(("authors", number), author) for number, author in enumerate(info.authors)]
    for at, text in texts:
        if hidden := unprintable(_spaced(text)):
            message = f"`project.{at[0]}` contains the character {hidden}, which a label of the image cannot have"
            yield Finding("bad-format", ("project", *at), message, "remove the character")
