"""The published version takes over from the one that is live."""

from __future__ import annotations

from dataclasses import dataclass

from mlspec.job import Job
from mlspec.parts.deploy.settings import Function
from mlspec.shipping import alias
from mlspec.shipping.alias import Alias
from mlspec.shipping.target import Target


@dataclass(frozen=True)
class Published:
    """A version that is ready to take over. `live` is the alias as it stood before, None where there is none yet."""

    job: Job
    target: Target
    function: Function
    version: str
    live: Alias | None


def roll_out(published: Published) -> Alias:
    """All at once: the alias points to the published version alone. Gives the alias as it stands then."""
    live, function = published.live, published.function
    if live is not None and live.version == published.version and live.other is None:
        return live
    wanted = Alias(function.options.alias, published.version, revision=live.revision if live else "")
    return alias.write(published.target, function.name, wanted)
