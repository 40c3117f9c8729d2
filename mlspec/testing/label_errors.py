"""Labels that are probably wrong, by confident learning: what the model says of rows that it was not trained on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def label_errors(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> list[int]:
    """The rows whose label is probably wrong, the most certain first.

    `probabilities` [rows, labels] are predictions for rows that the model was not trained on, `labels` [rows] positions
    of labels. A row is listed where the model predicts another label, and at least with the mean probability that
    this label has in its own rows (Northcutt et al., Confident Learning, https://arxiv.org/abs/1911.00068).
    """
    known, given = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    usual = np.array(
        [known[given == label, label].mean() if (given == label).any() else 1 for label in range(known.shape[1])]
    )
    predicted, rows = known.argmax(axis=1), np.arange(len(given))
    certain = known[rows, predicted] >= usual[predicted]
    margin = known[rows, predicted] - known[rows, given]
    listed = np.flatnonzero((predicted != given) & certain)
    return sorted(listed.tolist(), key=lambda row: (-margin[row], row))
