"""The alias and the versions of a function in the emulated control plane, over plain HTTP without an AWS library."""

from __future__ import annotations

import base64
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from mlspec.errors import StageError

RESTART: Final = "mlspec apply --target local"
# The emulator does not check signatures; it reads the region from the header that would have one.
_AUTHORIZATION: Final = (
    "AWS4-HMAC-SHA256 Credential=rehearsal/20200101/{region}/lambda/aws4_request, SignedHeaders=host, Signature=none"
)
_API: Final = "/2015-03-31/functions/"


@dataclass(frozen=True, slots=True)
class TrafficSplit:
    """How an alias splits the traffic: a share `weight` to the version `other`, the rest to `version`."""

    version: str
    other: str | None = None
    weight: float = 0.0

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that receive traffic."""
        return (self.version,) if self.other is None else (self.version, self.other)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a version runs: an image by digest, memory in MB, environment variables.

    Of a zip, `image` is the Python that runs it, `code` its digest in hexadecimal, and `handler` the function.
    """

    image: str
    memory: int
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    code: str = ""
    handler: str = ""


class _Routing(BaseModel):
    AdditionalVersionWeights: Mapping[str, float] | None = None


class _Alias(BaseModel):
    """The answer of GetAlias."""

    FunctionVersion: str
    RoutingConfig: _Routing | None = None


class _Environment(BaseModel):
    Variables: Mapping[str, str] | None = None


class _Configuration(BaseModel):
    MemorySize: int = 128
    PackageType: str | None = None
    Runtime: str | None = None
    Handler: str | None = None
    CodeSha256: str | None = None
    Environment: _Environment | None = None


class _Code(BaseModel):
    ImageUri: str | None = None
    ResolvedImageUri: str | None = None


class _Function(BaseModel):
    """The answer of GetFunction."""

    Configuration: _Configuration
    Code: _Code = _Code()


M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class ControlPlaneClient:
    """The control plane's view of one function and its alias."""

    endpoint: str
    region: str
    function: str
    alias: str

    def split(self) -> TrafficSplit | None:
        """The alias; None where it does not exist. Raises StageError where the control plane does not answer."""
        alias = self._get(f"{self.function}/aliases/{self.alias}", _Alias)
        if alias is None:
            return None
        weights = (alias.RoutingConfig.AdditionalVersionWeights if alias.RoutingConfig else None) or {}
        other, weight = next(iter(weights.items()), (None, 0.0))
        return TrafficSplit(alias.FunctionVersion, other, weight)

    def sandbox(self, version: str) -> Sandbox:
        """What the version runs. Raises StageError where it does not exist."""
        function = self._get(f"{self.function}?Qualifier={version}", _Function)
        if function is None:
            message = f"version not found in the rehearsal: {version} of {self.function}"
            raise StageError(message, help="mlspec releases --target local lists the versions")
        config, code = function.Configuration, function.Code
        variables = (config.Environment.Variables if config.Environment else None) or {}
        if config.PackageType == "Zip":
            image = f"python:{(config.Runtime or '').removeprefix('python')}-slim-bookworm"
            folder = code_folder(config.CodeSha256 or "")
            return Sandbox(image, config.MemorySize, variables, folder, config.Handler or "")
        # Of an older version the emulator returns the newest address, but the digest that it was published with.
        repository, digest = (code.ImageUri or "").partition("@")[0], (code.ResolvedImageUri or "").rpartition("@")[2]
        return Sandbox(f"{repository}@{digest}", config.MemorySize, variables)

    def _get(self, path: str, answer: type[M]) -> M | None:
        """The answer to a request; None for 404."""
        headers = {"Authorization": _AUTHORIZATION.format(region=self.region)}
        request = urllib.request.Request(f"{self.endpoint}{_API}{path}", headers=headers)  # noqa: S310 - on 127.0.0.1
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
                return answer.model_validate_json(response.read())
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise StageError(f"the control plane answers {path} with HTTP {error.code}", help=RESTART) from None
        except (OSError, ValidationError) as error:
            raise StageError(f"the control plane does not answer: {error}", help=RESTART) from None


def code_folder(sha256: str) -> str:
    """The name of the folder of a zip: its digest in hexadecimal, which Lambda has in base64."""
    return base64.b64decode(sha256).hex()
