"""Stages through DVC, each by `dvc repro --single-item` in its own process, the command that DVC users run manually.

DVC removes a stage's outputs before it runs and writes dvc.lock after: the outputs of a killed run are
never reused. `prepare` repairs files that a kill can leave incomplete.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlspec.child_process import TimeLimitError, follow
from mlspec.dvc import project_state
from mlspec.dvc.raw_data import keep
from mlspec.dvc.staleness import reasons
from mlspec.dvc.tree import Tree
from mlspec.errors import StageError
from mlspec.plan.stage import Stage
from mlspec.run.engine import EngineProject, Watch
from mlspec.run.engines import effects
from mlspec.run.engines.requirements import ProbedMachine
from mlspec.run.engines.result import outcome_of, timed_out
from mlspec.run.outcome import Outcome
from mlspec.run.schedule import MissingRequirement
from mlspec.stage_result import Reason, forget, read

LOGS = ".mlspec/logs"
_OF_DVC = (
    "To track the changes with git", "\tgit add ", "To enable auto staging", "\tdvc config core.autostage",
    "Use `dvc push`", "Generating lock file", "Updating lock file", "Running stage '", "> mlspec run ",
)  # fmt: skip
"""Prefixes of lines that DVC prints for users of its own command line; they are only in the log."""
_NOISE = re.compile(
    r"WARNING: '.*__init__\.py' is empty\."  # for most packages whose code a stage depends on
    r"|ERROR: failed to reproduce '.*': failed to run: mlspec run .*, exited with \d+"  # the stage reported the reason
)


def for_people_at_dvc(line: str) -> bool:
    """Whether DVC printed the line of a log and it is of no use to a user of mlspec."""
    return line.startswith(_OF_DVC) or _NOISE.fullmatch(line) is not None


class Dvc:
    """The engine of one project. A stage with effects and without an observer runs where its files changed."""

    max_jobs = 1

    def __init__(self, project: EngineProject) -> None:
        self._project = project
        self.root = project.root
        self._coming = project.coming
        self._machine = ProbedMachine()

    def status(self, stages: Sequence[Stage]) -> Mapping[str, Reason | None]:
        """Why each stage would run."""
        pure = [stage for stage in stages if not stage.effects]
        tree = Tree(self.root, self._coming)
        return {s.name: self._reason(s, tree) for s in stages if s.effects} | reasons(pure, tree)

    def _reason(self, stage: Stage, tree: Tree) -> Reason | None:
        observer = self._project.observers.get(stage.name)
        return observer() if observer else effects.reason(stage, tree)

    def lacks(self, stage: Stage) -> MissingRequirement | None:
        """The first requirement of the stage that this machine does not meet."""
        return self._machine.lacks(stage)

    def prepare(self, stages: Sequence[Stage]) -> None:
        """Repair files that a kill left incomplete, and track raw data with DVC."""
        self._coming = {}
        project_state.repair(self.root)
        if any(not stage.effects for stage in stages):
            _usable(self.root)
            keep(self._project.raw_data, self.root)

    def interrupt(self) -> None:
        """No stage runs in another thread: `max_jobs` is 1."""

    def run(self, stage: Stage, watch: Watch, *, force: bool = False) -> Outcome:
        """Run the stage; its log is `.mlspec/logs/STAGE.log`."""
        log = self.root / LOGS / f"{stage.name}.log"
        start = time.monotonic()

        def own(line: str) -> None:
            if not for_people_at_dvc(line):
                watch(line)

        forget(self.root, stage.name)
        shown = log.relative_to(self.root).as_posix()
        command = project_state.command(stage, force=force, pull=self._project.pull)
        variables, limit = self._project.context.to_env(), stage.resources.timeout
        try:
            code = follow(command, self.root, log, own, variables, runs_itself=stage.effects, limit=limit)
        except TimeLimitError:
            return timed_out(stage, round(time.monotonic() - start, 3), shown)
        except KeyboardInterrupt:
            ended = read(self.root, stage.name)
            reason = ended.reason if ended and ended.status == "interrupted" else Reason("stopped", "it was stopped")
            return Outcome(stage.name, "interrupted", reason, "mlspec apply", round(time.monotonic() - start, 3), shown)
        seconds = round(time.monotonic() - start, 3)
        text = log.read_text(encoding="utf-8", errors="replace")
        outcome = outcome_of(stage, code, read(self.root, stage.name), text, seconds, shown)
        if code == 0 and stage.effects:
            effects.remember(self.root, stage)
        elif code == 0:
            if outcome.status == "ran":
                project_state.add_opened_files(self.root, stage)
            project_state.remember(self.root)
        return outcome


def _usable(root: Path) -> None:
    """Raise StageError where DVC fails on the folder's name: it formats the path of its cache as a template."""
    if {"{", "}"} & set(str(root)):
        raise StageError(
            f"DVC cannot run in {root}: it fails on `{{` and `}}` in the path of its cache",
            help="move the project to a folder without `{` and `}` in its path",
        )
