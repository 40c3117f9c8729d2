"""Results as Markdown, with their differences from earlier ones."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

from mlspec.report.collect import Results, collect
from mlspec.report.markdown_page import bars, escaped, markdown_page


def results(folder: Path, accuracy: float, confused: int, labels: tuple[str, ...] = ("cat", "dog")) -> Results:
    """Of a model with this accuracy, that takes so many of the first class for the second."""
    gate = {"metric": "accuracy", "bound": ">= 0.9", "value": accuracy, "passed": accuracy >= 0.9}
    metrics = {"task": "classification", "rows": 20, "metrics": {"accuracy": accuracy, "mcc": None}}
    first, second, *_ = labels
    rows = [(first, second)] * confused + [(first, first)] * (10 - confused) + [(label, label) for label in labels[1:]]
    files = {
        "metrics/evaluate.json": json.dumps(metrics),
        "metrics/gates.json": json.dumps({"passed": accuracy >= 0.9, "gates": [gate]}),
        "plots/confusion.csv": "\n".join(["actual,predicted", *map(",".join, rows)]),
        "plots/train.csv": f"epoch,step,valid/loss\n0,1,2.0\n1,2,{1 - accuracy:g}\n",
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return collect(folder)


def test_the_difference_from_earlier_results_is_shown(tmp_path: Path) -> None:
    page = markdown_page("cola", results(tmp_path / "a", 0.95, 1), results(tmp_path / "b", 0.91, 3), "origin/main")
    assert page.startswith("## cola: The gate passed\n")
    assert "| metric | origin/main | this run | change | gate |" in page
    assert "| accuracy | 0.9100 | 0.9500 | +0.0400 | passed (≥ 0.9) |" in page
    assert "| mcc | – | – | – |  |" in page
    assert "| valid/loss | █▁ | 2 | 0.0500 | −0.0400 |" in page
    assert "| cat | **9** (+2) | 1 (−2) |" in page


def test_a_failed_gate_is_the_headline(tmp_path: Path) -> None:
    page = markdown_page("cola", results(tmp_path, 0.5, 5))
    assert unescape(page).startswith("## cola: Gate failed\n\naccuracy is 0.5000, needed ≥ 0.9\n")
    assert "| accuracy | 0.5000 | **failed** (≥ 0.9) |" in unescape(page)


def test_without_results_it_says_so(tmp_path: Path) -> None:
    page = markdown_page("cola", collect(tmp_path))
    assert page == "## cola: no results\n\nNo metrics: the pipeline did not get to `evaluate`.\n"
    page = markdown_page("cola", results(tmp_path / "a", 0.95, 1), collect(tmp_path / "b"), "HEAD")
    assert "No metrics at HEAD to compare with." in page


def test_of_many_classes_the_most_frequent_errors_are_shown(tmp_path: Path) -> None:
    page = markdown_page("cola", results(tmp_path, 0.95, 2, tuple("abcdefghijklmn")))
    assert "### Most frequent errors" in page
    assert "| a | b | 2 | 20% |" in page


def test_text_of_the_data_is_not_interpreted_as_markup() -> None:
    hostile = "| a ](http://x) `b` <img src=x> @team #1 **c** ~d~ \\ & \n\x1b[31m &#65; www.x.org _e_"
    text = escaped(hostile)
    assert not re.search(r"[|\[\]`<>@*~\\\n\x1b(_.]|(?<!&)#", text)
    assert unescape(text) == " ".join(hostile.replace("\x1b", " ").split())


def test_a_curve_has_at_most_thirty_bars() -> None:
    assert bars([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert bars([5, 5]) == "▁▁"
    assert len(bars(list(range(1000)))) == 30
