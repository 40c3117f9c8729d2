"""When the stage `track` exists, what it depends on, and how a server may be logged in to."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.sections.track import TrackSpec, tracked_extras
from mlspec.tracking.all_trackers import TRACKERS, UPLOADS
from tests.parts.targets import build, codes

URI = "uri: 'https://mlflow.example.org'"


@pytest.mark.parametrize(
    ("track", "inputs"),
    [
        (f"{{mlflow: {{{URI}}}}}", True),
        ("{dagshub: {repo: ada/cola}}", True),
        (f"{{mlflow: {{{URI}, mode: offline}}}}", False),
        ("{wandb: {project: cola, mode: online}}", False),
    ],
)
def test_a_tracker_that_is_online_and_shows_results_has_a_stage(tmp_path: Path, track: str, inputs: bool) -> None:
    stages = {s.name: s for s in build(tmp_path, f"train: {{}}\nexport: {{}}\ntrack: {track}\n").plan.stages}
    assert ("track" in stages) == inputs
    if inputs:
        assert stages["track"].effects
        assert stages["track"].needs == ("extra:mlflow",)
        assert {"artifacts/model/best.ckpt", "artifacts/bundle"} <= set(stages["track"].inputs)


def test_without_a_training_nothing_is_uploaded(tmp_path: Path) -> None:
    assert "track" not in [s.name for s in build(tmp_path, f"track: {{mlflow: {{{URI}}}}}\n").plan.stages]


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        ("", []),
        (", token: {env: A}", []),
        (", username: {env: A}, password: {env: B}", []),
        (", username: {env: A}", ["incomplete-login"]),
        (", password: {env: A}", ["incomplete-login"]),
        (", username: {env: A}, password: {env: B}, token: {env: C}", ["conflicting-options"]),
    ],
)
def test_a_login_is_a_user_with_a_password_or_a_token(tmp_path: Path, login: str, expected: list[str]) -> None:
    assert codes(tmp_path, f"train: {{}}\ntrack: {{mlflow: {{{URI}{login}}}}}\n") == expected


def test_every_tracker_of_the_language_is_registered() -> None:
    assert set(TRACKERS) == set(TrackSpec.model_fields)
    assert set(UPLOADS) == {name for name in TRACKERS if name != "wandb"}


def test_trackers_with_the_same_client_need_one_extra() -> None:
    track = TrackSpec.model_validate({"mlflow": {"uri": "https://a.example"}, "dagshub": {"repo": "ada/cola"}})
    assert tracked_extras(track) == ["mlflow"]
