"""A unit of work, as data: what it reads, what it makes, what it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Output:
    """A file or folder that a stage makes, relative to the project.

    `kind` says how DVC shows it; `cache=False` leaves it to git (small metrics). `plot` holds DVC's plot options
    (https://dvc.org/doc/user-guide/project-structure/dvcyaml-files#plots) of a `kind="plot"` output. `curves` are
    charts of a CSV file: the title of each, with the columns that it draws over the column `epoch`.
    """

    path: str
    kind: Literal["out", "metric", "plot"] = "out"
    cache: bool = True
    plot: Mapping[str, object] = field(default_factory=dict)
    curves: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the line.

    `params` names the spec's sections whose values change what it makes, each a file `conf/SECTION/default.yaml`, or
    single keys of theirs (`deploy.lambda.memory`).
    `needs` names capabilities of the machine (`"docker"`), looked up before it runs. `effects=True` marks a stage that
    changes the world outside the project: it never enters `dvc.yaml`. `version` is that of the stage's code: raised
    whenever mlspec makes something else of the same inputs, so that a project's stages run again after an upgrade.
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

    @property
    def command(self) -> str:
        """What dvc.yaml and people run alike."""
        return f"mlspec run {self.name}"


def outermost(paths: Iterable[str]) -> tuple[str, ...]:
    """Each path once, without those that lie in another: DVC refuses to keep a file twice."""
    unique = list(dict.fromkeys(path.rstrip("/") for path in paths))
    return tuple(path for path in unique if not any(path.startswith(f"{other}/") for other in unique))
