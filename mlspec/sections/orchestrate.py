"""Options of `orchestrate`: the orchestrators that run the stages."""

from typing import ClassVar

from pydantic import ConfigDict, Field

from mlspec.spec.cron import Cron
from mlspec.spec.spec_model import SpecModel


class Orchestrator(SpecModel):
    """What each orchestrator has."""

    schedule: Cron | None = Field(
        None, description="When to train, as a cron expression in UTC; default: `ci.github.schedule`, if there is one"
    )
    repository: str | None = Field(
        None,
        pattern=r"^(?:https://|ssh://|file:///|git@)[A-Za-z0-9._~:/@+-]+$",
        description="Git repository; stages run in a clone of it, which is deleted afterwards. Default: they run in "
        "the folder of the project",
        examples=["https://github.com/octo-org/cola"],
    )
    branch: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$", description="Branch to clone; default: that of the repository"
    )
    push: bool | None = Field(
        None,
        description="Push the outputs of each stage, and DVC's run-cache, to `data.remote` when it has ended; default: "
        "true with `repository`, since the clone is deleted",
    )
    propose: bool = Field(
        False,
        description="Push `dvc.lock` and the metrics that a training changed to the branch "
        "mlspec/PROJECT-training/BRANCH of `repository`, as the workflow of GitHub Actions does",
    )


class Dagster(Orchestrator):
    """A Dagster project with an asset for each stage."""

    new_data: bool = Field(True, description="Sensor that starts a training when the raw data has changed")


class Prefect(Orchestrator):
    """A Prefect flow with a task for each stage, and a deployment for each environment."""

    work_pool: str = Field(
        "default", pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$", description="Work pool of the deployments"
    )


class Airflow(Orchestrator):
    """An Airflow DAG with a task for each stage."""


class Orchestrate(SpecModel):
    """Orchestrators that run the stages: thin files that call mlspec, and contain none of its logic."""

    READ_BY_STAGES: ClassVar[bool] = False

    model_config = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": False})
    """The part refuses any other orchestrator, with an explanation of how to call mlspec from it."""

    dagster: Dagster | None = Field(None, description="Dagster: assets, checks, jobs, schedule and sensors")
    prefect: Prefect | None = Field(None, description="Prefect: a flow and its deployments")
    airflow: Airflow | None = Field(None, description="Airflow: a DAG")
