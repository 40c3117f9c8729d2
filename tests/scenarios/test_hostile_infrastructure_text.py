"""Free text of a spec in the templates of every infrastructure tool: each tool's own reader gives back the same value."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.decode import decode_str
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from mlspec.errors import SpecError
from tests.conftest import missing
from tests.parts.serverless.packages import IMAGE, package
from tests.parts.targets import BASE, PACKAGE, REGISTRY, build, files, write
from tests.render.terraform_console import evaluated

PIECES = ["${{ github.token }}", "${self:service}", "${env:HOME}", "${file(x.js):y}", "${opt:a, 'b'}", "$${x}", "\\${x}",
          "$(id)", "`id`", "${", "%{ if true }", "%%{x}", "%{", "{{ x }}", "{= x =}", "{% raw %}", "{{resolve", "!Ref Role",
          "AWS::NoValue", "${AWS::AccountId}", '"', "'", "\\", "\n", "\r\n", "\t", "\u2028", "\u2029", "\x85", "\ufeff", "\u202e",
          "# x", ": y", "- z", "&a", "*a", "<<EOT\nx\nEOT", "yes", "1e3", "0x1f", "2012-10-17", "~", "é", "日本", "😀",
          " ", "\x1b[31m", "\x00", "a" * 200]  # fmt: skip
"""What has a meaning in one of the formats on the way, or in none of them."""
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), min_size=1, max_size=4).map("".join)
LISTS = st.lists(TEXTS.filter(lambda text: "{{resolve:" not in text), min_size=30, max_size=30)
FEW = settings(max_examples=2, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate],
               suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])  # fmt: skip


def spec(iac: str, texts: list[str]) -> tuple[str, str]:
    """The base and the rest of a spec with these texts, where mlspec's own references are escaped."""
    first, *others = (text.replace("${", "$${") for text in texts)
    variables = {f"X{number}": text for number, text in enumerate(others)}
    base = BASE.replace("Is this English sentence grammatical?", quoted(first))
    deploy = f"deploy: {{iac: {iac}, lambda: {{environment: {quoted(variables)}}}}}\n"
    return base, PACKAGE + REGISTRY + deploy


def quoted(value: object) -> str:
    """A value as YAML on one line, with every special character escaped."""
    return yaml.dump(value, default_style='"', default_flow_style=True, width=10**9).strip()


def accepted(iac: str, texts: list[str], folder: Path) -> list[str]:
    """Those that the build takes: it refuses each of the others with its place."""
    with contextlib.suppress(SpecError):
        base, more = spec(iac, texts)
        build(folder, more, base)
        return texts
    taken: list[str] = []
    for text in texts:
        base, more = spec(iac, [*taken, text])
        try:
            build(folder, more, base)
        except SpecError as error:
            assert all(one.span is not None for one in error.diagnostics), text
        else:
            taken.append(text)
    assert len(taken) > len(texts) / 2
    return taken


def expected(texts: list[str]) -> tuple[str, dict[str, str]]:
    first, *others = texts
    return first[:256], {f"X{number}": text for number, text in enumerate(others)}


def function(resources: Mapping[str, Any], type: str) -> dict[str, Any]:
    (properties,) = [dict(one["Properties"]) for one in resources.values() if one["Type"] == type]
    return properties


def joined(value: object) -> object:
    """A value as CloudFormation evaluates it."""
    return "".join(value["Fn::Join"][1]) if isinstance(value, dict) else value


@pytest.mark.node
@pytest.mark.slow
@FEW
@example(texts=[*PIECES])
@given(texts=LISTS)
def test_serverless_gives_every_text_back(texts: list[str], tmp_path: Path) -> None:
    texts = accepted("serverless", texts, tmp_path)
    base, more = spec("serverless", texts)
    write(tmp_path, more, base)
    created = function(package(tmp_path, "service", {"image": IMAGE})["Resources"], "AWS::Lambda::Function")
    values = {name: joined(value) for name, value in created["Environment"]["Variables"].items()}
    assert (joined(created.get("Description", "")), values) == expected(texts)


@pytest.mark.node
@pytest.mark.slow
def test_serverless_gives_text_of_a_raw_resource_back(tmp_path: Path) -> None:
    address = "a${self:service}${env:HOME}@example.com"
    budget = f"budget: {{monthly: 20 USD, notify: [{quoted(address.replace('${', '$${'))}]}}\n"
    _, more = spec("serverless", ["x"])
    write(tmp_path, more + budget)
    created = function(package(tmp_path, "foundation", {})["Resources"], "AWS::Budgets::Budget")
    assert joined(created["NotificationsWithSubscribers"][0]["Subscribers"][0]["Address"]) == address


@FEW
@example(texts=[*PIECES])
@given(texts=LISTS)
def test_sam_gives_every_text_back(texts: list[str], tmp_path: Path) -> None:
    texts = accepted("sam", texts, tmp_path)
    base, more = spec("sam", texts)
    template, faults = decode_str(files(tmp_path, more, base)["sam/service.yaml"])
    assert faults == []
    created = function(template["Resources"], "AWS::Serverless::Function")
    assert (created.get("Description", ""), created["Environment"]["Variables"]) == expected(texts)


@FEW
@example(texts=[*PIECES])
@given(texts=LISTS)
def test_terraform_gives_every_text_back(texts: list[str], tmp_path: Path) -> None:
    if (terraform := shutil.which("terraform")) is None:
        missing("terraform")
    texts = accepted("terraform", texts, tmp_path)
    base, more = spec("terraform", texts)
    module = files(tmp_path, more, base)["terraform/service/function.tf"]
    description = re.search(r"^  description   = (.*)$", module, re.MULTILINE)
    variables = re.search(r"^    variables = (\{.*?^    \})$", module, re.MULTILINE | re.DOTALL)
    assert description
    assert variables
    folder = tmp_path / "expression"
    folder.mkdir(exist_ok=True)
    created = evaluated(terraform, folder, f"[{description[1]}, {variables[1]}]")
    assert created == [*expected(texts)]


def test_text_that_cloudformation_would_replace_in_a_description_is_refused_with_its_place(tmp_path: Path) -> None:
    for iac in ("sam", "serverless"):
        base, more = spec(iac, ["a {{resolve:ssm:b}}"])
        with pytest.raises(SpecError) as raised:
            build(tmp_path, more, base)
        assert [(one.code, one.span.line) for one in raised.value.diagnostics if one.span] == [("template-text", 2)]
