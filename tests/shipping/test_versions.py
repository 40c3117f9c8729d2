"""Which version a rollback returns to, from the events of a function."""

from __future__ import annotations

import pytest

from mlspec.aws.release_events import Kind, ReleaseEvent
from mlspec.shipping.versions import LiveHistory


def history(*events: str) -> LiveHistory:
    """`promoted 2<1`: version 2 was promoted while 1 was live."""
    parsed = []
    for number, event in enumerate(events):
        kind, _, rest = event.partition(" ")
        version, _, before = rest.partition("<")
        parsed.append(ReleaseEvent(as_kind(kind), version, float(number), before or None))
    return LiveHistory.of(parsed)


def as_kind(text: str) -> Kind:
    kinds: dict[str, Kind] = {"promoted": "promoted", "returned": "returned", "rollback": "rollback"}
    return kinds[text]


@pytest.mark.parametrize(
    ("events", "live", "previous"),
    [
        (["promoted 1"], "1", None),
        (["promoted 1", "promoted 2<1"], "2", "1"),
        (["promoted 1", "promoted 2<1", "rollback 1<2"], "1", None),
        (["promoted 1", "promoted 2<1", "promoted 3<2", "rollback 2<3"], "2", "1"),
        (["promoted 1", "promoted 2<1", "promoted 3<2", "rollback 2<3", "rollback 1<2"], "1", None),
        (["promoted 1", "promoted 2<1", "rollback 1<2", "promoted 3<1"], "3", "1"),
        (["promoted 1", "promoted 2<1", "returned 3<2"], "2", "1"),
        # A person who goes forward again has not judged the older version.
        (["promoted 1", "promoted 2<1", "rollback 1<2", "rollback 2<1"], "2", "1"),
        # The same version, promoted again after it was rolled back.
        (["promoted 1", "promoted 2<1", "rollback 1<2", "promoted 2<1", "promoted 3<2"], "3", "2"),
    ],
)
def test_the_version_that_was_live_before(events: list[str], live: str, previous: str | None) -> None:
    assert history(*events).before([live], {"1", "2", "3"}) == previous


def test_a_version_that_was_deleted_is_not_returned_to() -> None:
    assert history("promoted 1", "promoted 2<1", "promoted 3<2").before(["3"], {"1", "3"}) == "1"
