"""Hydra's `conf/`: what it composes to is what the spec says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from mlspec.compiler import Build, compile_project
from mlspec.parts.all_parts import PARTS
from mlspec.parts.hydra import part
from mlspec.parts.hydra.group_files import group_file
from mlspec.plan.stage import Stage
from mlspec.render.renderer import render
from mlspec.run.hydra_text import written
from mlspec.sections.experiments import Experiments, Sweep
from mlspec.sections.model import Custom
from mlspec.sections.track import TrackSpec, Wandb
from mlspec.sections.train import TrainSpec
from mlspec.source.project_context import ProjectContext
from mlspec.spec.keys import models
from mlspec.spec.project import Project, ProjectInfo
from mlspec.spec.root import root_model, sections
from mlspec.starters import STARTERS, start
from tests.parts.targets import codes

ROOT = Path(__file__).resolve().parents[3]
STAGES = (Stage("train", "Train", "train"),)
HOSTILE = [
    "${x}", r"\${x}", r"\\${x}", "${oc.env:HOME}", "a ${b} c ${", "$${x}", "on", "off", "yes", "null",
    "~", "1e5", "1e-5", "010", "0x1f", "0b1", "1_000", ".5", ".inf", "nan", "12:30:45", "2026-01-01", "a\nb\n",
    "\n", " ", "", "é\u2028ü\x85",
    "#no", "a: b", "- a", "*a", "&a", "!tag", "{a}", "[a]", "'", '"', "\\", "\\\\", "a\\", "@package", "=", "<<", "%",
]  # fmt: skip
TEXT = st.one_of(
    st.sampled_from(HOSTILE), st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)
)
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False), TEXT
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)


def composed(folder: Path, project: Project, overrides: list[str]) -> dict[str, Any]:
    for file in render(part.artifacts(project, STAGES), {}):
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.path).write_text(file.text, encoding="utf-8")
    with initialize_config_dir(str(folder / "conf"), version_base="1.3"):
        result = OmegaConf.to_container(compose("config", overrides), resolve=True)
    assert isinstance(result, dict)
    return {str(key): value for key, value in result.items()}


def project(values: Mapping[str, Any], **sections: Any) -> Project:
    return Project(sections, ProjectContext(), values=values)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(TEXT, VALUES, max_size=4))
@example(values={text: text for text in HOSTILE})
@example(values={"missing": "???"})
def test_what_hydra_composes_is_what_the_spec_says(
    values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    given = {"model": values, "train": {"text": list(values.values())}}
    assert composed(tmp_path_factory.mktemp("conf"), project(given), []) == given


@pytest.mark.parametrize("text", [*HOSTILE, "it's", "\\'", "a,b", "x=1", "ü"])
def test_an_override_is_read_back_unchanged(text: str) -> None:
    if "\n" in text or "\x85" in text:
        pytest.skip("an override is one line")
    override = OverridesParser.create().parse_override(f"a.b={written(text)}")
    value = override.value()
    assert OmegaConf.to_container(OmegaConf.create({"x": value.text if hasattr(value, "text") else value})) is not None
    config = OmegaConf.create({"x": None})
    config.x = value.text if hasattr(value, "text") else value
    assert OmegaConf.to_container(config, resolve=True) == {"x": text}


def test_an_experiment_is_laid_over_the_values(tmp_path: Path) -> None:
    experiments = Experiments({"fast": {"train.max_epochs": 1, "train.optimizer": {"momentum": 0.5}}})
    values = {"train": TrainSpec().model_dump(mode="json"), "experiments": experiments.model_dump(mode="json")}
    result = composed(tmp_path, project(values, experiments=experiments), ["experiment=fast"])
    assert result["train"]["max_epochs"] == 1
    assert result["train"]["optimizer"] == {**values["train"]["optimizer"], "momentum": 0.5}
    assert "experiments" not in result


def test_the_sweep_in_the_format_of_wandb() -> None:
    sweep = Sweep.model_validate(
        {
            "method": "bayes",
            "metric": "valid/f1",
            "goal": "maximize",
            "trials": 7,
            "early_terminate": {"min_iter": 2, "eta": 4},
            "parameters": {
                "train.learning_rate": {"min": 1e-5, "max": 1e-3, "log": True},
                "train.batch_size": {"values": [16, 32]},
                "train.max_epochs": {"min": 1.0, "max": 4.0, "whole": True},
            },
        }
    )
    track = TrackSpec(wandb=Wandb(project="cola: 1"))
    values = {"sweep": sweep.model_dump(mode="json")}
    info = ProjectInfo(name="cola")
    files = render(part.artifacts(project(values, sweep=sweep, track=track, project=info), STAGES), {})
    result = yaml.safe_load(next(file.text for file in files if file.path == "sweep.yaml"))
    assert result["project"] == "cola: 1"
    assert result["command"][:3] == ["mlspec", "run", "train"]
    assert result["command"][-1] == "${args_no_hyphens}"
    assert result["metric"] == {"name": "valid/f1", "goal": "maximize"}
    assert result["run_cap"] == 7
    assert result["early_terminate"] == {"type": "hyperband", "min_iter": 2, "eta": 4, "strict": False}
    assert result["parameters"]["train.learning_rate"] == {
        "distribution": "log_uniform_values",
        "min": 1e-5,
        "max": 1e-3,
    }
    assert result["parameters"]["train.batch_size"] == {"values": [16, 32]}
    assert result["parameters"]["train.max_epochs"]["distribution"] == "q_uniform"


@pytest.mark.parametrize(
    ("key", "parameter", "code"),
    [
        ("train.max_epochs", {"values": [1, 2]}, None),
        ("train.max_epoch", {"values": [1, 2]}, "sweep-unknown-key"),
        ("train", {"values": [1, 2]}, "sweep-unknown-key"),
        ("export.opset", {"values": [18]}, "sweep-unknown-key"),
        ("train.early_stopping.patience", {"values": [1, 2]}, "sweep-unknown-key"),
        ("train.max_epochs", {"values": [0]}, "sweep-range"),
        ("train.optimizer.type", {"values": ["adam"]}, "sweep-range"),
        ("train.max_epochs", {"min": 1.0, "max": 4.0}, "sweep-range"),
        ("train.max_epochs", {"min": 1.0, "max": 4.0, "whole": True}, None),
        ("train.learning_rate", {"min": 1e-5, "max": 100.0, "log": True}, "sweep-range"),
        ("train.learning_rate", {"min": 1e-3, "max": 1e-5}, "sweep-range"),
        ("train.learning_rate", {"min": 0.0, "max": 1e-5, "log": True}, "sweep-range"),
        ("train.learning_rate", {"min": 1e-3}, "sweep-range"),
        ("train.learning_rate", {}, "sweep-range"),
        ("train.learning_rate", {"values": [0.1], "min": 0.1, "max": 0.2}, "sweep-range"),
    ],
)
def test_a_sweep_varies_known_keys_within_their_limits(key: str, parameter: Any, code: str | None) -> None:
    sweep = Sweep.model_validate({"parameters": {key: parameter}})
    train = TrainSpec()
    values = {"train": train.model_dump(mode="json"), "sweep": sweep.model_dump(mode="json")}
    diagnostic = {finding.code for finding in part.check(project(values, train=train, sweep=sweep))}
    assert diagnostic == ({code} if code else set())


def test_an_error_in_a_section_causes_no_false_errors_in_the_sweep(tmp_path: Path) -> None:
    sweep = "sweep: {method: random, metric: valid/loss, goal: minimize, parameters: {train.learning_rate: {min: 1e-5, max: 1e-3}}}\n"
    assert codes(tmp_path, "train: {max_epochs: forty}\n" + sweep) == ["wrong-type"]


SPECS = sorted(str(spec.relative_to(ROOT)) for spec in (ROOT / "specs").rglob("mlproject.yaml"))


@pytest.fixture(scope="module", params=[*SPECS, *STARTERS])
def build(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Build:
    if request.param in SPECS:
        return compile_project(ROOT / request.param)
    folder = tmp_path_factory.mktemp("starter") / request.param
    start(request.param, folder, "cola", "{}\n")
    return compile_project(folder / "mlproject.yaml")


def groups(build: Build) -> dict[str, str]:
    """Section to the text of its group."""
    files = (file for file in build.files if file.path.endswith("/default.yaml"))
    return {file.path.split("/")[1]: file.text for file in files}


def test_composing_and_validating_gives_the_values_of_the_spec(build: Build, tmp_path: Path) -> None:
    for file in build.files:
        if file.path.startswith("conf/"):
            (tmp_path / file.path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file.path).write_text(file.text, encoding="utf-8")
    if not groups(build):
        return
    with initialize_config_dir(str(tmp_path / "conf"), version_base="1.3"):
        result = OmegaConf.to_container(compose("config"), resolve=True)
    validated = sections(root_model(PARTS).model_validate_json(json.dumps(result)))
    for name in groups(build):
        section = validated[name]
        read = group_file(build.project.sections[name], build.project.values[name])
        assert group_file(section, section.model_dump(mode="json")) == read


def test_no_file_of_conf_contains_null(build: Build) -> None:
    """Except for the two keys of Hydra itself: https://hydra.cc/docs/1.3/configure_hydra/workdir/."""
    own = {"config.yaml: defaults.experiment", "config.yaml: hydra.output_subdir"}
    files = {file.path: yaml.safe_load(file.text) for file in build.files if file.path.startswith("conf/")}
    actual = {key for path, values in files.items() for key in nulls(values, f"{path.removeprefix('conf/')}: ")}
    assert actual == (own if files else set())


