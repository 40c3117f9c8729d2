"""osls against an emulated AWS: what it sends, and what the stage `deploy` sends after it, is what a plan shows.

The emulated CloudFormation creates neither versions nor aliases; what a service creates is compared in
tests/scenarios/equivalence.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mlspec.aws.action import lines
from mlspec.parts.serverless import service_preview, work
from tests.parts.serverless.packages import osls
from tests.shipping.cloud import Shipped
from tests.shipping.shown_requests import CI, FUNCTION, Watch, create_function

pytestmark = [pytest.mark.slow, pytest.mark.node]


def test_a_plan_of_an_empty_account_shows_every_request(
    shipped: Callable[..., Shipped], watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(osls()).parent}{os.pathsep}{os.environ['PATH']}")
    project = shipped(FUNCTION, CI)
    name = project.root.name
    project.spec("deploy: {lambda:", "deploy: {iac: serverless, lambda:")
    watched = watch(project, (service_preview.foundation, service_preview.service), work.apply)
    first = watched.plan()
    assert f"+ cloudformation stack {name}-foundation Repository: AWS::ECR::Repository" in lines(first)
    for file in project.files():
        path = project.root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)
    watched.execute(create_function)
    assert watched.not_shown(first) == []
    assert watched.not_shown([one for one in first if one.kind != "stack"]), "the test of the test"
    assert {"CreateChangeSet", "ExecuteChangeSet", "PutObject"} <= {one.operation for one in watched.seen.changing}
    assert {"CreateLogStream", "PutLogEvents", "PutImage"} <= {name for _, name, _ in watched.calls.recorded}
