"""`mlspec plan`: the sections beside files and stages."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspec.cli.app import main
from tests.parts.projects import numbers

LAMBDA = "export: {onnx: {}}\npackage: {docker: {}}\nregistry: {ecr: {repository: prices, region: eu-west-1}}\ndeploy: {lambda: {}}\n"


@pytest.mark.parametrize(("target", "billed"), [("aws", True), ("local", False)])
def test_costs_are_those_of_an_account(
    target: str, billed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # a rehearsal is one of the folder
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    numbers(tmp_path, LAMBDA)
    assert main(["plan", "--spec", "mlproject.yaml", "--target", target]) == 0
    assert ("Costs per month" in capsys.readouterr().out) is billed


@pytest.mark.parametrize(
    ("more", "options", "why"),
    [
        ("", [], "with `deploy.iac: none`"),
        (LAMBDA, [], "with `deploy.iac: none`"),
        (LAMBDA.replace("{lambda: {}}", "{iac: terraform, lambda: {}}"), [], "with `deploy.iac: terraform`"),
        (LAMBDA.replace("{lambda: {}}", "{iac: sam, lambda: {}}"), ["--target", "local"], "with --target local"),
    ],
)
def test_a_change_set_needs_a_stack(
    more: str,
    options: list[str],
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    numbers(tmp_path, more)
    assert main(["plan", "--change-set", *options]) == 2
    assert capsys.readouterr().err.startswith(
        f"error: --change-set needs a CloudFormation stack, which does not exist {why}\n"
    )
