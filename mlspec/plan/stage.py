"""A unit of work as data: its inputs, outputs, parameters and requirements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple


class Output(NamedTuple):
    """A file or folder that a stage writes, relative to the project.

    `kind` is its type in `dvc.yaml`; `cache=False` leaves it to git (small metrics). `plot` has DVC's plot options
    (https://dvc.org/doc/user-guide/project-structure/dvcyaml-files#plots) of a `kind="plot"` output. `curves` are
    charts of a CSV file: the title of each, with the columns that it draws over the column `epoch`.
    """

    path: str
    kind: Literal["out", "metric", "plot"] = "out"
    cache: bool = True
    plot: Mapping[str, str | bool] = {}
    curves: Mapping[str, tuple[str, ...]] = {}


@dataclass(frozen=True, slots=True)
class StageCheck:
    """A condition that fails a stage: `name` for programs (lower-case letters, digits and `_`), `text` for people."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class StageResources:
    """How long a stage may take, how often it is repeated, and what it needs: seconds, bytes, None for no limit.

    `timeout_help` says which keys of the spec set the time limit.
    """

    timeout: int | None = None
    retries: int = 0
    retry_delay: int = 60
    cpus: float | None = None
    memory: int | None = None
    gpus: int | None = None
    timeout_help: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the pipeline.

    `params` are the sections of the spec that its outputs depend on, each a file `conf/SECTION/default.yaml`, or single
    keys (`deploy.lambda.memory`). `needs` are capabilities of the machine (`"docker"`), checked before it runs.
    `effects=True`: the stage has effects outside the project, and is never in `dvc.yaml`. `version` is the version of
    its code: raised whenever the same inputs give other outputs, so that the stage runs again after an upgrade.
    `checks` are the conditions that it tests; with `judges` it does nothing else, and they are about the outputs of
    that stage. `resources` change none of its outputs.
    """

    name: str
    description: str
    part: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()
    params: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    effects: bool = False
    version: int = 1
    checks: tuple[StageCheck, ...] = ()
    judges: str | None = None
    resources: StageResources = StageResources()

    @property
    def command(self) -> str:
        """The command in dvc.yaml and for people."""
        return f"mlspec run {self.name}"


def outermost(paths: Iterable[str]) -> tuple[str, ...]:
    """Each path once, without paths in another one: DVC rejects overlapping paths."""
    unique = list(dict.fromkeys(path.rstrip("/") for path in paths))
    return tuple(path for path in unique if not any(path.startswith(f"{other}/") for other in unique))
