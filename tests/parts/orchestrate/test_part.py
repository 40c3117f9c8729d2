"""The section `orchestrate`: what is refused, and with what help."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.errors import SpecError
from tests.parts.targets import build, codes


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("{dagster: {}}", []),
        ("{dagster: {}, prefect: {}, airflow: {}}", []),
        ("{prefect: {repository: 'https://example.org/a/b', branch: main}}", []),
        ("{prefect: {branch: main}}", ["conflicting-options"]),
        ("{}", ["section-needed"]),
        ("{dagster: {push: true}, airflow: {push: false}}", ["section-needed"]),
        ("{kedro: {}, dagster: {}}", ["unknown-orchestrator"]),
        ("{kedro: {}, argo: 3}", ["unknown-orchestrator", "unknown-orchestrator"]),
    ],
)
def test_findings(section: str, expected: list[str], tmp_path: Path) -> None:
    assert codes(tmp_path, f"orchestrate: {section}\n") == expected


def test_an_unknown_orchestrator_is_located_and_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        build(tmp_path, "orchestrate:\n  dagster: {}\n  metaflow: {}\n")
    (finding,) = caught.value.diagnostics
    assert finding.span is not None
    assert (finding.span.line, finding.span.column) == (10, 3)
    assert "`dagster`, `prefect` and `airflow`" in finding.help
