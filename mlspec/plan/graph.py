"""Which stage comes before which: a stage needs whoever makes one of its inputs."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence

from mlspec.plan.stage import Stage


class CycleError(ValueError):
    """Stages that wait for each other; `names` walks once round."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(" -> ".join(names))
        self.names = tuple(names)


def upstream(stages: Iterable[Stage]) -> dict[str, tuple[str, ...]]:
    """For each stage the names of the stages that make its inputs, in stage order."""
    stages = list(stages)
    makers: dict[str, str] = {output.path: stage.name for stage in stages for output in stage.outputs}
    found: dict[str, tuple[str, ...]] = {}
    for stage in stages:
        names = {_maker(path, makers) for path in stage.inputs} - {None, stage.name}
        found[stage.name] = tuple(s.name for s in stages if s.name in names)
    return found


def ordered(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """The stages so that each follows all it needs; otherwise in the order given. Raises CycleError."""
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


def downstream(stages: Sequence[Stage], name: str) -> frozenset[str]:
    """The stages that need `name`, directly or through others."""
    needs = upstream(stages)
    found: set[str] = set()
    for stage in ordered(stages):
        if name in needs[stage.name] or found & set(needs[stage.name]):
            found.add(stage.name)
    return frozenset(found)


def _maker(path: str, makers: Mapping[str, str]) -> str | None:
    """Who makes `path`: as a whole, as a file in a folder they make, or as the folder around a file they make."""
    if path in makers:
        return makers[path]
    parents = path.split("/")
    for length in range(len(parents) - 1, 0, -1):
        above = "/".join(parents[:length])
        if above in makers:
            return makers[above]
    return next((maker for made, maker in makers.items() if made.startswith(f"{path}/")), None)


def _cycle(needs: Mapping[str, set[str]]) -> list[str]:
    path = [min(needs)]
    while True:
        following = min(n for n in needs[path[-1]] if n in needs)
        if following in path:
            return [*path[path.index(following) :], following]
        path.append(following)
