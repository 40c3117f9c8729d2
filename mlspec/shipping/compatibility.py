"""Two signatures to what callers of the one would notice when they are answered by the other. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mlspec.records.bundle_signature import BundleSignature, SignatureInput


def breaking(live: BundleSignature, new: BundleSignature) -> list[str]:
    """A sentence for each way in which requests or answers of `live` no longer fit `new`; inputs go by name, so their
    order is free. None where every caller goes on as before."""
    return [*_task(live, new), *_inputs(_by_name(live), _by_name(new)), *_outputs(live, new)]


def _task(live: BundleSignature, new: BundleSignature) -> Iterator[str]:
    if live.task != new.task:
        yield f"answers are of another kind: {live.task} became {new.task}"


def _by_name(signature: BundleSignature) -> dict[str, SignatureInput]:
    return {entry.name: entry for entry in signature.inputs}


def _inputs(live: Mapping[str, SignatureInput], new: Mapping[str, SignatureInput]) -> Iterator[str]:
    gone, added = [n for n in live if n not in new], [n for n in new if n not in live]
    if len(gone) == len(added) == 1 and live[gone[0]].type == new[added[0]].type:
        yield f"the input `{gone[0]}` is called `{added[0]}` now"
    else:
        yield from (f"the input `{name}` is gone" for name in gone)
        yield from (f"the input `{name}` is new, and requests without it are refused" for name in added)
    for name in live:
        if name in new:
            yield from _input(name, live[name], new[name])


def _input(name: str, live: SignatureInput, new: SignatureInput) -> Iterator[str]:
    if live.type != new.type:
        yield f"the input `{name}` is {new.type} now, and was {live.type}"
    sizes = (("channels", live.channels, new.channels), ("height", live.height, new.height),
             ("width", live.width, new.width))  # fmt: skip
    for key, before, after in sizes:
        if before is not None and before != after:
            yield f"the input `{name}` has {key} {after} now, and had {before}"


def _outputs(live: BundleSignature, new: BundleSignature) -> Iterator[str]:
    if live.labels and new.labels and live.labels != new.labels:
        yield from _labels(live.labels, new.labels)
    elif live.output.name != new.output.name and live.task == new.task:
        yield f"the answer is called `{new.output.name}` now, and was `{live.output.name}`"


def _labels(old: Sequence[str], now: Sequence[str]) -> Iterator[str]:
    gone, added = [x for x in old if x not in now], [x for x in now if x not in old]
    if gone:
        yield f"the label{'s' if len(gone) > 1 else ''} {_listed(gone)} can no longer be answered"
    if added:
        yield f"the label{'s' if len(added) > 1 else ''} {_listed(added)} may be answered, unknown to callers"
    if not gone and not added:
        yield f"the labels stand in another order: {_listed(now)}, and it was {_listed(old)}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
