"""The deployments of a Prefect server compared with prefect.yaml. tests/integration/test_prefect.py asks a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mlspec.parts.prefect.deployment_drift import differences, notices
from tests.parts.targets import build

ROOT = Path("/work")
TEXT = 'orchestrate: {prefect: {schedule: "0 3 * * 1"}}\nenvironments:\n  prod: {model: {dropout: 0.2}}\n'
SERVER: dict[str, Any] = {
    "name": "base",
    "entrypoint": "orchestrate/prefect/flow.py:pipeline",
    "parameters": {"environment": None, "release": False},
    "work_pool_name": "default",
    "schedules": [{"active": True, "schedule": {"cron": "0 3 * * 1", "timezone": "UTC", "day_or": True}}],
    "pull_steps": [{"prefect.deployments.steps.set_working_directory": {"directory": "/work"}}],
    "paused": False,
}
PROD = {**SERVER, "name": "prod", "parameters": {"environment": "prod", "release": False}, "schedules": []}


def differences_of(folder: Path, *deployments: dict[str, Any], text: str = TEXT) -> list[str]:
    files = {file.path: file.text for file in build(folder, text).files}
    return list(differences(yaml.safe_load(files["prefect.yaml"]), deployments, ROOT))


def test_nothing_differs_after_a_deployment(tmp_path: Path) -> None:
    assert differences_of(tmp_path, SERVER, PROD) == []


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        ({"work_pool_name": "gpus"}, 'work pool ("gpus")'),
        ({"parameters": {"environment": "prod"}}, 'parameters ({"environment": "prod"})'),
        ({"schedules": []}, "schedules ([])"),
        ({"schedules": [{**SERVER["schedules"][0], "active": False}]}, "schedules ([])"),
        ({"paused": True}, "paused (true)"),
        ({"pull_steps": None}, "pull steps (null)"),
    ],
)
def test_what_was_edited_on_the_server(edit: dict[str, Any], text: str, tmp_path: Path) -> None:
    expected = f"the deployment base differs on the server in {text}: prefect deploy --all"
    assert differences_of(tmp_path, {**SERVER, **edit}, PROD) == [expected]


def test_pull_steps_of_an_earlier_spec(tmp_path: Path) -> None:
    text = TEXT.replace('"0 3 * * 1"', '"0 3 * * 1", repository: "https://example.org/a/b"')
    messages = differences_of(tmp_path, SERVER, PROD, text=text)
    assert [line.partition(" (")[0] for line in messages] == [
        "the deployment base differs on the server in pull steps",
        "the deployment prod differs on the server in pull steps",
    ]


def test_deployments_that_only_one_side_has(tmp_path: Path) -> None:
    assert differences_of(tmp_path, SERVER, {**SERVER, "name": "old"}) == [
        "the deployment prod is not on the server: prefect deploy --all",
        "the deployment old is on the server and not in the spec: prefect deployment delete 'cola/old'",
    ]


def test_a_server_is_asked_only_where_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = build(tmp_path, TEXT)
    texts = {file.path: file.text for file in built.files}
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert notices(built.project, texts, ROOT) == []
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    (line,) = notices(built.project, texts, ROOT)
    assert "PREFECT_API_URL does not answer" in line
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/with a space")
    (line,) = notices(built.project, texts, ROOT)
    assert "PREFECT_API_URL does not answer" in line
    assert notices(build(tmp_path, "train: {}\n").project, {}, ROOT) == []
