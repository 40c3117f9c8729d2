"""The whole installation on a recording stand-in: order, idempotence, updates in place, hand edits, errors."""

from __future__ import annotations

import base64
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlspec.aws.action import lines
from mlspec.elastic.installation import Installation
from mlspec.elastic.stack_client import StackClient
from mlspec.errors import StageError
from mlspec.parts.monitor import stack_removal
from mlspec.parts.monitor.stack import installation
from tests.elastic.servers import client, osmem
from tests.elastic.stand_in import StandIn, stand_in
from tests.parts.targets import build

SPEC = "monitor: {elasticsearch: {%s}, alerts: {p95_ms: '> 300', silence: 1h}}\n"


@pytest.fixture
def server() -> Iterator[StandIn]:
    with stand_in() as state:
        yield state
        assert state.wrong == []


@pytest.fixture
def installed(server: StandIn, tmp_path: Path) -> Callable[[str], Installation]:
    def of(options: str = "") -> Installation:
        project = build(tmp_path, SPEC % options).project
        return installation(project, tmp_path, client(server.url, server.url))

    return of


def apply(one: Installation) -> list[str]:
    actions = one.plan()
    one.install(actions, lambda _: None)
    return lines(actions)


def test_everything_is_created_in_the_order_of_its_needs(
    server: StandIn, installed: Callable[[str], Installation], tmp_path: Path
) -> None:
    apply(installed(""))
    names = [path.split("/")[1] if not path.startswith("/api") else path.split("/")[2] for _, path in server.requests]
    order = list(dict.fromkeys(n for n, (method, _) in zip(names, server.requests, strict=True) if method != "GET"))
    assert order == [
        "_component_template", "_index_template", "_ingest", "_data_stream", "data_views", "dashboards", "alerting",
        "_security",
    ]  # fmt: skip
    assert "PUT /_data_stream/predictions-cola-default/_lifecycle" in server.writes
    assert len([path for path in server.stored if path.startswith("/api/alerting")]) == 6
    for role in ("server", "reader"):
        file = tmp_path / ".mlspec" / "elasticsearch" / f"{role}.env"
        key = server.key(f"predictions-cola-default-{role}")
        assert f"ELASTIC_API_KEY={base64.b64encode(f'{key}:secret'.encode()).decode()}\n" in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_second_apply_changes_nothing(server: StandIn, installed: Callable[[str], Installation]) -> None:
    apply(installed(""))
    before = len(server.writes)
    assert apply(installed("")) == []
    assert len(server.writes) == before


def test_a_change_of_the_spec_updates_in_place(server: StandIn, installed: Callable[[str], Installation]) -> None:
    apply(installed(""))
    changed = apply(installed("retention: 7d, redact: [sentence]"))
    assert "~ data stream predictions-cola-default retention: 30d -> 7d" in changed
    assert "~ index template predictions-cola-default template.lifecycle.data_retention: 30d -> 7d" in changed
    assert any(line.startswith("~ ingest pipeline predictions-cola-default processors") for line in changed)
    assert apply(installed("retention: 7d, redact: [sentence]")) == []


def test_a_new_field_is_added_to_the_existing_stream(server: StandIn, installed: Callable[[str], Installation]) -> None:
    apply(installed(""))
    del server.mappings["predictions-cola-default"]["properties"]["error"]
    assert apply(installed("")) == ["+ data stream predictions-cola-default error.type: keyword"]


def test_fields_of_an_earlier_version_stay_and_are_no_difference(
    server: StandIn, installed: Callable[[str], Installation]
) -> None:
    """Elasticsearch removes no field of an index; the template loses them with its next change."""
    stream = "predictions-cola-default"
    apply(installed(""))
    template = f"/_component_template/{stream}@mappings"
    earlier = {"trace": {"properties": {"id": {"type": "keyword"}}}}
    server.mappings[stream]["properties"] |= earlier
    server.stored[template]["template"]["mappings"]["properties"] |= earlier
    assert apply(installed("")) == []
    assert apply(installed("replicas: 0")) != []
    assert "trace" not in server.stored[template]["template"]["mappings"]["properties"]
    assert apply(installed("replicas: 0")) == []


