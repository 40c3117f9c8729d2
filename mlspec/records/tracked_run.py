"""A run of a tracker as this machine knows it: `run.json` in a folder of `.mlspec/runs/`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from mlspec.job import write_json
from mlspec.records.record_file import Value

FOLDER: Final = ".mlspec/runs"
FILE: Final = "run.json"


class TrackedRun(Value):
    """A run, and how much of it the server has."""

    id: str = Field(description="mlspec's own id; a resumed training has the same")
    tracker: str = Field(description="Key of the section `track`")
    server: str = Field(description="Address of the server, without credentials")
    experiment: str = Field(description="Name of the experiment")
    name: str = Field(description="Name of the run")
    started: int = Field(description="Milliseconds since 1970")
    ended: int | None = Field(None, description="Milliseconds since 1970; null while the training runs")
    status: Literal["RUNNING", "FINISHED", "FAILED", "KILLED"] = Field("RUNNING", description="State of the training")
    params: Mapping[str, str] = Field({}, description="Settings, by dotted key")
    tags: Mapping[str, str] = Field({}, description="Tags of the run")
    checkpoint: str | None = Field(None, description="SHA-256 of the model/best.ckpt that the training wrote")
    run: str | None = Field(None, description="Id on the server; null until the run was created there")
    url: str | None = Field(None, description="Page of the run")
    sent: int = Field(0, description="Lines of metrics.jsonl that the server has")
    complete: bool = Field(False, description="Whether the server has everything of the training")
    results: str | None = Field(None, description="Digest of the uploaded results of evaluation")
    model: str | None = Field(None, description="Version of the uploaded bundle")
    registered: str | None = Field(None, description="Registered model and version, as NAME/NUMBER")

    def folder(self, root: Path) -> Path:
        """The folder of the run."""
        return root / FOLDER / f"{self.tracker}-{self.id}"

    def save(self, root: Path) -> None:
        """Write `run.json`, whole or not at all."""
        write_json(self.folder(root) / FILE, self.to_json())

    @property
    def place(self) -> str:
        """Where the run is: its page, or that it is only on this machine."""
        return self.url or f"not uploaded yet: {FOLDER}/{self.tracker}-{self.id}"


def tracked_runs(root: Path) -> list[TrackedRun]:
    """All runs of the project in `root` that this machine knows, the oldest first. A damaged file is left out."""
    runs = []
    for file in (root / FOLDER).glob(f"*/{FILE}"):
        try:
            run = TrackedRun.parse_json(file.read_text(encoding="utf-8"))
        except OSError:
            continue
        if run is not None and run.folder(root) == file.parent:
            runs.append(run)
    return sorted(runs, key=lambda run: (run.started, run.id))


def runs_of(root: Path, checkpoint: str | None) -> list[TrackedRun]:
    """The newest run of each tracker that trained the checkpoint with that digest."""
    newest = {run.tracker: run for run in tracked_runs(root) if checkpoint and run.checkpoint == checkpoint}
    return list(newest.values())
