"""Where an MLflow server is and how to log in, and its client. MLflow reads credentials from the environment only."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mlspec.errors import StageError
from mlspec.job import Job
from mlspec.sections.dagshub import tracking_uri
from mlspec.sections.mlflow import Dagshub, Mlflow
from mlspec.sections.tracker import TrackerOptions
from mlspec.spec.types import SecretRef

if TYPE_CHECKING:
    from mlflow import MlflowClient

_DEFAULTS: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
"""MLflow would retry for minutes while a training waits. A variable that is set stays."""
_LOGIN: Final = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_ONE_AT_A_TIME = threading.RLock()


@dataclass(frozen=True, slots=True)
class MlflowServer:
    """An MLflow server. `login` are the variables that MLflow reads, with their values; empty, they stay."""

    uri: str
    tracker: str
    login: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def shown(self) -> str:
        """The address without a user name and password, which the variable of `uri` may contain."""
        return re.sub(r"^(https?://)[^/@]*@", r"\1", self.uri)

    @contextmanager
    def client(self) -> Iterator[MlflowClient]:
        """A client that is logged in. Raises UnreachableError, StageError where the server refuses the request."""
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        with _ONE_AT_A_TIME, _environment(self.login):
            try:
                yield MlflowClient(tracking_uri=self.uri)
            except MlflowException as error:
                raise self._fault(error) from None
            except OSError as error:  # of the file transfer, also of requests
                raise UnreachableError(self.shown, _reason(error)) from None

    def _fault(self, error: Exception) -> Exception:
        status = getattr(error, "get_http_status_code", lambda: 500)()
        text = _reason(error)
        if status in (401, 403):
            help = f"check the variables that track.{self.tracker} names, or set track.{self.tracker}.mode to offline"
            return StageError(f"MLflow at {self.shown} rejects the credentials: {text}", help=help)
        if status < 500:
            return StageError(f"MLflow at {self.shown} refuses a request: {text}", help=f"check track.{self.tracker}")
        return UnreachableError(self.shown, text)


class UnreachableError(Exception):
    """The server does not answer, or fails."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(f"MLflow at {uri} does not answer: {reason}")


def server(job: Job, tracker: str, options: TrackerOptions) -> MlflowServer:
    """The server of the options. Raises StageError without the package, or without a variable that the spec names."""
    try:
        import mlflow  # noqa: F401
    except ImportError:
        raise StageError(
            f"track.{tracker} needs the package mlflow-skinny", help="pip install 'mlspec[mlflow]'"
        ) from None
    if isinstance(options, Dagshub):
        token = _secret(options.token, tracker)
        login = {"MLFLOW_TRACKING_USERNAME": token, "MLFLOW_TRACKING_PASSWORD": token}
        return MlflowServer(tracking_uri(options.repo, job.context.dagshub), tracker, login)
    assert isinstance(options, Mlflow)
    uri = options.uri if isinstance(options.uri, str) else _secret(options.uri, tracker)
    given = zip(_LOGIN, (options.username, options.password, options.token), strict=True)
    login = {variable: _secret(ref, tracker) for variable, ref in given if ref is not None}
    return MlflowServer(uri.rstrip("/"), tracker, login)


def _secret(reference: SecretRef, tracker: str) -> str:
    value = os.environ.get(reference.env, "")
    if not value:
        raise StageError(
            f"track.{tracker} needs the environment variable {reference.env}, which is not set",
            help=f"export {reference.env}=..., or set track.{tracker}.mode to offline",
        )
    return value


@contextmanager
def _environment(login: Mapping[str, str]) -> Iterator[None]:
    variables = {name: value for name, value in _DEFAULTS.items() if name not in os.environ}
    if login:
        variables |= {**dict.fromkeys(_LOGIN, ""), **login}
    before = {name: os.environ.get(name) for name in variables}
    try:
        for name, value in variables.items():
            _set(name, value)
        yield
    finally:
        for name, old in before.items():
            _set(name, old)


def _set(name: str, value: str | None) -> None:
    if value:
        os.environ[name] = value
    else:
        os.environ.pop(name, None)


def _reason(error: BaseException) -> str:
    """The cause that the operating system named, else the first line."""
    text = str(error).strip()
    if cause := re.search(r"\[Errno -?\d+\] ([\w ]+)|(timed out)", text):
        return cause[1] or cause[2]
    return (text.splitlines() or [type(error).__name__])[0][:200]
