"""The section `orchestrate`: what is refused, and with what help."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.errors import SpecError
from tests.parts.targets import BASE, build, codes


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("{dagster: {}}", []),
        ("{dagster: {}, prefect: {}, airflow: {}}", []),
        ("{prefect: {branch: main}}", ["conflicting-options"]),
        ("{dagster: {propose: true}, airflow: {branch: main, propose: false}}", ["conflicting-options"] * 2),
        ("{}", ["section-needed"]),
        ("{dagster: {push: true}, airflow: {push: false}}", ["section-needed"]),
        ("{kedro: {}, dagster: {}}", ["unknown-orchestrator"]),
        ("{kedro: {}, argo: 3}", ["unknown-orchestrator", "unknown-orchestrator"]),
    ],
)
def test_findings(section: str, expected: list[str], tmp_path: Path) -> None:
    assert codes(tmp_path, f"orchestrate: {section}\n") == expected


@pytest.mark.parametrize("name", ["dagster", "prefect", "airflow"])
@pytest.mark.parametrize(
    ("remote", "options", "expected"),
    [
        ("  remote: s3://bucket/dvc\n", "", []),
        ("  remote: s3://bucket/dvc\n", ", propose: true, branch: main", []),
        ("  remote: s3://bucket/dvc\n", ", push: false", ["conflicting-options?"]),
        ("  remote: s3://bucket/dvc\n", ", propose: true, push: false", ["conflicting-options"]),
        ("", "", ["conflicting-options?"]),
        ("", ", propose: true", ["conflicting-options"]),
    ],
)
def test_results_of_a_clone_are_on_a_remote(
    name: str, remote: str, options: str, expected: list[str], tmp_path: Path
) -> None:
    text = f"orchestrate: {{{name}: {{repository: 'https://example.org/a/b'{options}}}}}\n"
    base = BASE.replace("  source: data/cola.csv\n", f"  source: data/cola.csv\n{remote}")
    assert codes(tmp_path, text, base) == expected


def test_an_unknown_orchestrator_is_located_and_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        build(tmp_path, "orchestrate:\n  dagster: {}\n  metaflow: {}\n")
    (finding,) = caught.value.diagnostics
    assert finding.span is not None
    assert (finding.span.line, finding.span.column) == (10, 3)
    assert "`dagster`, `prefect` and `airflow`" in finding.help
