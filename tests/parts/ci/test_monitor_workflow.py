"""The rights of the workflow that watches a served model."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mlspec.parts.ci.monitor_workflow import policy
from tests.parts.targets import BASE, LAMBDA, build, files


@pytest.mark.parametrize(("options", "function"), [("lambda: {}", "cola"), ("lambda: {name: cola-eu}", "cola-eu")])
def test_the_predictions_of_the_function_are_readable(options: str, function: str, tmp_path: Path) -> None:
    text = LAMBDA.replace("lambda: {}", options) + "ci: {}\nmonitor: {drift: {}}\n"
    assert options in text
    project = build(tmp_path, text, BASE.replace("data:\n", "data:\n  remote: s3://bucket/dvc\n")).project
    logs = policy(project, "123456789012").statements[0]
    group = f"arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/{function}"
    assert logs.resource == (group, f"{group}:*")


@pytest.mark.parametrize(
    ("source", "readable", "listed"),
    [
        ("s3://bucket/sold/*.csv", "arn:aws:s3:::bucket/sold/*", []),
        ("s3://other/2026/labels.csv", "arn:aws:s3:::other/2026/labels.csv", ["arn:aws:s3:::other"]),
        ("s3://other/[ab]/$${x}.csv", "arn:aws:s3:::other/*", ["arn:aws:s3:::other"]),
        ("labels/*.csv", None, []),
    ],
)
def test_labels_in_s3_are_readable(source: str, readable: str | None, listed: list[str], tmp_path: Path) -> None:
    text = f"{LAMBDA}ci: {{}}\nmonitor: {{labels: {{source: {source!r}}}}}\n"
    project = build(tmp_path, text, BASE.replace("data:\n", "data:\n  remote: s3://bucket/dvc\n")).project
    rights = {each.sid: each.resource for each in policy(project).statements}
    assert rights.get("Labels") == readable
    assert [rights[name] for name in rights if name == "FindLabels"] == listed


def test_a_model_is_released_with_the_tool_that_the_release_workflow_installs(tmp_path: Path) -> None:
    function = "{iac: serverless, lambda: {environment: {KEY: {env: THE_KEY}}}}"
    text = LAMBDA.replace("{lambda: {}}", function) + "ci: {}\nmonitor: {on_drift: retrain}\n"
    data = "data:\n  remote: s3://bucket/dvc\n  collected: data/collected\n"
    monitor = files(tmp_path, text, BASE.replace("data:\n", data))[".github/workflows/mlspec-monitor.yaml"]
    jobs = yaml.safe_load(monitor)["jobs"]
    names = [step.get("name") for step in jobs["release"]["steps"]]
    assert names.index("Install the Serverless Framework") < names.index("Deploy")
    assert "osls" not in str(jobs["retrain"])
    assert "THE_KEY" not in monitor
