"""Options of `track.mlflow` and `track.dagshub`: an MLflow server, and that of a DagsHub repository."""

from typing import Annotated, Literal

from pydantic import Field

from mlspec.sections.dagshub import REPOSITORY, SERVICE, TOKEN, tracking_uri
from mlspec.sections.tracker import TrackerOptions
from mlspec.spec.types import SecretRef

Address = Annotated[str, Field(pattern=r"^https?://[^\s@?#]+$")]


class MlflowOptions(TrackerOptions):
    """What every MLflow server has in common."""

    EXTRA = "mlflow"
    UPLOADED = True

    experiment: str | None = Field(
        None, description="MLflow experiment of the runs; default: the project's name", min_length=1, max_length=250
    )
    mode: Literal["online", "offline", "disabled"] = Field(
        "online", description="offline records runs on this machine; `mlspec run track` uploads them later"
    )
    log_model: bool = Field(True, description="Upload the bundle as an MLflow model with its signature")
    register_: str | None = Field(
        None,
        alias="register",
        description="Registered model that gets the bundle as a new version",
        pattern=r"^[^/:\n]{1,250}$",
        examples=["cola"],
    )


class Mlflow(MlflowOptions):
    """An MLflow tracking server."""

    uri: Address | SecretRef = Field(
        description="Address of the server, or the environment variable that contains it",
        examples=["https://mlflow.example.org"],
    )
    username: SecretRef | None = Field(
        None, description="Environment variable that contains the user name, usually MLFLOW_TRACKING_USERNAME"
    )
    password: SecretRef | None = Field(
        None, description="Environment variable that contains the password, usually MLFLOW_TRACKING_PASSWORD"
    )
    token: SecretRef | None = Field(
        None, description="Environment variable that contains a bearer token, usually MLFLOW_TRACKING_TOKEN"
    )

    @property
    def address(self) -> str | SecretRef:
        """Address of the server."""
        return self.uri


class Dagshub(MlflowOptions):
    """The MLflow server of a DagsHub repository."""

    SERVICE = SERVICE

    repo: str = Field(description="OWNER/REPO on DagsHub", pattern=REPOSITORY, examples=["ada/cola"])
    token: SecretRef = Field(SecretRef(env=TOKEN), description="Environment variable that contains the access token")

    @property
    def address(self) -> str:
        """Address of the server."""
        return tracking_uri(self.repo)
