"""What the emulated control plane says of a function, asked over plain HTTP: the picker needs no AWS library for it."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any, Final

from mlspec.errors import StageError

# The emulator checks no signature, and reads the region out of the place where one would stand.
_AUTHORIZATION: Final = (
    "AWS4-HMAC-SHA256 Credential=rehearsal/20200101/{region}/lambda/aws4_request, SignedHeaders=host, Signature=none"
)
_API: Final = "/2015-03-31/functions/"


@dataclass(frozen=True, slots=True)
class TrafficSplit:
    """Where callers are sent: to `version`, and a share `weight` of them to `other`."""

    version: str
    other: str | None = None
    weight: float = 0.0

    @property
    def versions(self) -> tuple[str, ...]:
        """Those that get calls."""
        return (self.version,) if self.other is None else (self.version, self.other)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What a version runs: the image's address by digest, memory in MB, environment variables.

    Of a zip, `image` is a Python to run it in, `code` its digest in hexadecimal, and `handler` what is called.
    """

    image: str
    memory: int
    variables: dict[str, str] = field(default_factory=dict, repr=False)
    code: str = ""
    handler: str = ""


@dataclass(frozen=True)
class ControlPlaneClient:
    """The control plane's view of one function and its alias."""

    endpoint: str
    region: str
    function: str
    alias: str

    def split(self) -> TrafficSplit | None:
        """The alias as it stands; None where there is none. Raises StageError where nobody answers."""
        found = self._get(f"{self.function}/aliases/{self.alias}")
        if found is None:
            return None
        weights = (found.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
        other, weight = next(iter(weights.items()), (None, 0.0))
        return TrafficSplit(found["FunctionVersion"], other, float(weight))

    def sandbox(self, version: str) -> Sandbox:
        """What that version runs. Raises StageError where there is no such version."""
        found = self._get(f"{self.function}?Qualifier={version}")
        if found is None:
            raise StageError(f"the control plane knows no version {version} of {self.function}")
        config, code = found["Configuration"], found.get("Code", {})
        variables = dict((config.get("Environment") or {}).get("Variables") or {})
        memory = int(config.get("MemorySize", 128))
        if config.get("PackageType") == "Zip":
            image = f"python:{config['Runtime'].removeprefix('python')}-slim-bookworm"
            return Sandbox(image, memory, variables, code_of(config["CodeSha256"]), config["Handler"])
        # Of an older version the emulator tells the newest address, but the digest that was resolved when it was made.
        where, digest = code.get("ImageUri", "").partition("@")[0], code.get("ResolvedImageUri", "").rpartition("@")[2]
        return Sandbox(f"{where}@{digest}", memory, variables)

    def _get(self, path: str) -> dict[str, Any] | None:
        headers = {"Authorization": _AUTHORIZATION.format(region=self.region)}
        request = urllib.request.Request(f"{self.endpoint}{_API}{path}", headers=headers)  # noqa: S310 - on 127.0.0.1
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise StageError(f"the control plane answers {error.code} to {path}") from None
        except (OSError, ValueError) as error:
            raise StageError(f"the control plane does not answer: {error}", help=AGAIN) from None


def code_of(sha256: str) -> str:
    """Lambda's digest of a zip, which is in base64, in hexadecimal: the name of a folder."""
    return base64.b64decode(sha256).hex()


AGAIN: Final = "mlspec apply --target local    starts it again"
