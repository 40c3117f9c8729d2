"""What the options of all trackers have in common."""

from typing import ClassVar

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import SecretRef


class TrackerOptions(SpecModel):
    """What the options of all trackers have in common, and what other modules need to know of each."""

    EXTRA: ClassVar[str] = ""
    """The extra of `mlspec` with the tracker's packages."""
    SERVICE: ClassVar[str] = ""
    """Address of a service that the options do not contain, for `mlspec audit`."""

    UPLOADED: ClassVar[bool] = False
    """Whether the stage `track` uploads results of later stages to the run."""

    @property
    def address(self) -> str | SecretRef:
        """Address of the server, or the environment variable that contains it; empty where the client knows it."""
        return ""

    @property
    def online(self) -> bool:
        """Whether a training connects to the service, and so needs its secrets."""
        return getattr(self, "mode", "online") == "online"

    @property
    def enabled(self) -> bool:
        """Whether runs are recorded at all."""
        return getattr(self, "mode", "online") != "disabled"
