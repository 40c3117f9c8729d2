"""Bad specs and what is said of them: `bad/NAME.yaml` with `bad/NAME.out`. `--update` rewrites the latter, to be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.diagnostics import render
from mlspec.errors import SpecError
from mlspec.explain import explanations
from tests.conftest import CHECKOUT

BAD = Path(__file__).parent / "bad"
CASES = sorted(BAD.glob("*.yaml"))


def rendered_errors(path: Path) -> str:
    try:
        warnings = compile_project(path).warnings
    except SpecError as error:
        return "\n\n".join(render(d) for d in error.diagnostics) + "\n"
    return "\n\n".join(render(d) for d in warnings) + "\n"


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_the_messages_about_a_bad_spec(case: Path, update: bool) -> None:
    expected = case.with_suffix(".out")
    text = rendered_errors(case)
    if update:
        expected.write_text(text, encoding="utf-8")
    assert expected.read_text(encoding="utf-8") == text


def test_every_code_has_a_bad_spec() -> None:
    shown = "\n".join(path.read_text(encoding="utf-8") for path in BAD.glob("*.out"))
    without = [code for code in explanations() if f"[{code}]" not in shown]
    # These are about the file itself, a stage, the place of the project, or its plan; other tests show them.
    elsewhere = {"file-too-large", "missing-file", "undeclared-read", "unfit-folder", "shared-workflow", "shared-function",
                 "shared-index", "shared-role", "shared-repository", "over-budget"}  # fmt: skip
    assert set(without) - run_time_codes() <= elsewhere


def run_time_codes() -> set[str]:
    """Codes of failures that only a run can show: of the data, of a lock file, of an account."""
    texts = (file.read_text(encoding="utf-8") for file in (CHECKOUT / "mlspec").rglob("*.py"))
    return {code for text in texts for code in re.findall(r'code="([a-z-]+)"', text)}
