"""The bins of slices: the edges that a spec has, and the names of the slices between them."""

from collections.abc import Sequence
from itertools import pairwise

from pydantic_core import PydanticCustomError


def rising(edges: list[float]) -> list[float]:
    """The edges of `bins`, which must increase."""
    if any(low >= high for low, high in pairwise(edges)):
        what = "the edges of `bins` must be strictly increasing"
        raise PydanticCustomError("bad-format", "{what}", {"what": what, "help": "for example [10, 20, 40]"})
    return edges


def names_of_bins(edges: Sequence[float]) -> list[str]:
    """`<10`, `10..20`, `>=20`: each bin includes its lower edge. Empty without edges."""
    if not edges:
        return []
    between = [f"{low:g}..{high:g}" for low, high in pairwise(edges)]
    return [f"<{edges[0]:g}", *between, f">={edges[-1]:g}"]
