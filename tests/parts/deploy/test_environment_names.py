"""Two environments of one spec never share a function, a data stream or a dashboard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.compiler import compile_project
from mlspec.errors import SpecError
from tests.parts.targets import BASE, LAMBDA

SPEC = BASE + LAMBDA + "monitor: {elasticsearch: {}, alerts: {error_rate: '> 0.1'}}\n"
NAMED = SPEC.replace("{lambda: {}}", "{lambda: {name: answers}}")
ROLE = "arn:aws:iam::123456789012:role/ml"
FILES = ("lambda/function.json", "lambda/log-group.json", "lambda/deploy-policy.json", "lambda/role-policy.json",
         "elasticsearch/index-template.json", "kibana/dashboard.ndjson", "kibana/rules/error-rate.json")  # fmt: skip


def generated_files(folder: Path, text: str, environment: str | None) -> dict[str, str]:
    spec = folder / "mlproject.yaml"
    spec.write_text(text, encoding="utf-8")
    return {file.path: file.text for file in compile_project(spec, environment).files}


def function(folder: Path, text: str, environment: str | None = None) -> str:
    return str(json.loads(generated_files(folder, text, environment)["lambda/function.json"])["FunctionName"])


def test_names_end_with_the_environment_by_default(tmp_path: Path) -> None:
    text = SPEC + "environments: {staging: {}, prod: {deploy: {lambda: {memory: 4096}}}}\n"
    trees = [generated_files(tmp_path, text, environment) for environment in (None, "staging", "prod")]
    for path in FILES:
        assert len({tree[path] for tree in trees}) == 3, path
    assert [function(tmp_path, text, e) for e in (None, "staging", "prod")] == ["cola", "cola-staging", "cola-prod"]
    assert "predictions-cola-staging" in trees[1]["elasticsearch/index-template.json"]
    assert "role/cola-staging" in trees[1]["lambda/deploy-policy.json"]


def test_a_name_is_made_of_characters_that_a_function_may_have(tmp_path: Path) -> None:
    assert function(tmp_path, SPEC + 'environments: {"EU.west_1": {}}\n', "EU.west_1") == "cola-eu-west_1"


@pytest.mark.parametrize(
    ("overlays", "both"),
    [
        ("{staging: {}}", "`staging` and the spec without an environment"),
        (
            "{prod: {deploy: {lambda: {name: same}}}, staging: {deploy: {lambda: {name: same}}}}",
            "`staging` and the environment `prod`",
        ),
    ],
)
@pytest.mark.parametrize("chosen", [None, "staging"])
def test_a_shared_name_is_refused_and_names_both(tmp_path: Path, overlays: str, both: str, chosen: str | None) -> None:
    text = SPEC if "prod" in overlays else NAMED
    with pytest.raises(SpecError) as caught:
        generated_files(tmp_path, text + f"environments: {overlays}\n", chosen)
    (finding,) = caught.value.diagnostics
    assert finding.code == "shared-function"
    assert finding.span is not None
    assert both in finding.message
    assert "environments.staging.deploy.lambda.name" in finding.help


def test_names_of_their_own_and_other_regions_are_accepted(tmp_path: Path) -> None:
    own = "environments: {staging: {deploy: {lambda: {name: answers-staging}}}}\n"
    assert function(tmp_path, NAMED + own, "staging") == "answers-staging"
    region = "environments: {staging: {registry: {ecr: {region: us-east-1}}}}\n"
    assert function(tmp_path, NAMED.replace("name: answers", f"name: answers, role: '{ROLE}'") + region) == "answers"
    account = "environments: {staging: {registry: {ecr: {account: '210987654321'}}}}\n"
    assert function(tmp_path, NAMED + account, "staging") == "answers"


def findings(folder: Path, text: str, environment: str | None = None) -> list[tuple[str, str, str]]:
    """Code, message and help of every error."""
    with pytest.raises(SpecError) as caught:
        generated_files(folder, text, environment)
    return [(d.code, d.message, d.help) for d in caught.value.diagnostics]


@pytest.mark.parametrize("region", ["registry: {ecr: {region: us-east-1}}", "deploy: {lambda: {region: us-east-1}}"])
def test_two_environments_of_one_region_are_compared_too(tmp_path: Path, region: str) -> None:
    overlays = f"environments: {{one: {{{region}}}, two: {{{region}}}}}\n"
    assert ("shared-function", "`two` and the environment `one`") in [
        (code, message.partition("environment ")[2].partition(" would")[0])
        for code, message, _ in findings(tmp_path, NAMED + overlays)
    ]


def test_a_region_equal_to_the_default_does_not_separate_environments(tmp_path: Path) -> None:
    overlays = "environments: {staging: {deploy: {lambda: {region: eu-west-1}}}}\n"
    assert [code for code, *_ in findings(tmp_path, NAMED + overlays)] == ["shared-function"]


def test_names_behind_references_are_compared_as_they_come_out(tmp_path: Path) -> None:
    text = NAMED.replace("name: answers", "name: '${project.name}-fn'")
    own = "environments: {staging: {project: {name: other}}}\n"
    assert function(tmp_path, text + own, "staging") == "other-fn"
    assert [code for code, *_ in findings(tmp_path, text + "environments: {staging: {}}\n")] == ["shared-function"]


@pytest.mark.parametrize("chosen", [None, "us"])
def test_one_role_of_two_regions_is_refused(tmp_path: Path, chosen: str | None) -> None:
    """The policy of each would allow the logs of its own region alone."""
    ((code, message, help),) = findings(
        tmp_path, NAMED + "environments: {us: {registry: {ecr: {region: us-east-1}}}}\n", chosen
    )
    assert code == "shared-role"
    assert "the environment `us` and the spec without an environment would share the role `answers`" in message
    assert "environments.us.deploy.lambda.name" in help


def test_what_an_administrator_made_may_be_shared(tmp_path: Path) -> None:
    """A role, a boundary, a network: mlspec changes none of them."""
    given = f"role: '{ROLE}', vpc: {{subnets: [subnet-1], security_groups: [sg-1]}}"
    text = SPEC.replace("{lambda: {}}", f"{{lambda: {{{given}}}}}")
    tree = generated_files(tmp_path, text + "environments: {staging: {}, prod: {}}\n", "staging")
    assert json.loads(tree["lambda/function.json"])["Role"] == ROLE


def test_a_repository_may_be_shared_with_the_same_settings(tmp_path: Path) -> None:
    overlays = "environments: {staging: {registry: {ecr: {keep: 20}}}, prod: {registry: {ecr: {pull_accounts: []}}}}\n"
    assert function(tmp_path, SPEC + overlays, "prod") == "cola-prod"


@pytest.mark.parametrize("chosen", [None, "prod"])
def test_a_repository_with_two_settings_is_refused_and_names_both(tmp_path: Path, chosen: str | None) -> None:
    both = findings(tmp_path, SPEC + "environments: {prod: {registry: {ecr: {keep: 50}}}}\n", chosen)
    assert {code for code, _, _ in both} == {"shared-repository"}
    start, end = "`keep` of the shared repository `cola` is ", ": each apply would set it back"
    assert {message for _, message, _ in both} == {
        f"{start}50 in the environment `prod`, and 20 in the spec without an environment{end}",
        f"{start}20 in the spec without an environment, and 50 in the environment `prod`{end}",
    }
    assert all("environments.prod.registry.ecr.repository" in help for _, _, help in both)
    own = "environments: {prod: {registry: {ecr: {keep: 50, repository: cola-prod}}}}\n"
    assert function(tmp_path, SPEC + own, "prod") == "cola-prod"


@pytest.mark.parametrize("chosen", [None, "staging", "prod"])
def test_an_environment_with_a_name_of_its_own_does_not_hide_what_others_share(
    tmp_path: Path, chosen: str | None
) -> None:
    overlays = "environments: {staging: {}, prod: {deploy: {lambda: {name: answers-prod}}}}\n"
    with pytest.raises(SpecError) as caught:
        generated_files(tmp_path, NAMED + overlays, chosen)
    assert [d.code for d in caught.value.diagnostics] == ["shared-function"]


def test_a_name_that_is_another_environments_default_is_refused(tmp_path: Path) -> None:
    overlays = "environments: {staging: {}, prod: {deploy: {lambda: {name: cola-staging}}}}\n"
    with pytest.raises(SpecError) as caught:
        generated_files(tmp_path, SPEC + overlays, None)
    assert "`prod` and the environment `staging`" in caught.value.diagnostics[0].message


@pytest.mark.parametrize("chosen", [None, "staging"])
@pytest.mark.parametrize(
    ("index", "overlays", "both"),
    [
        ("{index: answers}", "{staging: {}}", "`staging` and the spec without an environment"),
        (
            "{}",
            "{prod: {monitor: {elasticsearch: {index: i}}}, staging: {monitor: {elasticsearch: {index: i}}}}",
            "`staging` and the environment `prod`",
        ),
    ],
)
def test_a_shared_data_stream_is_refused_and_names_both(
    tmp_path: Path, index: str, overlays: str, both: str, chosen: str | None
) -> None:
    text = SPEC.replace("elasticsearch: {}", f"elasticsearch: {index}") + f"environments: {overlays}\n"
    with pytest.raises(SpecError) as caught:
        generated_files(tmp_path, text, chosen)
    (finding,) = caught.value.diagnostics
    assert (finding.code, finding.span is not None) == ("shared-index", True)
    assert both in finding.message
    assert "environments.staging.monitor.elasticsearch.index" in finding.help
