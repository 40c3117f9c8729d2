"""Two signatures to the differences that break clients of the first one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Signature = Mapping[str, Any]
"""`signature.json` of a bundle, see docs/architecture.md."""


def breaking(live: Signature, new: Signature) -> list[str]:
    """A sentence for each way in which requests to `live` or its answers do not fit `new`; none where no client is
    affected. Inputs are passed by name, so their order is free."""
    return [*_task(live, new), *_inputs(_named(live), _named(new)), *_outputs(live, new)]


def _task(live: Signature, new: Signature) -> Iterator[str]:
    if live.get("task") != new.get("task"):
        yield f"answers are of another kind: {live.get('task')} became {new.get('task')}"


def _named(signature: Signature) -> dict[str, Mapping[str, Any]]:
    return {entry["name"]: entry for entry in signature.get("inputs", [])}


def _inputs(live: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    gone, added = [n for n in live if n not in new], [n for n in new if n not in live]
    if len(gone) == len(added) == 1 and live[gone[0]].get("type") == new[added[0]].get("type"):
        yield f"the input `{gone[0]}` is called `{added[0]}` now"
    else:
        yield from (f"the input `{name}` is gone" for name in gone)
        yield from (f"the input `{name}` is new, and requests without it are refused" for name in added)
    for name in live:
        if name in new:
            yield from _input(name, live[name], new[name])


def _input(name: str, live: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if live.get("type") != new.get("type"):
        yield f"the input `{name}` is {new.get('type')} now, and was {live.get('type')}"
    for key in ("channels", "height", "width"):
        if key in live and live.get(key) != new.get(key):
            yield f"the input `{name}` has {key} {new.get(key)} now, and had {live[key]}"


def _outputs(live: Signature, new: Signature) -> Iterator[str]:
    before, after = live.get("output", {}), new.get("output", {})
    old, now = before.get("labels"), after.get("labels")
    if old and now and old != now:
        yield from _labels(old, now)
    elif before.get("name") != after.get("name") and live.get("task") == new.get("task"):
        yield f"the answer is called `{after.get('name')}` now, and was `{before.get('name')}`"


def _labels(old: Sequence[str], now: Sequence[str]) -> Iterator[str]:
    gone, added = [x for x in old if x not in now], [x for x in now if x not in old]
    if gone:
        yield f"removed label{'s' if len(gone) > 1 else ''} {_listed(gone)}: no longer predicted"
    if added:
        yield f"new label{'s' if len(added) > 1 else ''} {_listed(added)}: existing clients do not expect it"
    if not gone and not added:
        yield f"the order of the labels changed from {_listed(old)} to {_listed(now)}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
