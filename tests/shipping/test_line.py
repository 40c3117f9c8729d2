"""Push and deploy against an emulated AWS and a real registry: from nothing, again, and after a change."""

from __future__ import annotations

from collections.abc import Callable

from tests.shipping.cloud import Shipped, watched


def test_from_nothing_and_the_second_time_nothing(shipped: Callable[..., Shipped]) -> None:
    project = shipped("{url: true, memory: 512}")
    project.push()
    project.deploy()
    client = project.target.client("lambda")
    name = project.root.name
    live = client.get_alias(FunctionName=name, Name="live")
    assert live["FunctionVersion"] == "1"
    found = client.get_function(FunctionName=name, Qualifier="1")
    assert found["Configuration"]["MemorySize"] == 512
    assert found["Configuration"]["CodeSha256"] == project.release["image"]["digest"].removeprefix("sha256:")
    assert project.release["function"] == {
        "name": name,
        "version": "1",
        "alias": "live",
        "url": client.get_function_url_config(FunctionName=name, Qualifier="live")["FunctionUrl"],
    }
    calls = watched(project.target)
    project.push()
    project.deploy()
    assert calls.changing == []
