"""The stages of a release after a training on labelled predictions, and a release that a missing program stops."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mlspec.cli.applying import ApplyOptions, apply, plan_source
from mlspec.cli.retrain_command import PipelineConsole, built_stages, release_stages
from mlspec.run.schedule import Selection
from tests.parts.projects import written
from tests.parts.targets import EXPORT, LAMBDA, PACKAGE, build

SPEC = """\
project: {name: sizes}
data: {source: data/sizes.csv, track: git, inputs: {size: number}, target: {column: price, type: number}}
model: {type: tabular}
"""


@pytest.mark.parametrize(
    ("iac", "infrastructure", "required"),
    [
        ("none", set(), ("export", "push", "deploy")),
        ("terraform", {"foundation", "service"}, ("export", "push", "deploy")),
        ("sam", {"sam-foundation"}, ("export", "push", "sam-service", "deploy")),
        ("serverless", {"serverless-foundation"}, ("export", "push", "serverless-service", "deploy")),
    ],
)
def test_a_release_leaves_the_infrastructure_to_its_tool(
    iac: str, infrastructure: set[str], required: tuple[str, ...], tmp_path: Path
) -> None:
    built = build(tmp_path, LAMBDA.replace("{lambda: {}}", f"{{iac: {iac}, lambda: {{}}}}"))
    release = release_stages(built.project, built.plan.stages)
    assert {stage.name for stage in built.plan.stages} - {*release.selected} == infrastructure
    assert release.required == required


OTHERS = """\
bucket: {name: our-models}
test: {robustness: {}}
monitor: {elasticsearch: {url: {env: ELASTIC_URL}}}
"""


def test_a_release_has_the_tests_of_its_model_and_nothing_that_does_not_depend_on_it(tmp_path: Path) -> None:
    built = build(tmp_path, LAMBDA + OTHERS)
    stages = built.plan.stages
    release, here = release_stages(built.project, stages), built_stages(built.project, stages)
    assert {stage.name for stage in stages} - {*release.selected} == {"bucket", "monitor"}
    assert {"robustness", "test"} < {*here.selected}
    assert [*release.selected] == [*here.selected, "push", "deploy"]
    assert here.required == ("export", "image")


def test_without_a_deployment_a_release_is_the_new_bundle(tmp_path: Path) -> None:
    packaged = build(tmp_path, PACKAGE)
    assert release_stages(packaged.project, packaged.plan.stages).required == ("export",)
    bundle = build(tmp_path, EXPORT)
    release = release_stages(bundle.project, bundle.plan.stages)
    assert release == built_stages(bundle.project, bundle.plan.stages)
    assert release == (("data", "train", "export"), ("export",))


@pytest.mark.slow
@pytest.mark.parametrize(("required", "code"), [((), 0), (("image",), 4)], ids=["any stage", "the image"])
def test_a_required_stage_whose_program_is_missing_fails_the_run(
    required: tuple[str, ...],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    rows = "size,price\n" + "".join(f"{n},{2 * n}\n" for n in range(40))
    root = written(tmp_path / "p", {"mlproject.yaml": SPEC + PACKAGE, "data/sizes.csv": rows}).root
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    options = ApplyOptions(
        Selection(None, ("data", "image")), None, 1, None, (),
        allow_breaking=False, adopt=False, yes=True, dry_run=False, required=required,
    )  # fmt: skip
    source = plan_source(None, str(root / "mlproject.yaml"), None, options)
    assert apply(PipelineConsole(), source, options) == code
    printed = capsys.readouterr().err
    assert "skipped image:" in printed
    assert ("error: image was skipped" in printed) == bool(required)
