"""Commands about an account in projects of every kind, without credentials: each ends with its own exit code, and a
sentence with the next step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlspec.cli.app import main
from mlspec.errors import EXIT_OK, EXIT_STAGE, EXIT_USAGE
from tests.parts.targets import BASE, EXPORT, PACKAGE

REGISTRY = PACKAGE + "registry: {ecr: {repository: cola, region: eu-west-1}}\n"
FUNCTION = REGISTRY + "deploy: {lambda: {}}\n"
REMOTE = BASE.replace("data:\n", "data:\n  remote: s3://team-models/dvc\n")
SPECS = {
    "nothing": BASE,
    "registry": BASE + REGISTRY,
    "bucket": REMOTE + "bucket: {region: eu-west-1}\n",
    "zip": BASE + EXPORT + "package: {zip: {}}\ndeploy: {lambda: {region: eu-west-1}}\n",
    "function": BASE + FUNCTION,
    "terraform": BASE + FUNCTION.replace("{lambda", "{iac: terraform, lambda"),
    "sam": BASE + FUNCTION.replace("{lambda", "{iac: sam, lambda"),
    "serverless": BASE + FUNCTION.replace("{lambda", "{iac: serverless, lambda"),
    "elastic": BASE + "monitor: {elasticsearch: {}}\n",
    "environment": BASE + REGISTRY + "environments: {prod: {deploy: {lambda: {}}}}\n",
}
DEPLOYED = {"zip", "function", "terraform", "sam", "serverless"}
BY_TOOL = {"terraform", "sam", "serverless"}
IN_AWS = DEPLOYED | {"registry", "bucket", "environment"}
ELASTIC = {"elastic"}
COMMANDS: dict[str, tuple[set[str], int]] = {
    "plan": (set(), EXIT_OK),
    "plan --adopt": (set(), EXIT_OK),
    "status": (set(), EXIT_OK),
    "destroy": (IN_AWS | ELASTIC, EXIT_OK),
    "destroy --yes --images --predictions": (IN_AWS | ELASTIC, EXIT_OK),
    "destroy --yes --orphans": (set(SPECS), EXIT_OK),
    "destroy --keep-resources --yes": (BY_TOOL, EXIT_USAGE),
    "destroy --keep-resources --orphans": (set(), EXIT_USAGE),
    "destroy --env nowhere": (set(), EXIT_USAGE),
    "destroy --target local": (set(), EXIT_OK),
    "releases": (DEPLOYED, EXIT_USAGE),
    "releases --target local": (DEPLOYED, EXIT_USAGE),
    "why": (DEPLOYED, EXIT_USAGE),
    "rollback --yes": (DEPLOYED, EXIT_USAGE),
    "rollback --yes --target local": (DEPLOYED, EXIT_USAGE),
    "apply --only nothing --yes": (set(), EXIT_USAGE),
    "audit": (set(), EXIT_OK),
    "prices": (set(), EXIT_OK),
}
"""For each command the kinds of projects for which it needs an account, where it fails; and its exit code elsewhere."""


@pytest.fixture
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    names = "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_PROFILE AWS_ENDPOINT_URL ELASTIC_URL ELASTIC_API_KEY"
    for name in names.split():
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")


@pytest.mark.usefixtures("_no_account")
@pytest.mark.parametrize("kind", SPECS)
def test_every_command_ends_with_its_code_and_a_remedy(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mlproject.yaml").write_text(SPECS[kind], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    results, expected = {}, {}
    for command, (failing, otherwise) in COMMANDS.items():
        results[command] = main(command.split())
        expected[command] = EXIT_STAGE if kind in failing else otherwise
        shown = capsys.readouterr()
        assert "Traceback" not in shown.out + shown.err, command
        assert results[command] == EXIT_OK or "= help: " in shown.err, command
        assert main([*command.split(), "--json"]) == results[command]
        document = json.loads(capsys.readouterr().out)
        assert document["ok"] is (results[command] == EXIT_OK), command
    assert results == expected