def test_every_parameter_of_dvc_has_a_value(build: Build) -> None:
    """DVC fails on a key that is missing, and does not notice one that disappears."""
    values = {section: yaml.safe_load(text) for section, text in groups(build).items()}
    for name in {name for stage in build.plan.stages if not stage.effects for name in stage.params}:
        node = values
        for step in name.split("."):
            assert step in node, name
            node = node[step]
        assert node is not None, name


def nulls(value: object, at: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from nulls(inner, f"{at}.{key}" if at[-1] != " " else f"{at}{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from nulls(inner, at)
    elif value is None:
        yield at


def test_every_key_of_the_language_has_a_comment(build: Build) -> None:
    for section, text in groups(build).items():
        lines = text.splitlines()
        for key in yaml.safe_load(text):
            at = next(at for at, line in enumerate(lines) if line.startswith(f"{key}:"))
            assert "  # " in lines[at] or lines[at - 1].startswith("# "), f"{section}.{key}"
        assert all(len(line) <= 120 or "https://" in line for line in lines)


def test_sections_that_no_stage_reads_are_not_config_groups() -> None:
    build = compile_project(ROOT / "specs" / "full" / "mlproject.yaml")
    assert {*build.project.sections} - {*groups(build)} == {"budget", "ci", "experiments", "lock", "orchestrate", "run"}
    model = root_model(PARTS)
    unread = [
        name for name in model.model_fields if name not in (*groups(build), "mlspec", "experiments", "environments")
    ]
    for name in unread:
        for read in models(model.model_fields[name].annotation):
            assert not getattr(read, "READ_BY_STAGES", True)
            users = [
                file for file in (ROOT / "mlspec").rglob("*.py") if f"job.need({read.__name__})" in file.read_text()
            ]
            assert users == []


def test_a_null_that_differs_from_the_default_stays() -> None:
    section = Custom.model_validate({"class": "src.m:M", "args": {"width": None}})
    assert group_file(section, section.model_dump(mode="json")).values["args"] == {"width": None}


def test_a_group_has_only_the_keys_that_stages_read(tmp_path: Path) -> None:
    """Of `monitor` a stage reads what is installed in Elasticsearch; without it none reads the section."""
    full = compile_project(ROOT / "specs" / "full" / "mlproject.yaml")
    monitor = yaml.safe_load(groups(full)["monitor"])
    assert set(monitor) == {"log", "elasticsearch", "alerts"}
    assert set(monitor["log"]) == {"inputs", "columns", "low_confidence"}
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sentences.csv").write_text("sentence,label\n", encoding="utf-8")
    spec = (ROOT / "tests" / "golden" / "projects" / "minimal" / "mlproject.yaml").read_text(encoding="utf-8")
    (tmp_path / "mlproject.yaml").write_text(f"{spec}monitor: {{drift: {{}}}}\n", encoding="utf-8")
    assert "monitor" not in groups(compile_project(tmp_path / "mlproject.yaml"))
