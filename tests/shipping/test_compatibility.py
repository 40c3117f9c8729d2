from __future__ import annotations

from typing import Any

import pytest

from mlspec.records.bundle_signature import BundleSignature
from mlspec.shipping.compatibility import breaking

LIVE: dict[str, Any] = {
    "task": "classification",
    "inputs": [{"name": "age", "type": "number"}, {"name": "city", "type": "category"}],
    "output": {"labels": ["no", "yes"]},
}
PRICE = {"task": "regression", "inputs": LIVE["inputs"], "output": {"name": "price"}}
IMAGE = {**LIVE, "inputs": [{"name": "scan", "type": "image", "channels": 1, "height": 8, "width": 8}]}


def signature(values: dict[str, Any]) -> BundleSignature:
    graph = {"inputs": ["x"], "output": "logits"}
    return BundleSignature.model_validate({"name": "cola", "graph": graph, **values})


def new(**changes: Any) -> dict[str, Any]:
    return {**LIVE, **changes}


@pytest.mark.parametrize(
    ("live", "after", "message"),
    [
        (LIVE, LIVE, []),
        (LIVE, new(inputs=LIVE["inputs"][::-1]), []),
        (LIVE, new(version=2, name="other", graph={"inputs": ["y"], "output": "z"}), []),
        (LIVE, new(output={"labels": ["no", "yes"], "threshold": 0.7}), []),
        (LIVE, new(inputs=LIVE["inputs"][:1]), ["the input `city` is gone"]),
        (LIVE, new(inputs=[*LIVE["inputs"], {"name": "job", "type": "text"}]),
         ["the input `job` is new, and requests without it are refused"]),
        (LIVE, new(inputs=[LIVE["inputs"][0], {"name": "town", "type": "category"}]),
         ["the input `city` is called `town` now"]),
        (LIVE, new(inputs=[LIVE["inputs"][0], {"name": "town", "type": "text"}]),
         ["the input `city` is gone", "the input `town` is new, and requests without it are refused"]),
        (LIVE, new(inputs=[LIVE["inputs"][0], {"name": "city", "type": "text"}]),
         ["the input `city` is text now, and was category"]),
        (IMAGE, {**IMAGE, "inputs": [{**IMAGE["inputs"][0], "width": 9}]},
         ["the input `scan` has width 9 now, and had 8"]),
        (LIVE, new(output={"labels": ["yes", "no"]}),
         ["the order of the labels changed from `no`, `yes` to `yes`, `no`"]),
        (LIVE, new(output={"labels": ["no", "maybe"]}),
         ["removed label `yes`: no longer predicted", "new label `maybe`: existing clients do not expect it"]),
        (LIVE, PRICE, ["answers are of another kind: classification became regression"]),
        (PRICE, {**PRICE, "output": {"name": "cost"}}, ["the answer is called `cost` now, and was `price`"]),
    ],
)  # fmt: skip
def test_changes_that_break_clients(live: dict[str, Any], after: dict[str, Any], message: list[str]) -> None:
    assert breaking(signature(live), signature(after)) == message
