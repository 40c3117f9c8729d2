"""Options of `ci`: the workflows that test, train and release."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mlspec.spec.cron import Cron
from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import Identifier

Branch = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./*-]*$")]


class Github(SpecModel):
    """Settings of the GitHub Actions workflows."""

    python: str = Field("3.11", pattern=r"^3\.[0-9]{1,2}$", description="Python version of the jobs")
    branches: list[Branch] = Field(["main"], min_length=1, description="Branches whose pushes run the tests")
    runner: str = Field(
        "ubuntu-24.04", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", description="Runner label (`runs-on`)"
    )
    train_on: list[Literal["pull_request", "push", "data", "dispatch"]] = Field(
        ["dispatch"],
        description="Events that start a training run, in addition to `schedule`; `data`: a push that changes the raw "
        "data, or the .dvc files that stand for it",
    )
    schedule: Cron | None = Field(None, description="When to retrain, as a cron expression in UTC")
    monitor_schedule: Cron = Field(
        "23 * * * *", description="When to check the deployed model, as a cron expression in UTC"
    )
    timeout: int | None = Field(
        None,
        ge=5,
        le=360,
        description="Timeout of a training job in minutes; GitHub's limit is 360. Default: the time limits of the "
        "stages (`run`, `train.max_time`) and 30, but at least 120 if a stage has none",
    )
    environment: str = Field(
        "production",
        pattern=r"^[A-Za-z0-9_-]{1,100}$",
        description="GitHub environment of the release job; its protection rules decide who may release",
    )
    training_environment: str = Field(
        "training",
        pattern=r"^[A-Za-z0-9_-]{1,80}$",
        description="GitHub environment of training jobs that use secrets or write to an S3 remote; those of pull "
        "requests run in NAME-pull-request",
    )
    monitor_environment: str = Field(
        "monitoring",
        pattern=r"^[A-Za-z0-9_-]{1,100}$",
        description="GitHub environment of the job that watches the deployed model",
    )
    attestations: Literal["public", "always", "never"] = Field(
        "public",
        description="Releases with a signed attestation of their origin; `public`: only of a public repository, since "
        "a private one needs GitHub Enterprise Cloud",
    )
    env: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        description="Environment of this spec to release, as in `--env NAME`",
        examples=["prod"],
    )
    repository: str = Field(
        "",
        pattern=r"^([A-Za-z0-9-]+/[A-Za-z0-9._-]+)?$",
        description="OWNER/NAME on GitHub: only workflows of this repository may assume the release role",
        examples=["octo-org/cola"],
    )
    mlspec: str | None = Field(
        None,
        pattern=r"^(?:git\+)?https://[A-Za-z0-9._~:/?#@%&=+-]+$",
        description="URL that pip installs mlspec from; default: the generating version, from the package index",
        examples=["git+https://github.com/octo-org/mlspec@v0.1.0"],
    )
    role_variable: Identifier = Field(
        "AWS_ROLE_ARN", description="GitHub variable with the ARN of the role that pushes and deploys"
    )
    data_role_variable: Identifier = Field(
        "AWS_DATA_ROLE_ARN", description="GitHub variable with the ARN of the role that reads and writes the DVC remote"
    )
    data_read_role_variable: Identifier = Field(
        "AWS_DATA_READ_ROLE_ARN",
        description="GitHub variable with the ARN of the role that only reads the DVC remote, for pull requests and "
        "releases; without it they use the other one",
    )


def package_of(github: Github, release: str, *extras: str) -> str:
    """The requirement that pip installs (https://packaging.python.org/en/latest/specifications/dependency-specifiers/)."""
    name = f"mlspec[{','.join(extras)}]"
    return f"{name} @ {github.mlspec}" if github.mlspec else f"{name}=={release}"


class Ci(SpecModel):
    """Continuous integration: workflows that test, train and release."""

    READ_BY_STAGES: ClassVar[bool] = False

    github: Github = Field(default_factory=Github, description="GitHub Actions")
