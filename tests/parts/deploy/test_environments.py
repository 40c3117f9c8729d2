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
FILES = ("lambda/function.json", "lambda/log-group.json", "lambda/deploy-policy.json", "lambda/role-policy.json",
         "elasticsearch/index-template.json", "kibana/dashboard.ndjson", "kibana/rules/error-rate.json")  # fmt: skip


def made(folder: Path, text: str, environment: str | None) -> dict[str, str]:
    spec = folder / "mlproject.yaml"
    spec.write_text(text, encoding="utf-8")
    return {file.path: file.text for file in compile_project(spec, environment).files}


def function(folder: Path, text: str, environment: str | None = None) -> str:
    return str(json.loads(made(folder, text, environment)["lambda/function.json"])["FunctionName"])


def test_names_end_with_the_environment_by_default(tmp_path: Path) -> None:
    text = SPEC + "environments: {staging: {}, prod: {deploy: {lambda: {memory: 4096}}}}\n"
    trees = [made(tmp_path, text, environment) for environment in (None, "staging", "prod")]
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
        made(tmp_path, text + f"environments: {overlays}\n", chosen)
    (found,) = caught.value.diagnostics
    assert found.code == "shared-function"
    assert found.span is not None
    assert both in found.message
    assert "environments.staging.deploy.lambda.name" in found.help


def test_names_of_their_own_and_other_regions_are_accepted(tmp_path: Path) -> None:
    own = "environments: {staging: {deploy: {lambda: {name: answers-staging}}}}\n"
    assert function(tmp_path, NAMED + own, "staging") == "answers-staging"
    region = "environments: {staging: {registry: {ecr: {region: us-east-1}}}}\n"
    assert function(tmp_path, NAMED + region, "staging") == "answers"


@pytest.mark.parametrize("chosen", [None, "staging", "prod"])
def test_an_environment_with_a_name_of_its_own_does_not_hide_what_others_share(
    tmp_path: Path, chosen: str | None
) -> None:
    overlays = "environments: {staging: {}, prod: {deploy: {lambda: {name: answers-prod}}}}\n"
    with pytest.raises(SpecError) as caught:
        made(tmp_path, NAMED + overlays, chosen)
    assert [d.code for d in caught.value.diagnostics] == ["shared-function"]


def test_a_name_that_is_another_environments_default_is_refused(tmp_path: Path) -> None:
    overlays = "environments: {staging: {}, prod: {deploy: {lambda: {name: cola-staging}}}}\n"
    with pytest.raises(SpecError) as caught:
        made(tmp_path, SPEC + overlays, None)
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
        made(tmp_path, text, chosen)
    (found,) = caught.value.diagnostics
    assert (found.code, found.span is not None) == ("shared-index", True)
    assert both in found.message
    assert "environments.staging.monitor.elasticsearch.index" in found.help
