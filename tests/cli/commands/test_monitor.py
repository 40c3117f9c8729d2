"""The commands of `mlspec monitor` on a project with a bundle's signature, a carried reference and a prediction log."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from mlspec.cli.commands.monitor import command
from mlspec.cli.commands.plan import command as plan_command
from mlspec.errors import MlspecError
from mlspec.monitoring.baseline.quantile_grid import QuantileGrid
from mlspec.monitoring.reference_files import store_reference
from mlspec.records.profile import Profile
from tests.monitoring.log_lines import SIGNATURE, line
from tests.monitoring.references import REFERENCE
from tests.monitoring.watched import Service

TOWNS = {"Bonn": 200, "Ulm": 30}
"""A quarter of the rows of each in the test split."""
SPEC = """\
project: {name: shop}
data:
  source: data/rows.csv
  inputs: {age: number, town: category, sentence: text}
  target: {column: label, labels: ["no", "yes"]}
model: {type: custom, class: src.model:Net}
monitor:
  drift: {traffic: 100000 per 1d}
  alerts: {error_rate: "> 0.05", min_requests: 20}
"""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A project whose predictions began an hour ago; the commands run in its folder."""
    (tmp_path / "mlproject.yaml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "model.py").write_text("class Net:\n    pass\n", encoding="utf-8")
    bundle = tmp_path / "artifacts" / "bundle"
    bundle.mkdir(parents=True)
    (bundle / "signature.json").write_text(json.dumps(SIGNATURE.to_json()), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return Service(tmp_path / ".mlspec" / "monitor", start=datetime.now(UTC) - timedelta(hours=1))


def run(*arguments: str, input: str | None = None) -> Result:
    return CliRunner().invoke(command, arguments, input=input, standalone_mode=False)


def test_a_quiet_service_exits_with_0(service: Service) -> None:
    service.answer(700)
    quiet = run()
    assert (quiet.return_value, "Has it moved?" in quiet.output) == (0, True)


def test_a_shift_exits_with_4_and_is_in_every_form(service: Service) -> None:
    service.answer(700)
    service.answer(700, age=52)
    moved = run("--html")
    assert moved.return_value == 4
    assert "alarm[moved]: age moved (version 7)" in moved.output
    assert "<title>shop: " in Path("artifacts/monitor.html").read_text(encoding="utf-8")
    document = json.loads(run("--json").stdout)
    assert [alarm["group"] for alarm in document["alarms"]] == ["moved"]
    assert document["ok"] is False


def test_the_labels_of_the_spec_are_added_first(service: Service) -> None:
    with Path("mlproject.yaml").open("a", encoding="utf-8") as spec:
        spec.write("  labels: {source: 'labels*.csv'}\n")
    service.answer(300)
    failing = run("--no-notify")
    assert "warning: no labels were added: no file of labels found: labels*.csv" in failing.stderr
    assert failing.return_value == 0
    Path("labels-1.csv").write_text("request_id,label\n" + "".join(f"r{n},yes\n" for n in range(1, 101)) + "r1,x\n")
    shown = run("--no-notify")
    assert "added 100 of 101 labels from monitor.labels; 1 cannot be: `mlspec labels add` lists them" in shown.stderr
    assert "100 of 300 predictions labelled" in " ".join(shown.stdout.split())


def test_power_shows_what_can_be_detected(service: Service) -> None:
    output = run("power").output
    assert "alarm is raised at most once in" in output
    assert "1 sd in about" in output


def test_the_plan_shows_what_can_be_detected_before_there_is_a_model(service: Service) -> None:
    output = CliRunner().invoke(plan_command, [], standalone_mode=False).output
    block = output.partition("\nMonitoring\n")[2].splitlines()
    assert len(block) == 3
    assert "an alarm is raised at most once in 9,000,000 rows on average" in block[0]
    result = r"a shift of 0\.\d\d sd or more is detected in half of the cases"
    given = ", if the training data is large; more: mlspec monitor power"
    assert re.fullmatch(rf"  in a day \(100,000 rows\), {result}{given}", block[1])
    week = r"  in 700,000 labelled rows \(7 days if every prediction gets a label\): a fall of the accuracy by "
    assert re.fullmatch(rf"{week}0\.\d\d\d or more raises an alarm", block[2])
    document = json.loads(CliRunner().invoke(plan_command, ["--json"], standalone_mode=False).stdout)
    assert [line.strip() for line in block] == document["monitoring"]
    spec = Path("mlproject.yaml")
    spec.write_text(SPEC.replace("  drift: {traffic: 100000 per 1d}\n", ""), encoding="utf-8")
    output = CliRunner().invoke(plan_command, [], standalone_mode=False).output
    assert [line[:24] for line in output.partition("\nMonitoring\n")[2].splitlines()] == ["  in 7,000 labelled rows"]


def test_the_plan_and_the_power_show_what_is_seen_of_the_quality_of_slices(service: Service) -> None:
    Path("mlproject.yaml").write_text(SPEC + "  quality: {slices: {town: {}, month: {by: month}}}\n", encoding="utf-8")
    (lost,) = CliRunner().invoke(plan_command, [], standalone_mode=False).output.splitlines()[-1:]
    assert lost == "  which fall of the quality is detected is known after the next `mlspec monitor`"
    errors = {town: QuantileGrid.of(np.array([0.0, 0.0, 0.0, 1.0] * rows)) for town, rows in TOWNS.items()}
    reference = REFERENCE.model_copy(update={"tested": {"town": "town"}, "slice_errors": {"town": errors}})
    store_reference(service.model.state, "", reference)
    before = {file: file.stat().st_mtime_ns for file in service.folder.rglob("*")}
    *_, whole, sliced = CliRunner().invoke(plan_command, [], standalone_mode=False).output.splitlines()
    assert {file: file.stat().st_mtime_ns for file in service.folder.rglob("*")} == before
    of_all = re.search("a fall of the accuracy by (.*) or more", whole)
    of_slice = re.search(
        r"of the 2 slices the worst seen: a fall by (.*) or more in town=Ulm \(12% of the rows\)", sliced
    )
    assert of_all
    assert of_slice
    assert float(of_all[1]) < float(of_slice[1])
    power = run("power").output
    assert "  all rows (errors 20% on 1,000 rows of the test split): +10% " in power
    assert "  town=Ulm (errors 25% on 120 rows of the test split): +10% never, +20% never, +40% about " in power
    assert "  note: month has no alarm of its own: the test split has no time of an answer" in power


def test_the_plan_and_the_power_agree_once_the_training_data_is_known(service: Service) -> None:
    Profile(rows=6000, splits={"train": 4900}).write(Path("artifacts"))
    spec = Path("mlproject.yaml")
    spec.write_text(SPEC.replace("traffic: 100000 per 1d", "traffic: 1000 per 1d, tolerance: 0.001"), encoding="utf-8")
    planned = CliRunner().invoke(plan_command, [], standalone_mode=False).output
    shift = re.compile(r"a shift of (0\.\d\d) sd or more")
    (of_plan,), (of_power,) = shift.findall(planned), shift.findall(run("power").output)
    assert float(of_plan) > 0.15
    assert float(of_plan) == pytest.approx(float(of_power), abs=0.011)
    assert "large" not in planned


def test_an_alert_that_cannot_fire_is_an_error(service: Service) -> None:
    healthy = run("test")
    assert healthy.return_value == 0
    assert "no alert fires: set monitor.alerts.silence in the spec" in healthy.output
    spec = Path("mlproject.yaml")
    spec.write_text(SPEC.replace("100000 per 1d", "100 per 1d"), encoding="utf-8")
    tested = run("test", "--json")
    document = json.loads(tested.stdout)
    assert tested.return_value == 4
    assert [silent["alert"] for silent in document["never"]] == ["error-rate"]
    fired = {each["name"]: [f["alert"] for f in each["fired"]] for each in document["incidents"]}
    assert "drift" in fired["drift"]
    assert "quality" in fired["label-flip"]


def test_lines_are_pulled_once(service: Service) -> None:
    lines = "".join(json.dumps({"mlspec": "prediction"} | line(number)) + "\n" for number in range(3)) + "other\n"
    assert "added 3 predictions" in run("pull", "--file", "-", input=lines).output
    assert "added 0 predictions, 3 were stored already" in run("pull", "--file", "-", input=lines).output


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (("monitor:", "m:"), (), "is not a key of the spec"),
        (("  drift: {traffic: 100000 per 1d}\n", ""), ("power",), "the spec has no `monitor.drift`"),
        (("x", "x"), ("--last", "yesterday"), "--last yesterday is not a duration"),
        (("x", "x"), ("pull", "--file", "none.jsonl"), "cannot read none.jsonl: No such file or directory"),
        (("x", "x"), ("pull",), "this project has no deployment"),
        (("x", "x"), ("retrain",), "`data.collected` is not set"),
        (("x", "x"), ("approve",), "`data.collected` is not set"),
        (("  source: data/rows.csv", "  source: data/rows.csv\n  collected: data/collected"), ("retrain",),
         "monitor.on_drift is `alert`"),
    ],
)  # fmt: skip
def test_a_missing_requirement_of_a_command_is_reported_with_help(
    service: Service, change: tuple[str, str], arguments: tuple[str, ...], message: str
) -> None:
    Path("mlproject.yaml").write_text(SPEC.replace(*change), encoding="utf-8")
    error = run(*arguments).exception
    assert isinstance(error, MlspecError)
    results = [error.message, *(d.message for d in getattr(error, "diagnostics", ()))]
    assert any(message in text for text in results), results
    assert error.help or results[1:]


def test_without_a_bundle_the_help_is_to_export(service: Service) -> None:
    Path("artifacts/bundle/signature.json").unlink()
    error = run().exception
    assert isinstance(error, MlspecError)
    assert "mlspec apply --until export" in error.help
