"""What a command line gets wrong is said with its key, its place and the way on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.lines import SPEC, Line, line

pytestmark = pytest.mark.slow
WITH_TRAIN = SPEC + "train: {max_epochs: 2}\nexport: {onnx: {}}\nexperiments: {fast: {train.max_epochs: 1}}\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Line:
    created = line(tmp_path_factory.mktemp("built"), WITH_TRAIN)
    assert created.mlspec("build")[0] == 0
    return created


@pytest.mark.parametrize(
    ("override", "code", "message"),
    [
        ("train.max_epoch=1", 2, ["cannot override `train.max_epoch`", "did you mean `train.max_epochs`?"]),
        ("track.wandb.project=x", 2, ["cannot override `track.wandb.project`", "to add it: +track.wandb.project=x"]),
        ("traim.max_epochs=1", 2, ["cannot override `traim.max_epochs`", "did you mean `train.max_epochs`?"]),
        ("nothing.like=it", 2, ["cannot override `nothing.like`", "sections: `data`"]),
        ("+train.max_epochs=1", 2, ["`train.max_epochs` already has a value", "without the plus"]),
        ("experiment=fats", 2, ["experiment not found: `fats`", "did you mean `fast`?"]),
        ("+experiment=fast", 2, ["`experiment` is already selected", "experiment=NAME"]),
        ("train.max_epochs=[", 2, ["cannot parse the override `train.max_epochs=[`", "KEY=VALUE"]),
        ("max_epochs=5", 2, ["cannot override `max_epochs`", "did you mean `train.max_epochs`?"]),
        ("train.max_epochs=1,2", 2, ["the override `train.max_epochs=1,2` has several values", "add -m"]),
        ("train.max_epochs=range(1,3)", 2, ["has several values", "add -m"]),
        ("a..b=3", 2, ["cannot parse the override `a..b=3`"]),
        ("=3", 2, ["the override `=3` has no key", "KEY=VALUE"]),
        ("@x=3", 2, ["the override `@x=3` has no key"]),
        ("train=5", 2, ["the override `train=5` gives a section a value", "train.KEY=VALUE"]),
        ("experiment=5", 2, ["the override `experiment=5` selects no experiment", "experiment=NAME"]),
        ("train=null", 2, ["gives a section a value"]),
        ("train=", 2, ["gives a section a value"]),
        ("train@x=[1]", 2, ["gives a section a value"]),
        ("train.max_epochs=${oops}", 2, ["cannot resolve `train.max_epochs`: Interpolation key 'oops' not found"]),
        ("train.max_epochs=${train.max_epochs}", 2, ["cannot resolve"]),
        ("hydra.run.dir=mlproject.yaml", 4, ["Hydra cannot create", "File exists", "change hydra.run.dir"]),
        ("train.max_epochs=-3", 1, ["command line:1:18: error[out-of-range]", "train.max_epochs=-3\n   |                  ^^"]),
        ("train.optimizer.type=adm", 1, ["command line:1:22: error[not-one-of]", "did you mean `adamw`?"]),
        ("train.learning_rate=on", 1, ["command line:1:21: error[wrong-type]"]),
        ("+train.momentun=1", 1, ["command line:1:2: error[unknown-key]"]),
        ("~train.max_epochs", 0, []),
        ("data.format.delimiter=x", 0, []),
        ("data.format.delimiter=3", 1, ["error[wrong-type]: `data.format.delimiter` must be text"]),
        ("data.format.delimitr=3", 2, ["cannot override `data.format.delimitr`"]),
        ("train.early_stopping.patience=2", 0, []),
        ("train.max_steps=2", 0, []),
        ("ci.github.python=3.12", 1, ["command line:1:1: error[unknown-key]: no stage reads `ci`", "change `ci.github.python` in mlproject.yaml"]),
        ("deploy.lambda.memory=2048", 1, ["command line:1:1: error[unknown-key]: the stage `train` does not read `deploy`", "stages that read `deploy`: none of this project; or change"]),
        ("+deploy.lambda.timeout=9", 1, ["command line:1:2: error[unknown-key]: the stage `train` does not read `deploy`"]),
        ("export.onnx.opset=18", 1, ["the stage `train` does not read `export`", "stages that read `export`: export; or change"]),
        ("~export.onnx", 1, ["the stage `train` does not read `export`"]),
        ("monitor.drift.tolerance=0.1", 1, ["error[unknown-key]: no stage reads `monitor.drift`"]),
        ("monitor.log.flush=2s", 1, ["error[unknown-key]: no stage reads `monitor.log.flush`"]),
        ("package.docker.user=1234", 1, ["error[unknown-key]: no stage reads `package.docker.user`"]),
        ("+ci.github.schedule=x", 1, ["command line:1:2: error[unknown-key]: no stage reads `ci`"]),
    ],
)  # fmt: skip
def test_an_invalid_override(built: Line, override: str, code: int, message: list[str]) -> None:
    words = ["--cfg", "job"] if code == 0 else []
    result, out, err = built.mlspec("run", "train", *words, override)
    assert result == code, out + err
    for text in message:
        assert text in err
    assert "Traceback" not in out + err


def test_stages_that_run_with_the_same_overrides_share_them(built: Line) -> None:
    shared = ("run", "--beside", "data,train", "data", "train.max_epochs=1")
    assert built.mlspec(*shared)[0] == 0
    code, _, err = built.mlspec(*shared, "export.onnx.opset=18")
    assert (code, "none of the stages `data`, `train` reads `export`" in err) == (1, True), err


def test_an_unknown_stage(built: Line) -> None:
    code, _, err = built.mlspec("run", "trian")
    assert (code, "did you mean `train`?" in err) == (2, True)
    code, _, err = built.mlspec("run", "--beside", "data, trian", "data")
    assert (code, "stage not found: `trian`" in err, "did you mean `train`?" in err) == (2, True, True), err


def test_a_stage_before_the_first_build_is_refused(tmp_path: Path) -> None:
    code, _, err = line(tmp_path).mlspec("run", "data")
    assert code == 4
    assert "run `mlspec build` first" in err


def test_experiments_packages_and_help_of_hydra_work(built: Line) -> None:
    _, out, _ = built.mlspec("run", "data", "experiment=fast", "--cfg", "job", "--package", "train")
    assert "max_epochs: 1" in out
    help = built.mlspec("run", "data", "--help")[1]
    assert help.startswith("mlspec run data [OVERRIDES]")
    assert "experiment: fast" in help
    assert "max_epochs: 2" in help


def test_an_edit_of_conf_is_reported_at_its_file(tmp_path: Path) -> None:
    created = line(tmp_path, WITH_TRAIN)
    created.mlspec("build")
    conf = tmp_path / "conf" / "train" / "default.yaml"
    conf.write_text(conf.read_text().replace("max_epochs: 2", "max_epochs: 0"))
    code, _, err = created.mlspec("run", "data")
    assert code == 1
    assert "conf/train/default.yaml: error[out-of-range]" in err
