"""`ci` to GitHub Actions workflows: test, train, release. They run only commands that a user would run manually."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import mlspec
from mlspec.aws.aws_location import AwsLocation
from mlspec.aws.function_spec import function_location
from mlspec.diagnostics import Finding
from mlspec.parts.ci import (
    action_pins,
    data_roles,
    job_minutes,
    monitor_workflow,
    project_folder,
    release_workflow,
    short_run,
    signing_identity,
    train_workflow,
)
from mlspec.parts.package.part import image_name
from mlspec.parts.part_protocol import no_stages
from mlspec.plan.artifact import Artifact
from mlspec.plan.stage import Stage
from mlspec.sections.ci import Ci, Github, package_of
from mlspec.sections.data import DataSpec
from mlspec.sections.delivery_tool import delivery_tool
from mlspec.sections.deploy import Deploy, Lambda
from mlspec.sections.package import Package
from mlspec.sections.registry import Registry
from mlspec.sections.track import TrackSpec, tracked_extras
from mlspec.spec.cron import shortest_gap
from mlspec.spec.names import suggest
from mlspec.spec.project import Project

NAME: Final = "ci"
PROGRAMS: Final[dict[str, str]] = {}
stages = no_stages

_WORKFLOWS: Final = {
    "test": "github/test.yaml.j2",
    "train": train_workflow.TEMPLATE,
    "release": "github/release.yaml.j2",
}
_HOSTED: Final = re.compile(r"(ubuntu|windows|macos)-")
"""Labels of GitHub's own runners."""
_ADVICE: Final = "Write tests of your own code in tests/, or keep the raw data in git (data.track: git)."


def check(project: Project) -> Iterator[Finding]:
    """Settings that GitHub accepts and ignores, and folders that no workflow can name."""
    ci = project.get(Ci)
    if ci is None:
        return
    if reason := project_folder.fault(project.surroundings.prefix):
        shown = ascii(project.surroundings.prefix)
        message = f"the project's folder below the repository's root, {shown}, {reason}; workflows cannot name it"
        yield Finding("unfit-folder", ("ci",), message, "rename the folder, or remove `ci`", on="key")
    yield from _shared(project)
    yield from _remote(project, ci.github)
    schedule, at = ci.github.schedule, ("ci", "github")
    if schedule is not None and shortest_gap(schedule) < 5:
        message = "GitHub runs a schedule every five minutes at most"
        help = "for example `*/5 * * * *`; once a day or a week is usual for a training"
        yield Finding("schedule-too-often", (*at, "schedule"), message, help)
    yield from short_run.check(project)
    yield from monitor_workflow.check(project, ci.github)
    yield from train_workflow.check(project, ci.github)
    if "project" in project.sections:
        training = workflow(project.info.name, project.surroundings.prefix, "train")
        yield from signing_identity.check(project, ci.github, training)
    yield from job_minutes.check_limits(project, ci.github)
    yield from release_workflow.check(project)
    chosen, known = ci.github.env, project.given.get("environments") or {}
    if chosen is not None and isinstance(known, Mapping) and chosen not in known:
        help = suggest(chosen, list(known), "the spec has") or "add it to `environments`, or leave `env` out"
        yield Finding("no-such-environment", (*at, "env"), f"the spec has no environment `{chosen}`", help)


def _shared(project: Project) -> Iterator[Finding]:
    """Another project of the repository whose workflows have the same names: the second build would replace them."""
    prefix, name = project.surroundings.prefix, project.info.name if "project" in project.sections else ""
    other = project.surroundings.workflows.get(workflow(name, prefix, "test"))
    if prefix and other is not None:
        message = f"the projects in {other!a} and {prefix!a} are both called `{name}` and would share workflows"
        yield Finding("shared-workflow", ("project", "name"), message, "give one of them another name")


def _remote(project: Project, github: Github) -> Iterator[Finding]:
    """A DVC remote that GitHub's own runners cannot reach: without a plugin, without credentials, or a local folder."""
    data = project.get(DataSpec)
    remote = (data.remote if data else None) or ""
    scheme, separator, _ = remote.partition("://")
    if not remote or scheme in ("s3", "https", "dagshub") or not _HOSTED.match(github.runner):
        return
    reason = (
        f"have neither DVC's plugin for {scheme}:// nor its credentials" if separator else "do not have that folder"
    )
    message = f"the workflows cannot use the remote `{remote}`: GitHub's runners {reason}"
    help = "use an s3:// or dagshub:// remote, set ci.github.runner to your own runner that reaches it, or remove `ci`"
    yield Finding("conflicting-options", ("data", "remote"), message, help)


def artifacts(project: Project, stages: Sequence[Stage]) -> Iterable[Artifact]:
    """The workflows. In a subfolder of a larger repository they carry the project's name and watch only that folder."""
    ci = project.get(Ci)
    if ci is None:
        return
    github, prefix, package = ci.github, project.surroundings.prefix, project.get(Package)
    values = _values(project, github, stages)
    for name, template in _WORKFLOWS.items():
        if name != "release" or package is not None:
            path = workflow(project.info.name, prefix, name)
            watched = {"paths": [f"{project_folder.filter_glob(prefix)}/**", path] if prefix else []}
            yield Artifact(path, template, values | watched, anchor="repository")
    if monitor_workflow.has_workflow(project):
        yield from _monitor(project, github, values)
    yield from _data_roles(project, github)


