"""The predictions of a packaged model compared with those of its bundle in this process."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mlspec.errors import StageError
from mlspec.parts.package.prediction_difference import TOLERANCE, Answer, difference
from mlspec.parts.package.sample_rows import Row, rows
from mlspec.records.packaged import ExamplePrediction
from mlspec.records.record_file import json_object

_HELP: Final = "mlspec apply --force package; if you edited the Dockerfile, check that it copies artifacts/bundle"


class ExpectedPredictions:
    """The bundle's predictions for a few example rows.

    Each row is a request of its own: in a batch, padding may change predictions, and the server decides on batches.
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
        """An HTTP body for each row."""
        return [json.dumps(row).encode() for row in self.rows]

    def events(self) -> list[bytes]:
        """An event of a function URL for each row (payload format 2.0)."""
        frame = {
            "version": "2.0",
            "rawPath": "/predict",
            "headers": {"content-type": "application/json"},
            "requestContext": {"stage": "$default", "http": {"method": "POST", "path": "/predict"}},
            "isBase64Encoded": False,
        }
        return [json.dumps({**frame, "body": json.dumps(row)}).encode() for row in self.rows]

    def compare(self, who: str, responses: Sequence[tuple[int, object]]) -> float:
        """The largest difference of `responses`, status and answer for each row. Raises StageError above the limit."""
        return max(self._difference(who, *each) for each in zip(self.rows, self.answers, responses, strict=True))

    def compare_events(self, who: str, results: Sequence[object]) -> float:
        """The same for results of a function: objects with status and body, or the function's error."""
        responses = []
        for result in results:
            if not isinstance(result, dict) or "statusCode" not in result:
                error = result.get("errorMessage") if isinstance(result, dict) else result
                raise StageError(f"{who} fails: {str(error)[:300]}", help="its log above has the reason")
            responses.append((int(result["statusCode"]), json.loads(result["body"])))
        return self.compare(who, responses)

    def _difference(self, who: str, row: Row, expected: Answer, response: tuple[int, object]) -> float:
        status, answer = response
        shown = str(row)[:200]
        if status != 200:
            error = answer.get("error") if isinstance(answer, dict) else answer
            raise StageError(f"{who} answers with HTTP {status} to {shown}", help=str(error))
        gap = difference(expected, answer)
        if gap > TOLERANCE:
            message = f"{who} predicts {_shown(answer)} instead of the bundle's {_shown(expected)} for {shown}: "
            raise StageError(f"{message}difference {gap:.2g}, limit {TOLERANCE:g}", help=_HELP)
        return gap


def _shown(answer: object) -> str:
    if not isinstance(answer, Mapping) or "label" not in answer:
        return str(answer)[:200]
    return f"{answer['label']} ({answer.get('score', math.nan):.4f})"
