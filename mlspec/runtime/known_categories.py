"""The values of each category input in the training data, from the preprocessing of a bundle."""

from __future__ import annotations

from mlspec.runtime.preprocess.base import Preprocess
from mlspec.runtime.preprocess.custom import CustomPreprocess
from mlspec.runtime.preprocess.mixed import Mixed
from mlspec.runtime.preprocess.tabular import TabularPreprocess


def known_categories(preprocess: Preprocess) -> dict[str, frozenset[str]]:
    """The known values by input; an input without a list of values is left out."""
    members = preprocess.members if isinstance(preprocess, Mixed) else (preprocess,)
    known: dict[str, frozenset[str]] = {}
    for member in members:
        if isinstance(member, TabularPreprocess):
            known |= {name: frozenset(values) for name, values in member.categories.items()}
        elif isinstance(member, CustomPreprocess):
            known |= {
                name: frozenset(each["values"]) for name, each in member.caller.inputs.items() if "values" in each
            }
    return known
