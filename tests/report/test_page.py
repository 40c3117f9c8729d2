"""The report of whole lines: what stands in it, what does not, and that a browser shows it as meant."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mlspec import report
from mlspec.records.packaged import SizeCheck, ZipProof
from mlspec.records.training import Training, Tuned
from mlspec.report.model_card import CARD
from mlspec.report.run_history import RunHistory
from mlspec.run.outcome import Outcome
from mlspec.stage_result import Reason
from tests.packaged import packaged_zip
from tests.run import lines
from tests.run.line import STAGES, Line, bare, ran

ALL: tuple[Callable[[Path], Line], ...] = (
    bare,
    lines.text,
    lines.regression,
    lines.images,
    lines.failed,
    lines.huge,
)
HOSTILE = (
    "<script>document.title='taken'</script>",
    '"><img src=x onerror="document.title=\'taken\'">',
    "</title></style></script><b>bold</b> {{ 7 * 7 }} {% raw %} ${x} \u202e\x00",
)


def write(line: Line, history: RunHistory | None = None, outdated: Mapping[str, Reason] | None = None) -> str:
    path = report.write(line.project, line.plan, line.outcomes, line.root, history, outdated)
    return path.read_text(encoding="utf-8")


class Page(HTMLParser):
    """Section ids, text of headings, tags in use; fails on tags that do not match."""

    VOID = frozenset({"meta", "br", "img", "link", "input", "hr"})

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sections: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(markup)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "section" and dict(attrs).get("id"):
            self.sections.append(str(dict(attrs)["id"]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.words += data


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
def test_a_report_is_one_sound_page_that_fetches_nothing(make: Callable[[Path], Line], tmp_path: Path) -> None:
    page = Page(write(make(tmp_path)))
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object", "base", "form")]
    outside = [
        (tag, name, value)
        for tag, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "action")
        and not str(value).startswith(("#", "data:image/"))
        and value != "MODEL_CARD.md"  # a file beside the report, which a click opens
    ]
    assert not outside
    assert [tag for tag, _ in page.tags].count("script") == 1
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_table_names_its_columns_and_every_picture_says_what_it_shows(tmp_path: Path) -> None:
    page = Page(write(lines.huge(tmp_path)))
    tables = [tag for tag, _ in page.tags].count("table")
    assert [tag for tag, _ in page.tags].count("thead") == tables
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert all(a.get("aria-label") or a.get("aria-hidden") for a in pictures)


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
def test_no_two_regions_have_one_name_and_no_row_is_longer_than_its_head(
    make: Callable[[Path], Line], tmp_path: Path
) -> None:
    text = write(make(tmp_path))
    tags = Page(text).tags
    labels = [str(given["aria-label"]) for tag, given in tags if given.get("role") == "region" or tag == "nav"]
    for _, given in tags:
        if title := given.get("aria-labelledby"):
            [words] = re.findall(f'id="{title}"[^>]*>(.*?)</h', text, re.DOTALL)
            labels.append(re.sub("<.*?>", "", words).strip())
    assert len(labels) == len(set(labels)), labels
    for table in re.findall(r"<table.*?</table>", text, re.DOTALL):
        head = len(re.findall("<th[ >]", re.split("</tr>", table)[0]))
        rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)[1:]
        assert [row for row in rows if len(re.findall("<t[dh][ >]", row)) > head] == []


def test_a_line_of_which_nothing_ran_shows_the_spec_and_no_empty_sections(tmp_path: Path) -> None:
    page = Page(write(bare(tmp_path)))
    assert page.sections == ["pipeline", "spec", "lineage"]
    assert "No run recorded" in page.words


def test_a_full_line_shows_all_sections(tmp_path: Path) -> None:
    page = Page(write(lines.text(tmp_path)))
    assert page.sections == [
        "pipeline",
        "metrics",
        "confusion",
        "calibration",
        "classes",
        "slices",
        "learning",
        "mistakes",
        "robustness",
        "attacks",
        "export",
        "shipping",
        "data",
        "spec",
        "lineage",
    ]
    assert "All gates passed" in page.words
    assert "0.5312" in page.words
    assert "≥ 0.2" in page.words


def test_a_number_in_a_tile_does_not_break_at_its_hyphen(tmp_path: Path) -> None:
    line = lines.text(tmp_path)
    file = tmp_path / "artifacts" / "metrics" / "export.json"
    record = json.loads(file.read_text())
    record["parity"]["max_abs_difference"] = 4.3e-6
    file.write_text(json.dumps(record))
    assert '<dd class="note">ONNX differs by <span class="nowrap">4.3e-6</span></dd>' in write(line)


@pytest.mark.parametrize(("count", "folded"), [(16, ""), (40, "28 more inputs")])
def test_many_inputs_of_an_error_are_folded(count: int, folded: str, tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    line = lines.regression(tmp_path)
    names = [f"input{number}" for number in range(count)]
    target = {"column": "price", "type": "number"}
    line.json("data/schema.json", {"inputs": {name: {"type": "number"} for name in names}, "target": target})
    rows = {"actual": [1.0, 2.0], "predicted": [3.0, 2.5], **{name: [0.5, 0.25] for name in names}}
    pq.write_table(pa.table(rows), line.artifacts / "evaluate/predictions.parquet")
    markup = write(line)
    Page(markup)
    row = markup[markup.index('class="input">') :].partition("</td>")[0]
    assert row.count('class="pair"') == count
    assert ("<summary>" in row) == bool(folded)
    assert folded in row
    assert row.partition("<summary>")[0].count('class="pair"') == (12 if folded else count)


@pytest.mark.parametrize(
    ("file", "section"),
    [
        ("plots/train.csv", "learning"),
        ("plots/confusion.csv", "confusion"),
        ("plots/calibration.csv", "calibration"),
        ("evaluate/predictions.parquet", "mistakes"),
        ("metrics/robustness.json", "robustness"),
        ("metrics/textattack.json", "attacks"),
        ("metrics/export.json", "export"),
        ("image.json", "shipping"),
        ("data/profile.json", "data"),
    ],
)
@pytest.mark.parametrize("damage", ["absent", "empty", "cut", "other"])
def test_a_removed_section_removes_its_file(file: str, section: str, damage: str, tmp_path: Path) -> None:
    line = lines.text(tmp_path)
    path = line.artifacts / file
    whole = path.read_bytes()
    broken = {"empty": b"", "cut": whole[: len(whole) // 2], "other": b'{"a": [1, {"b": null}], "perturbations": 3}'}
    if damage == "absent":
        path.unlink()
    else:
        path.write_bytes(broken[damage])
    page = Page(write(line))
    if damage != "cut" or path.suffix != ".csv":  # half a table is a table
        assert section not in page.sections
    assert {"metrics", "spec"} <= set(page.sections)


@pytest.mark.parametrize("name", ["train", "evaluate", "gates", "export", "robustness"])
@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        3,
        "x",
        {"metrics": [1], "best": 4, "gates": {"a": 1}, "parity": None},
        {
            "metrics": {"mcc": "NaN", "x": None},
            "gates": [None, {}, {"metric": "mcc"}],
            "slices": {"a": 1, "b": {"metrics": 2}},
            "per_class": {"a": 5, "b": {"f1": "no"}},
            "perturbations": {"a": {"agreement": "x"}},
            "int8": 5,
            "parity": {"checked": [1]},
        },
    ],
)
def test_metrics_of_another_shape_are_never_an_error(name: str, value: object, tmp_path: Path) -> None:
    line = lines.text(tmp_path)
    line.json(f"metrics/{name}.json", value)
    page = Page(write(line))
    assert page.sections
    assert "Traceback" not in page.words


def test_what_was_shipped_and_what_became_of_it(tmp_path: Path) -> None:
    line = lines.text(tmp_path)
    words = Page(write(line)).words
    assert "359 MB, at most 500 MB" in words
    assert "69 MB of memory of 512 MB" in words
    assert "rolled back: version 7 receives all traffic" in words
    assert "49 of 149 calls" in words
    assert "A rehearsal" not in words
    line.json("release.local.json", {"function": {"name": "cola", "version": "1", "alias": "live"}})
    os.utime(line.artifacts / "release.json", (1, 1))
    words = Page(write(line)).words
    assert "A rehearsal on this machine" in words
    assert "cola, version 1" in words


@pytest.mark.parametrize(
    "value",
    [
        [],
        3,
        {"image": 3, "function": [], "rollout": {"a": 1}},
        {"release": {"commit": 3}, "rollout": [3, {}, {"kind": []}]},
        {"rollout": [{"kind": "step", "version": "1", "time": "x", "percent": "NaN", "why": {}}]},
        {"rollout": [{"kind": "returned", "version": "1", "time": 1e300}, {"kind": "tomorrow", "version": "1"}]},
    ],
)
def test_records_of_another_shape_are_never_an_error(value: object, tmp_path: Path) -> None:
    line = lines.text(tmp_path)
    line.json("release.json", value)
    assert "shipping" in Page(write(line)).sections
    line.json("image.json", {"id": 3, "size_bytes": "x", "proof": {"http": 3, "locked": {"rows": "x", "peak": []}}})
    assert "shipping" not in Page(write(line)).sections


def test_a_zip_is_shown_with_its_checks(tmp_path: Path) -> None:
    line = lines.text(tmp_path)
    (line.artifacts / "release.json").unlink()
    size = SizeCheck(bytes=9_000_000, max_bytes=250_000_000)
    proof = ZipProof(size=size, emulator=False, why="no Linux", rows=3, difference=0.0, seconds=0.5, peak=2**26)
    packaged_zip(size_bytes=3_000_000, unpacked_bytes=9_000_000, proof=proof).write(line.artifacts)
    words = Page(write(line)).words
    assert "The zip and the checks it passed" in words
    assert "3 MB, unpacked 9 MB, at most 1 GB" in words
    assert "the predictions of 3 rows equal the bundle's; the first after 0.5 s, 64 MB of memory" in words
    assert "not tested: no Linux" in words


def test_a_missed_gate_is_the_headline_with_its_number_and_bound(tmp_path: Path) -> None:
    page = Page(write(lines.regression(tmp_path)))
    assert "Gate failed" in page.words
    assert "mae is 31,250, needed ≤ 25000" in page.words
    assert "mlspec apply --until evaluate" in page.words
    assert "fit" in page.sections


def test_a_failed_stage_shows_the_end_of_its_log_and_no_colours_of_a_terminal(tmp_path: Path) -> None:
    page = Page(write(lines.failed(tmp_path)))
    assert "Stage train failed" in page.words
    assert "error: training diverged" in page.words
    assert "epoch 0: 214/214 loss 0.462" in page.words
    assert "epoch 0: 213/214" not in page.words
    assert "\x1b" not in page.words


def test_a_log_outside_the_project_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("hunter2")
    root = tmp_path / "project"
    root.mkdir()
    line = lines.failed(root)
    outcomes = tuple(replace(o, log="../secret.txt") for o in line.outcomes)
    assert "hunter2" not in write(replace(line, outcomes=outcomes))


def test_results_of_an_earlier_run_say_so(tmp_path: Path) -> None:
    line = lines.text(tmp_path)
    broken = (*ran(STAGES[:2]), Outcome("evaluate", "failed", Reason("failed", "out of memory")))
    page = Page(write(replace(line, outcomes=broken)))
    assert "from an earlier run: evaluate did not finish" in page.words
    assert "from an earlier run: train" not in page.words
    assert "Stage evaluate failed" in page.words


def test_values_tuned_before_training_are_beside_the_spec(tmp_path: Path) -> None:
    line = lines.text(tmp_path)
    training = Training.read(line.artifacts)
    tuned = Tuned(batch_size=2048, batch_size_limit="memory", learning_rate=0.00123)
    training.model_copy(update={"tuned": tuned}).write(line.artifacts)
    words = " ".join(Page(write(line)).words.split())
    assert "Found before training: batch size 2,048 (limited by the memory), learning rate 0.00123." in words
    assert re.search(r"batch_size: \d+ # train\.tune found 2048", words)
    assert re.search(r"learning_rate: \S+ # train\.tune found 0\.00123", words)
    assert "batch size 2048 and learning rate 0.00123 found by `train.tune`" in (line.root / CARD).read_text()


def test_the_precision_that_auto_chose_stands_in_the_report(tmp_path: Path) -> None:
    line = lines.text(tmp_path)
    training = Training.read(line.artifacts)
    training.model_copy(update={"tuned": Tuned(precision="bf16-mixed", precision_gain=1.634)}).write(line.artifacts)
    words = " ".join(Page(write(line)).words.split())
    assert "Found before training: precision bf16-mixed (steps with bf16-mixed are 1.63 times as fast)." in words
    assert re.search(r"precision: \S+ # chosen: bf16-mixed", words)
    assert "precision bf16-mixed chosen by `auto`" in (line.root / CARD).read_text()


def test_the_constant_baseline_is_shown_beside_the_metrics(tmp_path: Path) -> None:
    words = " ".join(Page(write(lines.text(tmp_path))).words.split())
    assert "reaches mcc 0, accuracy 0.6912." in words


def test_results_of_another_spec_say_so(tmp_path: Path) -> None:
    old = {
        "train": Reason("settings-changed", "train.max_epochs changed 3 → 5"),
        "evaluate": Reason("upstream", "after train"),
        "test": Reason("never-ran", "never ran"),
    }
    page = Page(write(lines.text(tmp_path), outdated=old))
    assert page.words.count("out of date: train.max_epochs changed 3 → 5") == 2
    assert "out of date: after train" in page.words
    assert "out of date: never ran" not in page.words


def test_a_skipped_stage_has_its_reason_and_its_fix(tmp_path: Path) -> None:
    page = Page(write(lines.images(tmp_path)))
    assert "needs docker: the engine does not respond" in page.words
    assert "sudo systemctl start docker" in page.words
    assert "The gate passed" in page.words


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    history = RunHistory((), "2026-11-23 18:00 UTC", {"train": 210.0})
    first = write(lines.text(tmp_path / "a"), history)
    assert first == write(lines.text(tmp_path / "b"), history)
    assert "2026-11-23 18:00 UTC" in first


def test_durations_are_shown_beside_those_of_the_run_before(tmp_path: Path) -> None:
    page = Page(write(lines.text(tmp_path), RunHistory((), "", {"train": 3661.0})))
    assert "1 h 1 min" in page.words


def test_decisions_are_a_table_of_the_data(tmp_path: Path) -> None:
    line = lines.text(tmp_path)
    words = Page(write(line)).words
    assert "3 of 60 files not read: .txt (3)" in words
    assert "4 of 57 images: transparent pixels composited on white" in words
    assert "smallest valid/loss" in words
    (line.artifacts / "train/decisions.json").unlink()
    for damaged in ('{"decisions": [3, {"subject": "a"}, {"reading": []}]}', '{"decisions": {}}', "[", ""):
        (line.artifacts / "data/decisions.json").write_text(damaged)
        page = Page(write(line))
        assert "data" in page.sections
        assert "Decisions" not in page.words


def test_secrets_are_names(tmp_path: Path) -> None:
    assert "api_key: {env: ELASTIC_API_KEY}" in Page(write(bare(tmp_path))).words


@pytest.mark.parametrize("words", HOSTILE)
def test_words_from_the_data_are_words(words: str, tmp_path: Path) -> None:
    calm = Page(write(lines.text(tmp_path / "calm")))
    line = lines.text(tmp_path / "hostile", [words], (words, "acceptable"))
    line.json("metrics/robustness.json", {"passed": True, "perturbations": {words: {"agreement": 0.9, "rows": 3}}})
    line.json("bundle/lineage.json", {words: words})
    line.json("data/decisions.json", {"decisions": [{"subject": words, "reading": words, "key": words}]})
    lines.shipped(line, words)
    page = Page(write(line))
    tags = {tag for tag, _ in page.tags}
    assert tags <= {tag for tag, _ in calm.tags}
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on")]
    assert words.replace("\x00", "").split("\u202e")[0] in page.words.replace("\x00", "")


def test_pictures_that_are_no_pictures_are_left_out(tmp_path: Path) -> None:
    line = lines.images(tmp_path)
    count = 180
    line.parquet("data/test.parquet", {"image": [b"<svg onload=alert(1)>"] * count, "label": [0] * count})
    page = Page(write(line))
    assert not [a for tag, a in page.tags if tag == "img"]


def test_writing_a_report_needs_no_heavy_package(tmp_path: Path) -> None:
    """Neither the training packages nor pandas; without pyarrow the examples are missing and nothing else."""
    code = (
        "import sys; sys.modules.update(pyarrow=None)\n"
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'pyarrow' else find(name, *a)\n"
        "import pickle; from mlspec import report\n"
        "from mlspec.spec.project import Project, ProjectInfo; from mlspec.source.project_context import ProjectContext\n"
        "from mlspec.plan.plan import Plan; from pathlib import Path\n"
        "project = Project({'project': ProjectInfo(name='x')}, ProjectContext())\n"
        f"report.write(project, Plan((), ()), (), Path({str(tmp_path)!r}))\n"
        "heavy = {'torch', 'pandas', 'numpy', 'dvc', 'hydra', 'onnxruntime', 'lightning'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    line = lines.text(tmp_path)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = Page((line.artifacts / "report.html").read_text(encoding="utf-8"))
    assert "mistakes" not in page.sections
    assert "metrics" in page.sections


def test_a_large_line_stays_a_small_page(tmp_path: Path) -> None:
    assert len(write(lines.huge(tmp_path))) < 600_000


def test_the_policy_names_the_script_that_is_there(tmp_path: Path) -> None:
    import base64
    import hashlib

    markup = write(bare(tmp_path))
    script = re.search(r"<script>(.*?)</script>", markup, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in markup or f"&#39;sha256-{digest}" in markup or digest.replace("+", "&#43;") in markup


def test_numbers_beyond_json_are_left_out(tmp_path: Path) -> None:
    line = lines.text(tmp_path)
    (line.artifacts / "metrics/evaluate.json").write_text('{"metrics": {"mcc": NaN, "f1": Infinity, "accuracy": 0.5}}')
    (line.artifacts / "metrics/gates.json").write_text(
        json.dumps({"passed": False, "gates": [{"metric": "mcc", "bound": ">= 0.2", "value": None, "passed": False}]})
    )
    words = Page(write(line)).words
    assert "mcc is –, needed ≥ 0.2" in words


def test_a_metric_without_a_value_says_why(tmp_path: Path) -> None:
    line = lines.text(tmp_path)
    why = "3 of 12 rows have the target 0"
    (line.artifacts / "metrics/evaluate.json").write_text(
        json.dumps(
            {"task": "regression", "rows": 12, "metrics": {"mae": 0.5, "mape": None}, "undefined": {"mape": why}}
        )
    )
    words = Page(write(line)).words
    assert f"mape is not defined on these rows: {why}." in words
