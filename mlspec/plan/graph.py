"""The order of stages: a stage depends on the stages that produce its inputs."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from mlspec.plan.stage import Stage


class CycleError(ValueError):
    """Stages that depend on each other; `names` is the cycle."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(" -> ".join(names))
        self.names = tuple(names)


def upstream(stages: Iterable[Stage]) -> dict[str, tuple[str, ...]]:
    """For each stage the names of the stages that produce its inputs, in the order of the inputs."""
    stages = list(stages)
    producers: dict[str, list[str]] = {}
    for stage in stages:
        for output in stage.outputs:
            # A stage that reads a folder depends on all stages that write a file in it.
            for path in (output.path, *_above(output.path)):
                producers.setdefault(path, []).append(stage.name)
    outputs = {output.path: stage.name for stage in stages for output in stage.outputs}
    needs: dict[str, tuple[str, ...]] = {}
    for stage in stages:
        names: dict[str, None] = {}
        for path in stage.inputs:
            names.update(dict.fromkeys(producers.get(path, ())))
            names.update({outputs[folder]: None for folder in _above(path) if folder in outputs})
        needs[stage.name] = tuple(name for name in names if name != stage.name)
    return needs


def ordered(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """The stages in topological order, otherwise in the given order. Raises CycleError."""
    needs = {name: set(names) for name, names in upstream(stages).items()}
    position = {stage.name: index for index, stage in enumerate(stages)}
    followers: dict[str, list[str]] = {name: [] for name in needs}
    for name, names in needs.items():
        for before in names:
            followers[before].append(name)
    ready = [position[name] for name, names in needs.items() if not names]
    heapq.heapify(ready)
    result: list[Stage] = []
    while ready:
        stage = stages[heapq.heappop(ready)]
        result.append(stage)
        for name in followers[stage.name]:
            needs[name].discard(stage.name)
            if not needs[name]:
                heapq.heappush(ready, position[name])
    if len(result) < len(stages):
        raise CycleError(_cycle({name: names for name, names in needs.items() if names}))
    return tuple(result)


def _above(path: str) -> list[str]:
    """The folders above `path`, innermost first."""
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(len(parts) - 1, 0, -1)]


def _cycle(needs: dict[str, set[str]]) -> list[str]:
    path = [min(needs)]
    while True:
        following = min(n for n in needs[path[-1]] if n in needs)
        if following in path:
            return [*path[path.index(following) :], following]
        path.append(following)
