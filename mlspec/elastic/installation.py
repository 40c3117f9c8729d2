"""What a project has in Elasticsearch and Kibana, in the order in which it is created.

The providers are listed here once. `plan` only reads; `install` executes the actions that it returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from mlspec.aws.action import Action, Execution, Executor, Provider, ResourceKind
from mlspec.elastic.api_key_provider import ApiKeyProvider
from mlspec.elastic.document_provider import DocumentProvider
from mlspec.elastic.kibana_provider import (
    API_SINCE,
    AlertRuleProvider,
    DashboardProvider,
    DataViewProvider,
    SavedDashboardProvider,
)
from mlspec.elastic.stack_client import StackClient
from mlspec.elastic.stack_resources import DesiredStack, StackDocument, for_serverless
from mlspec.elastic.stream_provider import DataStreamProvider

R = TypeVar("R")
Say = Callable[[str], object]


@dataclass(frozen=True)
class Installation:
    """One project's resources on one stack. `variables` are the lines of the file of a new API key."""

    client: StackClient
    desired: DesiredStack
    variables: Callable[[str], dict[str, str]]

    @property
    def providers(self) -> Mapping[ResourceKind, Executor]:
        """Who executes the actions of each kind; those of Kibana only where the spec has one."""
        kibana: dict[ResourceKind, Executor] = {}
        if self.client.kibana_url:
            rules, views = AlertRuleProvider(self.client), DataViewProvider(self.client)
            kibana = {"data-view": views, "dashboard": self._dashboards, "alert-rule": rules}
        return {
            **kibana,
            **{kind: self.documents(kind) for kind in ("component-template", "index-template", "ingest-pipeline")},
            "data-stream": self.streams,
            "api-key": self.keys,
        }

    def documents(self, kind: ResourceKind) -> DocumentProvider:
        """The provider of templates or pipelines."""
        return DocumentProvider(self.client, kind, self.desired.project)

    @property
    def keys(self) -> ApiKeyProvider:
        """The provider of API keys."""
        return ApiKeyProvider(self.client, self.desired.project, self.variables)

    @property
    def streams(self) -> DataStreamProvider:
        """The provider of data streams."""
        return DataStreamProvider(self.client)

    @property
    def _dashboards(self) -> DashboardProvider | SavedDashboardProvider:
        if self.client.serverless or self.client.kibana_version >= API_SINCE:
            return DashboardProvider(self.client)
        return SavedDashboardProvider(self.client, self.desired.saved_dashboard)

    def plan(self) -> list[Action]:
        """What gives the stack its desired state. Changes nothing; raises StageError where the stack cannot be read."""
        self.client.check_version()
        kibana = self._kibana() if self.client.kibana_url else ()
        return [*self._elasticsearch(), *kibana, *self._api_keys()]

    def _kibana(self) -> Iterable[Action]:
        """Rules last: one with ES|QL fails while its data stream does not exist."""
        view, dashboard = self.desired.data_view, self.desired.dashboard
        if view is not None:
            yield from _diff(DataViewProvider(self.client), view.name, view)
        if dashboard is not None:
            provider: Provider[StackDocument] = self._dashboards
            yield from _diff(provider, dashboard.name, dashboard)
        for rule in map(self._described, self.desired.rules):
            yield from _diff(AlertRuleProvider(self.client), rule.name, rule)

    def _described(self, rule: StackDocument) -> StackDocument:
        """The rule without its guide and dashboard where Kibana does not know them."""
        version = self.client.kibana_version
        if self.client.serverless or version >= (9, 1) or (8, 19) <= version < (9, 0):
            return rule
        return replace(rule, body={key: value for key, value in rule.body.items() if key != "artifacts"})

    def _elasticsearch(self) -> Iterable[Action]:
        """Templates and pipeline come before the streams that use them, streams before the rules that query them."""
        for described in (*self.desired.templates, self.desired.pipeline):
            document = for_serverless(described) if self.client.serverless else described
            yield from _diff(self.documents(document.kind), document.name, document)
        for stream in self.desired.streams:
            yield from _diff(self.streams, stream.name, stream)

    def _api_keys(self) -> Iterable[Action]:
        """Last: nothing needs them here, and Elasticsearch lets only a user create them."""
        for key in self.desired.keys:
            yield from _diff(self.keys, key.name, key)

    def kibana_removals(self) -> Iterator[Action]:
        """What removes the rules, the dashboard and the data view, which the rules and the dashboard need."""
        view, dashboard = self.desired.data_view, self.desired.dashboard
        for rule in self.desired.rules:
            yield from _removed(AlertRuleProvider(self.client), rule.name)
        if dashboard is not None:
            shown: Provider[StackDocument] = self._dashboards
            yield from _removed(shown, dashboard.name)
        if view is not None:
            yield from _removed(DataViewProvider(self.client), view.name)

    def install(self, actions: Iterable[Action], say: Say) -> int:
        """Execute actions in order; returns the number of those that change something."""
        planned = list(actions)
        Execution(self.providers, say).run(planned)
        return sum(not action.held for action in planned)


def _removed(provider: Provider[R], name: str) -> list[Action]:
    return provider.diff(None, provider.read(name))


def _diff(provider: Provider[R], name: str, desired: R) -> list[Action]:
    return provider.diff(desired, provider.read(name))
