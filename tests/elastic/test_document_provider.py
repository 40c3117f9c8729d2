"""Templates on a real server that has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlspec.elastic.document_provider import DocumentProvider
from mlspec.elastic.stack_client import StackClient
from mlspec.elastic.stack_resources import StackDocument
from mlspec.errors import StageError
from mlspec.parts.monitor import templates
from mlspec.parts.monitor.templates import StreamOptions, stream_options
from tests.elastic.servers import client, for_osmem, osmem
from tests.parts.targets import build


@pytest.fixture(scope="module")
def server() -> Iterator[StackClient]:
    with osmem() as url:
        yield client(url)


def options(folder: Path) -> StreamOptions:
    return stream_options(build(folder, "monitor: {elasticsearch: {replicas: 0}}\n").project)


def desired(folder: Path) -> list[StackDocument]:
    given = options(folder)
    component: Any = for_osmem(templates.component_template(given))
    index: Any = for_osmem(templates.index_template(given))
    return [
        StackDocument("component-template", given.component, component),
        StackDocument("index-template", given.stream, index),
    ]


def changes(server: StackClient, document: StackDocument, project: str = "cola") -> list[str]:
    """Bring the server to the desired state; returns what was done."""
    provider = DocumentProvider(server, document.kind, project)
    actions = provider.diff(document, provider.read(document.name))
    for action in actions:
        provider.apply(action)
    return [line for action in actions for line in action.lines()]


def test_templates_are_installed_once_and_updated_in_place(server: StackClient, tmp_path: Path) -> None:
    component, index = desired(tmp_path)
    assert changes(server, component) == ["+ component template predictions-cola-default@mappings"]
    assert changes(server, index) == ["+ index template predictions-cola-default"]
    assert (changes(server, component), changes(server, index)) == ([], [])
    edited = StackDocument(index.kind, index.name, {**index.body, "priority": 501})
    assert changes(server, edited) == ["~ index template predictions-cola-default priority: 500 -> 501"]
    server.elasticsearch("PUT", f"/{index.name}", {})
    mapped = server.elasticsearch("GET", f"/{index.name}/_mapping")
    assert mapped is not None
    assert "duration" in str(mapped)


def test_a_template_of_another_project_is_refused(server: StackClient, tmp_path: Path) -> None:
    component, _ = desired(tmp_path)
    changes(server, component)
    with pytest.raises(StageError, match="exists already: it belongs to the project cola"):
        changes(server, component, "other")


def test_a_template_is_removed(server: StackClient, tmp_path: Path) -> None:
    component, index = desired(tmp_path)
    for document in (component, index):
        changes(server, document)
    for document in (index, component):
        provider = DocumentProvider(server, document.kind, "cola")
        for action in provider.diff(None, provider.read(document.name)):
            provider.apply(action)
        assert provider.read(document.name) is None
