"""The model card of whole lines: what it says, that the Hub reads it, and that data cannot break it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from mlspec import report
from mlspec.report.model_card import CARD, model_card, read_card
from mlspec.spec.project import ProjectInfo
from tests.run import lines
from tests.run.line import Line, bare

HOSTILE = ("</td><script>x</script>", "a|b", "`code`", "---\nlicense: evil", "{{ 7 * 7 }} ${x} \u202e")


def card_of(line: Line) -> str:
    records = read_card(line.project, line.artifacts)
    assert records is not None
    return model_card(records)


@pytest.mark.parametrize("make", [lines.text, lines.regression, lines.images])
def test_a_card_is_written_beside_the_report_and_linked(make: Callable[[Path], Line], tmp_path: Path) -> None:
    line = make(tmp_path)
    page = report.write(line.project, line.plan, line.outcomes, line.root).read_text(encoding="utf-8")
    text = (line.root / CARD).read_text(encoding="utf-8")
    assert 'href="MODEL_CARD.md"' in page
    assert text == card_of(line)
    headings = re.findall(r"(?m)^## (.*)", text)
    assert headings == [h for h in ("Model", "Use", "Limits", "Data", "Evaluation", "Reproduction") if h in headings]
    assert {"Model", "Use", "Limits", "Evaluation"} <= set(headings)
    assert str(tmp_path) not in text
    widths = {block.count("|") for block in re.findall(r"(?m)^\|.*\|$", text)}
    assert widths
    for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        assert len({row.replace("\\|", "").count("|") for row in block.splitlines()}) == 1, block


def test_the_hub_reads_the_front_matter(tmp_path: Path) -> None:
    huggingface = pytest.importorskip("huggingface_hub")
    line = lines.text(tmp_path)
    info = ProjectInfo(name="cola", description="Grammar", license="Apache-2.0", authors=["Ada <ada@example.org>"])
    line = replace(line, project=replace(line.project, sections={**line.project.sections, "project": info}))
    card = huggingface.ModelCard(card_of(line))
    assert card.data.license == "apache-2.0"
    assert card.data.pipeline_tag == "text-classification"
    results = {result.metric_type: result for result in card.data.eval_results}
    assert results["mcc"].dataset_split == "test"
    assert 0 < results["mcc"].metric_value < 1
    assert "Ada \\<ada@example.org\\>" in card.text


def test_metrics_slices_gates_and_limits(tmp_path: Path) -> None:
    text = card_of(lines.text(tmp_path))
    assert re.search(r"\| `mcc` \| `>= 0\.2` passed \| 0\.\d+ \|", text)
    assert "### Slices" in text
    assert "### Labels" in text
    assert "The baseline always predicts" in text
    assert "rows: rarer cases are not in it" in text


def test_a_failed_gate_is_reported(tmp_path: Path) -> None:
    assert "**failed**" in card_of(lines.regression(tmp_path))


def test_hostile_labels_and_descriptions_stay_text(tmp_path: Path) -> None:
    line = lines.text(tmp_path, labels=HOSTILE[:2])
    info = ProjectInfo(name="cola", description=" ".join(HOSTILE), license="x: y\n--- #", authors=list(HOSTILE))
    line = replace(line, project=replace(line.project, sections={**line.project.sections, "project": info}))
    text = card_of(line)
    front, _, body = text.removeprefix("---\n").partition("\n---\n")
    values = yaml.safe_load(front)
    assert values["license"] == "x: y\n--- #"
    assert not re.search(r"(?m)^license: evil", text)
    outside = re.sub(r"`+.*?`+", "", body)
    assert "<script" not in outside.replace("\\<script", "")
    assert "\u202e" not in text


def test_no_model_card_before_the_evaluation(tmp_path: Path) -> None:
    line = bare(tmp_path)
    report.write(line.project, line.plan, line.outcomes, line.root)
    assert not (line.root / CARD).exists()
