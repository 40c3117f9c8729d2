"""The pages about monitoring are true: their commands run on a served model, and so does the program about labels."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlspec.cli.command_line import group
from tests.conftest import CHECKOUT
from tests.monitoring.log_lines import SIGNATURE
from tests.monitoring.watched import Service

PAGES = {
    name: (CHECKOUT / "docs" / "howto" / f"{name}.md").read_text(encoding="utf-8") for name in ("monitoring", "labels")
}
COMMANDS = sorted(
    {command for text in PAGES.values() for command in re.findall(r"^(?:\$ |\| `)(mlspec [a-z][^`\n|]*)", text, re.M)}
)
UNTIL_STOPPED = ("mlspec monitor --serve",)
SPEC = """\
project: {name: shop}
data:
  source: data/rows.csv
  inputs: {age: number, town: category, sentence: text}
  target: {column: label, labels: ["no", "yes"]}
model: {type: custom, class: src.model:Net}
"""


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A served model with the `monitor` section that the page shows, whose input moved."""
    section = re.findall(r"```yaml\n(monitor:\n  drift.*?)```", PAGES["monitoring"], re.S)[0]
    (tmp_path / "mlproject.yaml").write_text(SPEC + section, encoding="utf-8")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "model.py").write_text("class Net:\n    pass\n", encoding="utf-8")
    (tmp_path / "artifacts" / "bundle").mkdir(parents=True)
    (tmp_path / "artifacts" / "bundle" / "signature.json").write_text(json.dumps(SIGNATURE.to_json()))
    monkeypatch.chdir(tmp_path)
    service = Service(tmp_path / ".mlspec" / "monitor", start=datetime.now(UTC) - timedelta(minutes=20))
    service.answer(500)
    service.answer(500, age=52)
    rows = [f"r{number},yes,2026-11-30T09:00:00Z" for number in range(1, 400)]
    (tmp_path / "outcomes.csv").write_text("request_id,label,time\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return service


def run(command: str) -> Result:
    return CliRunner().invoke(group, shlex.split(command)[1:], standalone_mode=False)


def test_the_pages_have_commands() -> None:
    assert {"mlspec monitor power", "mlspec monitor test", "mlspec labels add outcomes.csv"} <= {*COMMANDS}


def test_every_command_of_the_pages_runs(moved: Service) -> None:
    codes = {command: run(command).return_value for command in COMMANDS if command not in UNTIL_STOPPED}
    alarms = {command for command, code in codes.items() if code == 4}
    assert {command: code for command, code in codes.items() if code not in (0, 4)} == {}
    assert all(re.match(r"mlspec monitor( --\w|$)", command) for command in alarms), alarms
    assert Path("artifacts/monitor.html").is_file()


def test_the_state_looks_as_the_page_shows_it(moved: Service) -> None:
    output = run("mlspec monitor --rows 2").output
    for words in re.findall(r"^  (Is it .*?\?|Has it .*?\?)", PAGES["monitoring"], re.M):
        assert words in output
    for words in ("moved, unknown whether it is harmful", "2 of 20 rows that show it:", "The size is measured on the",
                  "more rows without new evidence.", "an alarm needs"):  # fmt: skip
        assert words in " ".join(output.split())
        assert words in " ".join(PAGES["monitoring"].split())


def test_the_program_about_labels_runs(moved: Service, capsys: pytest.CaptureFixture[str]) -> None:
    run("mlspec labels add outcomes.csv")
    (program,) = re.findall(r"```python\n(.*?)```", PAGES["labels"], re.S)
    exec(compile(program, "labels.md", "exec"), {})
    assert "accuracy: double" in capsys.readouterr().out
