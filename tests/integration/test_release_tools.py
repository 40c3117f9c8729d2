"""The release workflow with the real programs, executed by act: a zip by each tool of `deploy.iac`, and a rollback.

AWS is emulated on this machine; `released.STAND_INS` has what is not real, and why.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

import pytest

from tests.integration.account_roles import create_roles
from tests.integration.released import RELEASE, Released
from tests.parts.sam.sam_environment import sam_folder
from tests.parts.serverless.packages import osls
from tests.parts.terraform.providers import provider_folder, running_provider
from tests.scenarios.test_retraining_loop import penguins
from tests.shipping.recorded_requests import recorded

pytestmark = pytest.mark.slow
PROGRAMS: Final[Mapping[str, Callable[[], tuple[str, str]]]] = {
    "sam": lambda: ("SAM", str(sam_folder() / "bin" / "sam")),
    "serverless": lambda: ("OSLS", osls()),
}
"""The variable from which a stand-in reads the path of the real program, and the path."""


def test_a_release_and_a_rollback_by_dispatch(released: Released) -> None:
    released.model(1)
    released.administer()
    one = released.live()

    released.model(2)
    result = released.release()
    assert result.code == 0, result
    assert result.jobs == {"build": "success", "ship": "success"}
    assert {result.steps["build"][name] for name in ("Pull the model", "Check that the model is up to date")} == {
        "success"
    }
    assert "2  live" in result.summary["ship"]
    assert "attest artifacts/function.zip artifacts/sbom.json" in released.calls
    two = released.live()
    assert (one[0], two[0], one[1] != two[1]) == ("1", "2", True)

    answers = labels_and_scores(released)

    before = len(released.calls)
    back = released.run(RELEASE, "workflow_dispatch", {"rollback": "1"})
    assert back.jobs == {"rollback": "success"}, back
    assert released.live() == one
    assert labels_and_scores(released) != answers, "of the other model"
    assert released.calls[before:] == ["role release"]
    refused = released.run(RELEASE, "workflow_dispatch", {"rollback": "7"})
    assert refused.jobs == {"rollback": "failure"}, refused
    assert "version not found: 7" in refused.text
    assert released.live() == one


def labels_and_scores(released: Released) -> list[tuple[str, float]]:
    """What the live function predicts of penguins of which it knows the species."""
    rows = penguins(released.root)[:60]
    inputs = [{name: value for name, value in row.items() if name != "species"} for row in rows]
    answers = json.loads(released.answered(inputs)["body"])
    right = [answer["label"] == row["species"] for answer, row in zip(answers, rows, strict=True)]
    assert sum(right) > 0.9 * len(right)
    return [(answer["label"], answer["score"]) for answer in answers]


def test_a_release_never_trains(released: Released) -> None:
    released.model(1)
    create_roles(released.root, released.client("iam"))
    spec = released.root / "mlproject.yaml"
    spec.write_text(spec.read_text(encoding="utf-8").replace("seed: 1\n", "seed: 3\n"), encoding="utf-8")
    released.program("mlspec", "build")
    released.commit()
    result = released.release()
    assert result.jobs == {"build": "failure"}, result
    assert result.steps["build"]["Check that the model is up to date"] == "failure"
    assert "dvc.lock is not up to date: run the workflow Train, and merge its pull request." in result.text
    assert "mlspec run train" not in released.calls


def test_terraform_creates_the_function_and_the_workflow_delivers(
    released: Released, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_CLI_CONFIG_FILE", raising=False)
    released.model(1, "terraform")
    keys = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    with running_provider({name: released.environment[name] for name in keys}) as provider:
        released.variables |= {
            "TF_CLI_ARGS_init": f"-plugin-dir={provider_folder()}",
            "TF_REATTACH_PROVIDERS": provider,
        }
        released.administer("terraform")
        one = released.live()
        released.model(2, "terraform")
        result = released.release()
        assert result.code == 0, result
        two = released.live()
        assert (one[0], two[0], one[1] != two[1]) == ("1", "2", True)
        assert "2  live" in result.summary["ship"]


@pytest.mark.parametrize("iac", ["sam", pytest.param("serverless", marks=pytest.mark.node)])
def test_a_stack_is_deployed_and_then_updated_by_its_own_program(released: Released, iac: str) -> None:
    name, program = PROGRAMS[iac]()
    released.variables[name] = program
    with recorded(released.aws) as (endpoint, seen):
        released.aws = released.variables["AWS_STAND_IN"] = endpoint
        released.model(1, iac)
        released.administer(iac)
        one = released.live()
        seen.requests.clear()
        released.model(2, iac)
        result = released.release()
        assert seen.refused == [], "the role has every right that the release needs"
        assert result.code == 0, result
        two = released.live()
        labels_and_scores(released)
    assert (one[0], two[0], one[1] != two[1]) == ("1", "2", True)
    assert "2  live" in result.summary["ship"]
    assert "ExecuteChangeSet" in {request.operation for request in seen.changing}, "the program itself deploys"
