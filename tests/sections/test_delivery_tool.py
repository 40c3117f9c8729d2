"""The registry of delivery tools, and that nothing else decides by the name of one."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import pytest

from mlspec.aws.aws_target import AwsTarget
from mlspec.parts.all_parts import PARTS
from mlspec.sections.delivery_tool import DIRECT, TOOLS, DeliveryTool, delivery_tool
from mlspec.sections.deploy import Deploy
from tests.conftest import CHECKOUT
from tests.parts.cloudformation.stack_specs import SPECS
from tests.parts.targets import build


def test_each_value_of_the_spec_has_a_tool() -> None:
    assert set(get_args(Deploy.model_fields["iac"].annotation)) == set(TOOLS)


@pytest.mark.parametrize("tool", [tool for tool in TOOLS.values() if tool != DIRECT], ids=lambda tool: tool.name)
def test_each_tool_has_a_part_that_runs_observes_and_removes_its_stages(tool: DeliveryTool) -> None:
    part = next(part for part in PARTS if tool.name == part.NAME)
    assert tool.creates
    assert {tool.foundation, tool.service} == set(part.PROGRAMS) == set(getattr(part, "OBSERVERS", ()))
    assert getattr(part, "REMOVALS", "").startswith(f"mlspec.parts.{tool.name}.")


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_the_stages_of_a_spec_are_those_of_its_tool(name: str, tmp_path: Path) -> None:
    built = build(tmp_path, SPECS["image"].replace("IAC", name))
    tool = delivery_tool(built.project)
    assert tool.name == name
    targets = AwsTarget("aws", "eu-west-1"), AwsTarget("local", "eu-west-1")
    assert [target.tool(built.project) for target in targets] == [tool, DIRECT], (
        "a rehearsal creates its resources itself"
    )
    others = {stage for t in TOOLS.values() for stage in (t.foundation, t.service)} - {""}
    own = {tool.foundation, tool.service} - {""}
    assert {stage.name for stage in built.plan.stages} & others == own
    ignored = next(file.text for file in built.files if file.path == ".gitignore")
    assert all(f"\n{pattern}\n" in ignored for pattern in tool.ignored or {})


def test_nothing_else_compares_the_name_of_a_tool() -> None:
    """A fifth tool is an entry of the registry and a part, not an edit in each place that asks. The section itself says
    which of its keys are options of a tool that is not chosen."""
    results = []
    for file in sorted((CHECKOUT / "mlspec").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "iac":
                results.append(str(file.relative_to(CHECKOUT)))
    assert set(results) == {"mlspec/sections/delivery_tool.py", "mlspec/sections/deploy.py"}
