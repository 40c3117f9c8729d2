"""What a packed model answers against what its bundle answers in this process, as the largest difference."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from mlspec.errors import StageError
from mlspec.parts.package.sample import Row, rows

_HELP: Final = "`mlspec apply --force package` makes it anew; a Dockerfile edited by hand may copy another bundle"
TOLERANCE: Final = 1e-3
"""How far a probability may be off, and a value relative to its size: another ONNX Runtime rounds otherwise."""
Answer = Mapping[str, Any]
Call = Callable[[str, str, bytes], tuple[int, Any]]
"""Method, path and body of a request to its status and JSON."""


class Expected:
    """The bundle's own answers to a few rows that stand for all."""

    def __init__(self, bundle: Path) -> None:
        from mlspec.runtime import Predictor

        self.rows: list[Row] = rows(bundle)
        self.answers: list[Answer] = list(Predictor(bundle, threads=1).predict(self.rows))

    @property
    def body(self) -> bytes:
        """The request for them."""
        return json.dumps(self.rows).encode()

    def event(self) -> bytes:
        """The same as Lambda gets it from a function URL (payload format 2.0)."""
        made = {
            "version": "2.0",
            "rawPath": "/predict",
            "headers": {"content-type": "application/json"},
            "requestContext": {"stage": "$default", "http": {"method": "POST", "path": "/predict"}},
            "body": json.dumps(self.rows),
            "isBase64Encoded": False,
        }
        return json.dumps(made).encode()

    def compare(self, who: str, status: int, found: Any) -> float:
        """The largest difference of `found`, the answer over HTTP. Raises StageError where it is too large."""
        if status != 200:
            said = found.get("error") if isinstance(found, dict) else found
            raise StageError(f"{who} answers {status} to {self.body.decode()[:300]}", help=str(said))
        if not isinstance(found, list) or len(found) != len(self.answers):
            raise StageError(f"{who} answers {str(found)[:300]} to {len(self.answers)} rows", help=_HELP)
        apart = [difference(here, there) for here, there in zip(self.answers, found, strict=True)]
        worst = max(range(len(apart)), key=apart.__getitem__)
        if not apart[worst] <= TOLERANCE:
            message = (
                f"{who} answers otherwise than the bundle: {_shown(found[worst])} to {str(self.rows[worst])[:200]}, "
                f"and the bundle {_shown(self.answers[worst])}"
            )
            raise StageError(f"{message}; {apart[worst]:.2g} apart, at most {TOLERANCE:g} is allowed", help=_HELP)
        return apart[worst]

    def compare_event(self, who: str, found: Any) -> float:
        """The same for what Lambda gives back: an envelope with status and body, or the error of the function."""
        if not isinstance(found, dict) or "statusCode" not in found:
            said = found.get("errorMessage") if isinstance(found, dict) else found
            raise StageError(f"{who} fails: {str(said)[:300]}", help="the log above has its reason")
        return self.compare(who, int(found["statusCode"]), json.loads(found["body"]))


def difference(here: Answer, there: Any) -> float:
    """How far two predictions lie apart: the largest gap of probabilities, or that of values relative to their size.

    Infinite where they are not of one kind, or where one holds what is no finite number.
    """
    try:
        if "value" in here:
            gaps = [abs(float(here["value"]) - float(there["value"])) / max(1.0, abs(float(here["value"])))]
        elif set(here["probabilities"]) == set(there["probabilities"]):
            gaps = [abs(float(p) - float(there["probabilities"][label])) for label, p in here["probabilities"].items()]
        else:
            return math.inf
    except (KeyError, TypeError, ValueError):
        return math.inf
    return max(gaps) if all(map(math.isfinite, gaps)) else math.inf


def _shown(answer: Any) -> str:
    if not isinstance(answer, Mapping) or "label" not in answer:
        return str(answer)[:200]
    return f"{answer['label']} ({answer.get('score', math.nan):.4f})"
