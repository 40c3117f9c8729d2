"""Addresses of DagsHub, the same for `data.remote` and `track.dagshub`."""

from typing import Final

SERVICE: Final = "https://dagshub.com"
TOKEN: Final = "DAGSHUB_USER_TOKEN"  # noqa: S105 - the name of the environment variable of DagsHub's own client
REPOSITORY: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


def tracking_uri(repository: str, service: str = SERVICE) -> str:
    """The address of the MLflow server of `OWNER/REPO`."""
    return f"{service}/{repository}.mlflow"


def storage_endpoint(repository: str, service: str = SERVICE) -> str:
    """The endpoint of the S3 storage of `OWNER/REPO`; its bucket for DVC is `dvc`."""
    return f"{service}/{repository}.s3"
