"""Learns from the test split how large the errors of a regression are: gradient boosting on several samples of it.

Each row is judged by the members that did not learn from it, so that the skill is not too optimistic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mlspec.monitoring.baseline.error_model import (
    LEAST_ROWS,
    ErrorColumn,
    ErrorForest,
    ErrorModel,
    ErrorRows,
    ErrorTrees,
)
from mlspec.monitoring.drift.arrays import Floats

if TYPE_CHECKING:
    from sklearn.ensemble import GradientBoostingRegressor

_MEMBERS: Final = 10
_TREES: Final = 30
_MOST_VALUES: Final = 16
"""Values of a category that have a feature of their own, the most frequent ones."""
_SURE: Final = 2.0
"""Standard errors that the relation of expected and actual errors is above zero, for them to have skill."""
_TINY: Final = 1e-300
_PERCENTILES: Final = (1, 99)


def fit_error_model(rows: ErrorRows, errors: Floats, hidden: Mapping[str, str] | None = None) -> ErrorModel:
    """`errors` are those of the first model, with their sign, on rows that it was not trained on."""
    known = {"rows": len(errors), "hidden": hidden or {}}
    if len(errors) < LEAST_ROWS:
        return ErrorModel(problem="few rows", **known)
    columns = tuple(_columns(rows))
    if not columns:
        return ErrorModel(problem="no skill", **known)
    features = ErrorModel(columns=columns, **known).features(rows)
    absolute = _fitted(features, np.abs(errors))
    if absolute is None:
        return ErrorModel(problem="no skill", **known)
    return ErrorModel(columns=columns, absolute=absolute, squared=_fitted(features, errors**2), **known)


def _columns(rows: ErrorRows) -> Iterator[ErrorColumn]:
    """Those with more than one value."""
    for name, number in rows.numbers.items():
        absent = np.isnan(number)
        present = number[~absent]
        if present.size and (absent.any() or present.min() < present.max()):
            low, high = np.percentile(present, _PERCENTILES, method="nearest").tolist()
            middle = float(np.median(present))
            yield ErrorColumn(name=name, fill=middle, missing=bool(absent.any()), low=low, high=high)
    for name, values in rows.categories.items():
        counted = Counter(value for value in values.tolist() if value is not None)
        if len(counted) > 1 or None in values.tolist():
            frequent = sorted(counted, key=lambda value: (-counted[value], value))[:_MOST_VALUES]
            if frequent:
                yield ErrorColumn(name=name, values=tuple(frequent))


class _Judged(NamedTuple):
    """Errors, and what was expected of them by members that did not learn from them."""

    actual: Floats
    expected: Floats

    @property
    def noise(self) -> float:
        return float(np.mean((self.actual - self.expected) ** 2)) / max(float(np.mean(self.expected**2)), _TINY)

    @property
    def skill(self) -> bool:
        """Whether it is better than the mean of the errors, and surely related to them."""
        about = self.expected - self.expected.mean()
        spread = float(about @ about)
        rest = self.actual - self.actual.mean()
        if not spread or np.mean((self.actual - self.expected) ** 2) >= np.mean(rest**2):
            return False
        slope = float(about @ rest) / spread
        error = float(np.sqrt((about**2) @ (rest - slope * about) ** 2)) / spread
        return slope > _SURE * error


def _fitted(features: npt.NDArray[np.float32], errors: Floats) -> ErrorForest | None:
    """The expected error of a row; None if the mean of all is as good."""
    from sklearn.ensemble import GradientBoostingRegressor  # takes long to import

    if not errors.std():
        return None
    random, count = np.random.default_rng(0), len(errors)
    total, judges = np.zeros(count), np.zeros(count)
    members = []
    for seed in range(_MEMBERS):
        sample = random.integers(0, count, count)
        model = GradientBoostingRegressor(
            n_estimators=_TREES,
            learning_rate=0.3,
            max_depth=2,
            min_samples_leaf=max(5, count // 200),
            max_features=0.5,
            subsample=0.5,
            random_state=seed,
        )
        model.fit(features[sample], errors[sample])
        others = np.ones(count, dtype=np.bool_)
        others[sample] = False
        members.append(boosted_trees(model))
        total[others] += members[-1].of(features[others])
        judges[others] += 1
    judged = judges > 0
    result = _Judged(errors[judged], np.maximum(total[judged] / judges[judged], 0.0))
    return ErrorForest(members=tuple(members), noise=result.noise) if result.skill else None


def boosted_trees(model: GradientBoostingRegressor) -> ErrorTrees:
    """The trees of a fitted model, which give the same values."""
    roots, feature, number, left, right = [], list[int](), list[float](), list[int](), list[int]()
    for (estimator,) in model.estimators_:
        tree, start = estimator.tree_, len(feature)
        roots.append(start)
        leaf, own = tree.children_left < 0, np.arange(tree.node_count)
        feature += np.where(leaf, 0, tree.feature).tolist()
        number += np.where(leaf, model.learning_rate * tree.value[:, 0, 0], tree.threshold).tolist()
        left += (start + np.where(leaf, own, tree.children_left)).tolist()
        right += (start + np.where(leaf, own, tree.children_right)).tolist()
    base = float(model.init_.constant_[0, 0])
    return ErrorTrees(
        base=base,
        roots=tuple(roots),
        feature=tuple(feature),
        number=tuple(number),
        left=tuple(left),
        right=tuple(right),
    )
