"""What the stage `monitor` would change, for a plan. Reads only."""

from __future__ import annotations

from pathlib import Path

from mlspec.aws.action import Action
from mlspec.elastic.stack_client import StackClient
from mlspec.parts.monitor.stack import installation
from mlspec.parts.monitor.stack_names import SpecSections
from mlspec.stage_context import StageContext


def monitor(spec: SpecSections, _: Path, context: StageContext, client: StackClient | None = None) -> list[Action]:
    """The differences between the spec and the stack; none in a rehearsal, which leaves the stack alone."""
    if not context.facts.installs_monitoring:
        return []
    return installation(spec, context.root, client, hasty=True).plan()
