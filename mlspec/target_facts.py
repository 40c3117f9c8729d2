"""What differs between the targets that stages ship to: an AWS account, and the rehearsal of one on this machine.

Every difference is a fact of this table, with a name that says what depends on it; no other module compares the name of
a target. What a target does is chosen in `shipping/target_choice.py`, and for the commands in `cli/local_target.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

TargetName = Literal["aws", "local"]
"""The value of `--target`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """One target."""

    name: TargetName
    rehearsal: bool = False
    """Whether mlspec starts and stops it on this machine. Only these two modules and `stage_context` read it."""
    option: str = ""
    """The option that makes another command use the same target, with a space before it; "" for the default."""
    release_file: str = "release.json"
    """The file in `artifacts/` that records the last release."""
    one_project: bool = False
    """Whether the account serves this project alone: its number is fixed, and no other project has resources in it."""
    nested_repositories: bool = True
    """Whether the name of a repository may have several parts, separated by `/`."""
    any_zip: bool = False
    """Whether a zip of any size is uploaded directly, without S3."""
    delivery_tools: bool = True
    """Whether the tool of `deploy.iac` creates the resources; otherwise mlspec creates them itself."""
    installs_monitoring: bool = True
    """Whether the stage `monitor` changes Elasticsearch and Kibana."""
    billed: bool = True
    """Whether the resources cost money."""


AWS: Final = TargetFacts(name="aws")
LOCAL: Final = TargetFacts(
    name="local",
    rehearsal=True,
    option=" --target local",
    release_file="release.local.json",
    one_project=True,
    nested_repositories=False,
    any_zip=True,
    delivery_tools=False,
    installs_monitoring=False,
    billed=False,
)

TARGETS: Final[Mapping[TargetName, TargetFacts]] = {AWS.name: AWS, LOCAL.name: LOCAL}
"""Every target by its name, the default first."""
