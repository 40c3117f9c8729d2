"""`mlspec plan`, `apply` and `destroy` on a project that stores its predictions in Elasticsearch, against a stand-in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlspec.cli.app import main
from tests.elastic.stand_in import StandIn, stand_in
from tests.parts.targets import BASE

Run = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with stand_in() as state:
        yield state


@pytest.fixture
def run(server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cola.csv").write_text("sentence,label\na,no\n", encoding="utf-8")
    spec = f"{BASE}monitor: {{elasticsearch: {{kibana_url: {{env: KIBANA_URL}}}}}}\n"
    (tmp_path / "mlproject.yaml").write_text(spec, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name, value in {"ELASTIC_URL": server.url, "KIBANA_URL": server.url, "ELASTIC_API_KEY": "a2V5"}.items():
        monkeypatch.setenv(name, value)

    def command(*words: str) -> tuple[int, Any]:
        code = main([*words, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return command


def test_a_project_is_installed_compared_and_removed(server: StandIn, run: Run, tmp_path: Path) -> None:
    code, plan = run("plan", "--only", "monitor")
    assert code == 0
    assert plan["remote"]["changes"][0]["resource"] == "component template predictions-cola-default@mappings"
    assert not server.stored
    assert run("apply", "--only", "monitor", "--yes")[0] == 0
    assert server.wrong == []
    assert (tmp_path / ".mlspec" / "elasticsearch" / "server.env").is_file()
    assert run("plan", "--only", "monitor")[1]["remote"]["changes"] == []
    server.stored["/api/dashboards/predictions-cola-default-dashboard"]["title"] = "Mine"
    (change,) = run("plan", "--only", "monitor")[1]["remote"]["changes"]
    assert (change["setting"], change["old"]) == ("title", "Mine")
    code, removed = run("destroy", "--yes", "--predictions")
    assert code == 0
    assert not (tmp_path / ".mlspec" / "elasticsearch" / "server.env").exists()
    assert "data stream predictions-cola-default" in removed["removed"]
    assert server.stored == {}


def test_without_the_address_the_stage_is_skipped_and_says_so(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "mlproject.yaml"
    spec.write_text(spec.read_text().replace("KIBANA_URL", "NOT_SET_ANYWHERE"))
    code, result = run("apply", "--only", "monitor", "--yes")
    assert code == 4, "nothing ran"
    (outcome,) = result["outcomes"]
    assert outcome["status"] == "skipped"
    assert "NOT_SET_ANYWHERE" in json.dumps(outcome)


def test_a_rehearsal_leaves_the_stack_alone(server: StandIn, run: Run) -> None:
    before = len(server.writes)
    assert run("plan", "--only", "monitor", "--target", "local")[1]["remote"]["changes"] == []
    assert len(server.writes) == before
