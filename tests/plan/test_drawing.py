"""The line as a picture."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from mlspec.plan.drawing import dot, mermaid, tree
from mlspec.plan.stage import Output, Stage


def stage(name: str, *inputs: str) -> Stage:
    return Stage(name, f"About {name}", "toy", inputs, (Output(f"{name}.out"),))


LINE = (
    stage("data"),
    stage("train", "data.out"),
    stage("evaluate", "train.out", "data.out"),
    stage("export", "train.out"),
    stage("alone"),
)


def test_a_tree_has_each_stage_once_below_what_it_waits_for() -> None:
    assert tree(LINE).splitlines() == [
        "data            About data",
        "└─ train        About train",
        "   ├─ evaluate  About evaluate (also after data)",
        "   └─ export    About export",
        "alone           About alone",
    ]
    assert tree(()) == ""


def test_mermaid_has_every_edge() -> None:
    lines = mermaid(LINE).splitlines()
    assert lines[0] == "flowchart LR"
    assert '  s0["data"]' in lines
    assert {line.strip() for line in lines if "-->" in line} == {"s0 --> s1", "s1 --> s2", "s0 --> s2", "s1 --> s3"}


def test_names_cannot_break_out() -> None:
    hostile = (stage('a"]; click b "x'), stage('b"x', 'a"]; click b "x.out'))
    labels = re.findall(r'\["(.*)"\]', mermaid(hostile))
    assert [set(label) & set('"];') for label in labels] == [{";"}, {";"}]
    assert r"\"" in dot(hostile)


def test_graphviz_reads_it() -> None:
    assert '  "data" -> "train";' in dot(LINE)
    if shutil.which("dot") is None:
        pytest.skip("needs graphviz")
    subprocess.run(["dot", "-Tsvg"], input=dot(LINE), text=True, check=True, capture_output=True)
