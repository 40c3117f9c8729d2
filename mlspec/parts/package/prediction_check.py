"""What a packed model answers against what its bundle answers in this process, as the largest difference."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mlspec.errors import StageError
from mlspec.parts.package.prediction_difference import TOLERANCE, Answer, difference
from mlspec.parts.package.sample_rows import Row, rows
from mlspec.records.packaged import ExamplePrediction
from mlspec.records.record_file import json_object

_HELP: Final = "`mlspec apply --force package` makes it anew; a Dockerfile edited by hand may copy another bundle"


class ExpectedPredictions:
    """The bundle's own answers to a few rows that stand for all.

    Each row goes alone, here and there: in a batch a model that minds its padding may answer otherwise, and which rows
    share a batch is the server's choice.
    """

    def __init__(self, bundle: Path) -> None:
        from mlspec.runtime import Predictor

        predictor = Predictor(bundle, threads=1)
        self.rows: list[Row] = rows(bundle)
        self.answers: list[Answer] = [predictor.predict([row])[0] for row in self.rows]

    def examples(self) -> tuple[ExamplePrediction, ...]:
        """The rows with their answers, for the record: a deployment verifies a version without the bundle."""
        return tuple(
            ExamplePrediction(row=json_object(row), answer=json_object(answer))
            for row, answer in zip(self.rows, self.answers, strict=True)
        )

    def bodies(self) -> list[bytes]:
        """A request for each row."""
        return [json.dumps(row).encode() for row in self.rows]

    def events(self) -> list[bytes]:
        """The same as Lambda gets them from a function URL (payload format 2.0)."""
        frame = {
            "version": "2.0",
            "rawPath": "/predict",
            "headers": {"content-type": "application/json"},
            "requestContext": {"stage": "$default", "http": {"method": "POST", "path": "/predict"}},
            "isBase64Encoded": False,
        }
        return [json.dumps({**frame, "body": json.dumps(row)}).encode() for row in self.rows]

    def compare(self, who: str, found: Sequence[tuple[int, Any]]) -> float:
        """The largest difference of `found`, status and answer to each row. Raises StageError where it is too large."""
        return max(self._one(who, *each) for each in zip(self.rows, self.answers, found, strict=True))

    def compare_events(self, who: str, found: Sequence[Any]) -> float:
        """The same for what Lambda gives back: envelopes with status and body, or the error of the function."""
        for answer in found:
            if not isinstance(answer, dict) or "statusCode" not in answer:
                said = answer.get("errorMessage") if isinstance(answer, dict) else answer
                raise StageError(f"{who} fails: {str(said)[:300]}", help="the log above has its reason")
        return self.compare(who, [(int(answer["statusCode"]), json.loads(answer["body"])) for answer in found])

    def _one(self, who: str, row: Row, expected: Answer, found: tuple[int, Any]) -> float:
        status, answer = found
        asked = str(row)[:200]
        if status != 200:
            said = answer.get("error") if isinstance(answer, dict) else answer
            raise StageError(f"{who} answers {status} to {asked}", help=str(said))
        gap = difference(expected, answer)
        if gap > TOLERANCE:
            message = f"{who} answers otherwise than the bundle: {_shown(answer)} to {asked}, and the bundle "
            message += f"{_shown(expected)}; {gap:.2g} apart, at most {TOLERANCE:g} is allowed"
            raise StageError(message, help=_HELP)
        return gap


def _shown(answer: Any) -> str:
    if not isinstance(answer, Mapping) or "label" not in answer:
        return str(answer)[:200]
    return f"{answer['label']} ({answer.get('score', math.nan):.4f})"
