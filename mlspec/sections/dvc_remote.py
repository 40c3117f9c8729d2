"""`data.remote` as what DVC needs for it: the address, options, the extra with its client, and secrets by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlspec.sections import dagshub


@dataclass(frozen=True, slots=True)
class DvcRemote:
    """A DVC remote. `options` are those of `.dvc/config` beside the address, without credentials.

    `secrets` are names of environment variables; each of `login` is an option of the file `.dvc/config.local`, which is
    never committed, with the variable that it is set from. `host` is the service where the address does not show it.
    """

    url: str
    options: Mapping[str, str] = field(default_factory=dict)
    extra: str = ""
    host: str = ""
    login: Mapping[str, str] = field(default_factory=dict)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Environment variables with the credentials."""
        return tuple(dict.fromkeys(self.login.values()))


def dvc_remote(address: str) -> DvcRemote:
    """The remote with that address."""
    scheme, separator, rest = address.partition("://")
    if scheme == "dagshub":
        login = {"access_key_id": dagshub.TOKEN, "secret_access_key": dagshub.TOKEN}
        endpoint = {"endpointurl": dagshub.storage_endpoint(rest)}
        return DvcRemote("s3://dvc", endpoint, "s3", dagshub.SERVICE, login)
    if not separator:
        # In the spec a path is relative to the project, in `.dvc/config` to `.dvc/`.
        return DvcRemote(address if address.startswith(("/", "~")) else f"../{address}")
    return DvcRemote(address, extra="s3" if scheme == "s3" else "")