OTHERS = {
    "another type": ({"type": "text"}, "text", "keyword"),
    "not searchable": (
        {"type": "keyword", "index": False, "doc_values": False},
        "keyword, not searchable, not aggregatable",
        "keyword",
    ),
    "a group": ({"type": "object", "properties": {"x": {"type": "keyword"}}}, "object", "keyword"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_field_that_becomes_another_one_gets_a_new_index_and_the_conflict_is_explained(
    other: str, server: StandIn, installed: Callable[[str], Installation]
) -> None:
    """A new version of the model has another type of an input: the index of the earlier documents keeps the old one."""
    field, old, new = OTHERS[other]
    stream = "predictions-cola-default"
    apply(installed(""))
    server.mappings[stream]["properties"]["error"]["properties"]["type"] = field
    opened, changed, explained = apply(installed(""))
    assert opened == f"+ data stream {stream} backing index: 1 field cannot be changed in the present one"
    assert changed == f"~ data stream {stream} error.type: {old} -> {new}"
    assert explained.startswith(f"! data stream {stream} error.type: {old} in its present index, {new} from then on.")
    assert server.writes[-1] == f"POST /{stream}/_rollover"
    before = len(server.writes)
    (still,) = apply(installed(""))
    assert still.startswith(f"! data stream {stream} error.type: {old} in .ds-{stream}-1, {new} from then on.")
    assert "until retention (30d) has deleted" in still
    assert "Index Management" in still
    assert len(server.writes) == before


def test_a_field_is_added_although_an_earlier_index_has_a_conflict(
    server: StandIn, installed: Callable[[str], Installation]
) -> None:
    stream = "predictions-cola-default"
    apply(installed(""))
    server.mappings[stream]["properties"]["error"]["properties"]["type"] = {"type": "text"}
    apply(installed(""))
    del server.mappings[stream]["properties"]["url"]
    assert apply(installed(""))[0] == f"+ data stream {stream} url.path: keyword"
    assert len(apply(installed(""))) == 1


def test_an_input_with_a_dot_in_its_name_gets_a_new_index(
    server: StandIn, installed: Callable[[str], Installation]
) -> None:
    """Its group has no groups within, which an index keeps from its start."""
    stream = "predictions-cola-default"
    apply(installed(""))
    inputs = server.mappings[stream]["properties"]["inputs"]
    server.stored[f"/_component_template/{stream}@mappings"]["template"]["mappings"]["properties"]["inputs"] = inputs
    server.mappings[stream]["properties"]["inputs"] = {**inputs, "subobjects": "false"}
    assert f"~ data stream {stream} inputs: object, with dots in names -> object" in apply(installed(""))


def test_a_manual_edit_in_kibana_is_shown_and_reverted(
    server: StandIn, installed: Callable[[str], Installation]
) -> None:
    apply(installed(""))
    dashboard = server.stored["/api/dashboards/predictions-cola-default-dashboard"]
    dashboard["panels"][1]["config"]["title"] = "Mine"
    assert lines(installed("").plan()) == [
        "~ kibana dashboard cola: model in production panels[1].config.title: Mine -> Error rate"
    ]
    apply(installed(""))
    dashboard = server.stored["/api/dashboards/predictions-cola-default-dashboard"]
    dashboard["panels"] = dashboard["panels"][1:]
    (line,) = lines(installed("").plan())
    assert " items -> " in line
    rule = next(path for path in server.stored if path.startswith("/api/alerting"))
    server.stored[rule]["params"]["timeWindowSize"] = 99
    assert any("params.timeWindowSize: 99 -> 15" in line for line in lines(installed("").plan()))


def test_who_is_notified_stays_as_the_team_configured_it(
    server: StandIn, installed: Callable[[str], Installation]
) -> None:
    apply(installed(""))
    rule = next(path for path in server.stored if path.startswith("/api/alerting"))
    server.stored[rule]["actions"] = [{"group": "query matched", "id": "mail", "params": {}}]
    assert installed("").plan() == []
    server.stored[rule]["alert_delay"] = {"active": 7}
    apply(installed(""))
    assert server.stored[rule]["actions"][0]["id"] == "mail"


def test_a_rule_has_a_guide_and_the_dashboard_where_kibana_knows_them(
    server: StandIn, installed: Callable[[str], Installation]
) -> None:
    apply(installed(""))
    rules = [rule for path, rule in server.stored.items() if path.startswith("/api/alerting")]
    for rule in rules:
        assert rule["artifacts"]["dashboards"] == [{"id": "predictions-cola-default-dashboard"}]
        assert "\n1. " in rule["artifacts"]["investigation_guide"]["blob"]
    rules[0]["artifacts"]["investigation_guide"]["blob"] = "Mine"
    assert len(installed("").plan()) == 1


def test_a_kibana_without_guides_gets_rules_without_them(
    server: StandIn, installed: Callable[[str], Installation]
) -> None:
    server.kibana_version = "9.0.4"
    apply(installed(""))
    assert not [rule for rule in server.stored.values() if isinstance(rule, dict) and "artifacts" in rule]
    assert apply(installed("")) == []


def test_an_older_kibana_imports_saved_objects(server: StandIn, installed: Callable[[str], Installation]) -> None:
    server.kibana_version = "9.4.2"
    apply(installed(""))
    assert "POST /api/saved_objects/_import" in server.writes
    assert not any("/api/dashboards" in path for path in server.stored)
    assert apply(installed("")) == []
    attributes = server.stored["/api/saved_objects/dashboard/predictions-cola-default-dashboard"]["attributes"]
    attributes["title"] = "Mine"
    assert len(apply(installed(""))) == 1


def test_without_kibana_only_elasticsearch_is_touched(server: StandIn, tmp_path: Path) -> None:
    project = build(tmp_path, SPEC % "").project
    apply(installation(project, tmp_path, client(server.url)))
    assert not [path for _, path in server.requests if path.startswith("/api")]


def test_a_key_with_other_rights_gets_those_of_the_spec(
    server: StandIn, installed: Callable[[str], Installation]
) -> None:
    apply(installed(""))
    key = next(
        key for path, key in server.stored.items() if path.startswith("/_security") and key["name"].endswith("server")
    )
    key["role_descriptors"]["server"]["indices"][0]["privileges"].append("all")
    (line,) = apply(installed(""))
    assert line.startswith("~ api key predictions-cola-default-server role_descriptors.server.indices[0].privileges")
    assert installed("").plan() == []


def test_a_key_that_an_interrupted_apply_did_not_write_is_replaced(
    server: StandIn, installed: Callable[[str], Installation], tmp_path: Path
) -> None:
    def killed(key: str) -> dict[str, str]:
        raise KeyboardInterrupt

    one = installed("")
    with pytest.raises(KeyboardInterrupt):
        apply(replace(one, variables=killed))
    lost = server.key("predictions-cola-default-server")
    assert not (tmp_path / ".mlspec" / "elasticsearch" / "server.env").exists()
    removed, created, _ = apply(installed(""))
    assert removed.startswith("- api key predictions-cola-default-server: created by an interrupted apply")
    assert created.startswith("+ api key predictions-cola-default-server")
    key = server.key("predictions-cola-default-server")
    assert key != lost
    written = (tmp_path / ".mlspec" / "elasticsearch" / "server.env").read_text()
    assert base64.b64encode(f"{key}:secret".encode()).decode() in written
    assert apply(installed("")) == []


def test_a_key_of_another_machine_and_one_that_was_written_stay(
    server: StandIn, installed: Callable[[str], Installation], tmp_path: Path
) -> None:
    """Without the file, and with the marker of an apply that was killed after it wrote the key."""
    apply(installed(""))
    folder = tmp_path / ".mlspec" / "elasticsearch"
    (folder / "reader.env").unlink()
    (folder / "server.env.creating").write_text("predictions-cola-default-server\n")
    assert apply(installed("")) == []


def test_a_key_cannot_create_keys(server: StandIn, installed: Callable[[str], Installation]) -> None:
    """What Elasticsearch refuses comes last, and is said with the way around it."""
    reason = "creating derived api keys requires an explicit role descriptor that is empty (has no privileges)"
    one = installed("")
    actions = one.plan()
    server.refuse["/_security"] = 400, {"error": {"reason": reason}}
    with pytest.raises(StageError) as caught:
        one.install(actions, lambda _: None)
    assert caught.value.message.startswith("Elasticsearch lets no API key create or change another one")
    assert "elasticsearch/server-key.json" in caught.value.help
    assert [path for path in server.stored if path.startswith("/api/alerting")]


def refusal(one: Installation) -> StageError:
    with pytest.raises(StageError) as caught:
        one.plan()
    return caught.value


def test_errors_name_the_next_step(server: StandIn, installed: Callable[[str], Installation]) -> None:
    server.version = "8.17.3"
    assert "version 8.17; mlspec needs 8.19" in refusal(installed("")).message
    server.version = "9.0.4"
    assert "9.0" in refusal(installed("")).message
    server.version = "9.1.0"
    reason = (
        "action [cluster:admin/component_template/get] is unauthorized for API key id [x], this action is granted by the "
        "cluster privileges [manage_index_templates,manage,all]"
    )
    server.refuse = {"/_component_template": (403, {"error": {"type": "security_exception", "reason": reason}})}
    denied = refusal(installed(""))
    assert denied.message == "the API key may not do cluster:admin/component_template/get in Elasticsearch"
    assert "manage_index_templates,manage,all" in denied.help
    server.refuse = {"/": (401, {"error": {"type": "security_exception", "reason": "unable to authenticate"}})}
    assert "does not accept the API key" in refusal(installed("")).message
    server.refuse = {"/api": (403, {"statusCode": 403, "message": "Forbidden"})}
    assert "in Kibana" in refusal(installed("")).message


def test_a_server_that_is_down(tmp_path: Path) -> None:
    project = build(tmp_path, SPEC % "").project
    down = StackClient("http://127.0.0.1:9", "x", hasty=True)
    error = refusal(installation(project, tmp_path, down))
    assert error.code == "unreachable"
    assert "cannot be reached" in error.message


def test_a_variable_that_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ELASTIC_URL", raising=False)
    project = build(tmp_path, SPEC % "").project
    with pytest.raises(StageError, match=r"ELASTIC_URL, which .* names, is not set"):
        installation(project, tmp_path)


def test_opensearch_is_refused_with_what_to_use_instead(tmp_path: Path) -> None:
    """The in-memory server reports itself as OpenSearch."""
    project = build(tmp_path, SPEC % "").project
    with osmem() as url:
        error = refusal(installation(project, tmp_path, client(url)))
    assert "is not Elasticsearch but OpenSearch" in error.message
    assert "monitor.prometheus" in error.help


def test_serverless_manages_versions_and_replicas_itself(
    server: StandIn, installed: Callable[[str], Installation]
) -> None:
    server.version, server.flavor = "8.11.0", "serverless"
    apply(installed("replicas: 1"))
    component = server.stored["/_component_template/predictions-cola-default@mappings"]
    assert component["template"]["settings"] == {"index": {"default_pipeline": "predictions-cola-default"}}
    assert installed("replicas: 1").plan() == []


def test_a_saved_response_has_no_key(server: StandIn, installed: Callable[[str], Installation]) -> None:
    """What a plan shows, and what an action says, never has the key."""
    one = installed("")
    actions = one.plan()
    messages: list[str] = []
    one.install(actions, messages.append)
    shown: Any = [list(action.rows()) for action in actions]
    assert "ENCODED" not in str(shown) + "".join(messages)


def test_removal_keeps_the_predictions(server: StandIn, installed: Callable[[str], Installation]) -> None:
    apply(installed(""))
    server.documents["predictions-cola-default"] = 7
    one = installed("")
    removals = stack_removal.plan(one, predictions=False)
    kept = {removal.action.resource: removal.kept for removal in removals if removal.kept}
    assert kept["data stream predictions-cola-default"] == stack_removal.KEPT
    assert kept["index template predictions-cola-default"] == "the stored predictions need it"
    stack_removal.carry_out(one, removals, lambda _: None)
    assert not [path for path in server.stored if path.startswith(("/api", "/_security"))]
    assert "/_data_stream/predictions-cola-default" in server.stored


def test_everything_can_be_removed(server: StandIn, installed: Callable[[str], Installation]) -> None:
    apply(installed(""))
    server.documents["predictions-cola-default"] = 7
    one = installed("")
    removals = stack_removal.plan(one, predictions=True)
    assert "7 documents" in [removal.detail for removal in removals]
    stack_removal.carry_out(one, removals, lambda _: None)
    assert server.stored == {}
    assert stack_removal.plan(one, predictions=True) == []


def test_resources_of_another_project_are_kept(server: StandIn, installed: Callable[[str], Installation]) -> None:
    apply(installed(""))
    server.stored["/_ingest/pipeline/predictions-cola-default"]["_meta"] = {"mlspec": {"project": "other"}}
    kept = [removal for removal in stack_removal.plan(installed(""), predictions=True) if removal.kept]
    assert [removal.action.kind for removal in kept] == ["ingest-pipeline"]
