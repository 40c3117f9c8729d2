"""A run's outcomes and the files it left to `artifacts/report.html`: one page, whole in itself, of a failed run too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlspec.job import write_text
from mlspec.plan.plan import Plan
from mlspec.report.run_history import RunHistory
from mlspec.run.outcome import Outcome
from mlspec.spec.project import Project
from mlspec.stage_result import Reason

REPORT = "artifacts/report.html"


def write(
    project: Project,
    plan: Plan,
    outcomes: Sequence[Outcome],
    root: Path,
    history: RunHistory | None = None,
    outdated: Mapping[str, Reason] | None = None,
) -> Path:
    """Write the report of a run in the project's folder `root`, and the model card; return the report's path.

    Time and earlier runs come from `history`, by default from the journal in the project. `outdated` are the stages
    whose files are older than the spec that is shown, and why they would run again.
    """
    from mlspec.report.collect import collect
    from mlspec.report.model_card import CARD, model_card, read_card
    from mlspec.report.page import page
    from mlspec.report.run_history import history as read

    runs = history if history is not None else read(root)
    path = root / REPORT
    if (card := read_card(project, root / "artifacts")) is not None:
        write_text(root / CARD, model_card(card))
    write_text(path, page(project, plan, outcomes, collect(root / "artifacts"), runs, root, outdated or {}))
    return path