def _data_roles(project: Project, github: Github) -> Iterator[Artifact]:
    """Trust and rights of the roles that read and write an S3 remote."""
    deploy, registry = project.get(Deploy), project.get(Registry)
    location = function_location(deploy.lambda_ if deploy and deploy.lambda_ else Lambda(), registry)
    documents = data_roles.files(project, location or AwsLocation("us-east-1"), github.repository)
    for name, document in documents.items():
        yield Artifact(f"s3/{name}.json", "s3/settings.json.j2", {"value": document.to_json()})


def _monitor(project: Project, github: Github, values: Mapping[str, object]) -> Iterator[Artifact]:
    """The workflow that watches the deployed model, and the rights of its role."""
    data = project.need(DataSpec)
    monitored = _secrets(monitor_workflow.read_by_monitor(project))
    own = monitor_workflow.values(project, github, _extras(project, data), monitored)
    collected = data.collected or ""
    own |= {"collected": collected, "collected_glob": project_folder.action_glob(collected)}
    path = workflow(project.info.name, project.surroundings.prefix, "monitor")
    yield Artifact(path, monitor_workflow.TEMPLATE, {**values, **own}, anchor="repository")
    policy = monitor_workflow.policy(project).to_json()
    yield Artifact(monitor_workflow.POLICY, "lambda/settings.json.j2", {"value": policy})


def workflow(project: str, prefix: str, name: str) -> str:
    """Path of a workflow in the repository; that of a project in a subfolder carries the project's name."""
    return f".github/workflows/mlspec-{project}-{name}.yaml" if prefix else f".github/workflows/mlspec-{name}.yaml"


def _values(project: Project, github: Github, stages: Sequence[Stage]) -> dict[str, object]:
    data, package = project.get(DataSpec), project.get(Package)
    prefix = project.surroundings.prefix
    return {
        "github": github,
        "training_minutes": job_minutes.training_minutes(project, github, stages),
        "uses": action_pins.uses(),
        "prefix": prefix,
        "marker": _marker(project),
        "suffix": f" ({project.info.name})" if prefix else "",
        "artifact": f"{project.info.name}-",
        "at": f"{prefix}/" if prefix else "",
        "glob_at": f"{project_folder.action_glob(prefix)}/" if prefix else "",
        "cache": _cache_key(github, prefix),
        "install": package_of(github, mlspec.__version__, *_extras(project, data)),
        "tests": "test" in project.sections,
        "advice": _ADVICE,
        "quick": short_run.stages(project),
        "untrained": short_run.untrained(project),
        "remote": bool(data and data.remote),
        "s3": bool(data and (data.remote or "").startswith("s3://")),
        "keyless": signing_identity.keyless(project) is not None,
        "training_secrets": sorted(_secrets(train_workflow.secret_values(project))),
        "remote_login": data.dvc_remote.login if data and data.dvc_remote else {},
        "tracker_secrets": sorted(_secrets(train_workflow.tracker_values(project))),
        "uploads": any(stage.name == "track" for stage in stages),
        "tag": image_name(project.info.name),
        "build_runner": _build_runner(github, package),
        "ship_secrets": _ship_secrets(project),
        **train_workflow.values(project, github, stages),
        **release_workflow.values(project, github, stages),
    }


def _ship_secrets(project: Project) -> list[str]:
    """Secrets of the job that ships; none where CloudFormation reads them in AWS Secrets Manager."""
    if delivery_tool(project).reads_secrets:
        return []
    return sorted(_secrets(project.values.get("deploy")))


def _marker(project: Project) -> str:
    """The first line of a training's comment, which Markdown does not show."""
    environment = f", environment {project.environment}" if project.environment else ""
    return f"<!-- mlspec training report of {project.info.name}{environment} -->"


def _extras(project: Project, data: DataSpec | None) -> list[str]:
    extras = ["train", *(data.extras if data else [])]
    extras += tracked_extras(project.get(TrackSpec))
    return [*extras, *release_workflow.signing_extras(project)]


def _cache_key(github: Github, prefix: str) -> str:
    """The file whose change renews the cache of packages; none on release branches, whose cache others could poison."""
    if any("release" in branch for branch in github.branches):
        return ""
    return f"{project_folder.action_glob(prefix)}/mlproject.yaml" if prefix else "mlproject.yaml"


def _build_runner(github: Github, package: Package | None) -> str:
    """An image is built on its own kind of processor, where the runner is one of GitHub's."""
    arm = package is not None and package.docker.platform == "linux/arm64"
    return f"{github.runner}-arm" if arm and github.runner in ("ubuntu-22.04", "ubuntu-24.04") else github.runner


def _secrets(value: object) -> set[str]:
    """Names of the environment variables that the values refer to by `{env: NAME}`."""
    if isinstance(value, Mapping):
        if set(value) == {"env"} and isinstance(value["env"], str):
            return {value["env"]}
        return {name for item in value.values() for name in _secrets(item)}
    if isinstance(value, list):
        return {name for item in value for name in _secrets(item)}
    return set()
