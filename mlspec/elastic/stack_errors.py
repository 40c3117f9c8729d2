"""Errors of Elasticsearch and Kibana as messages with the next step. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from mlspec.errors import StageError

RIGHTS: Final = (
    "the key needs the cluster privileges manage_index_templates, manage_ingest_pipelines and manage_api_key, `manage` "
    "on the data streams, and in Kibana all rights on Dashboards, Data Views and Stack Rules"
)
_ACTION: Final = re.compile(r"action \[(?P<action>[^\]]+)\]")
_INDICES: Final = re.compile(r"on (?:restricted )?indices \[(?P<on>[^\]]+)\]")
_PRIVILEGES: Final = re.compile(r"granted by the (?P<kind>index|cluster) privileges \[(?P<names>[^\]]+)\]")
_BY_KEY: Final = re.compile("derived api keys|authentication via api key", re.IGNORECASE)
OPENSEARCH: Final = (
    "mlspec installs data stream lifecycles, failure stores, ES|QL rules and Kibana dashboards, which OpenSearch does "
    "not have. Use `monitor.prometheus` with Grafana, or the page of `mlspec monitor --html`, and remove "
    "`monitor.elasticsearch`"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that a server refused: `body` is its answer, parsed where it is JSON."""

    server: str
    url: str
    method: str
    path: str
    status: int
    body: object

    @property
    def reason(self) -> str:
        """What the server says, on one line."""
        return " ".join(_reason(self.body).split())[:400]


def refused(refusal: Refusal) -> StageError:
    """A refusal as a message with the next step."""
    server, reason = refusal.server, refusal.reason
    match refusal.status:
        case 401:
            message = f"{server} does not accept the API key: {reason}"
            return StageError(message, help="set the variable of `api_key` to the encoded form of a valid key: base64")
        case 403:
            return _forbidden(refusal)
        case 429 | 502 | 503 | 504:
            message = f"{server} at {refusal.url} is overloaded or starting (status {refusal.status})"
            help = "wait a minute, then run `mlspec apply` again to resume"
            return StageError(message, help=help, code="unreachable")
        case _:
            return _other(refusal)


def _other(refusal: Refusal) -> StageError:
    if refusal.path.startswith("/_security/api_key") and _BY_KEY.search(refusal.reason):
        message = f"Elasticsearch lets no API key create or change another one: {refusal.reason}"
        help = (
            "create it as a user, in Kibana's Dev Tools: POST _security/api_key with the body of "
            "elasticsearch/server-key.json or reader-key.json (delete an old one first), then: mlspec apply"
        )
        return StageError(message, help=help)
    server, reason = refusal.server, refusal.reason
    request = f"{refusal.method} {refusal.path}"
    message = f"{server} refused {request} (status {refusal.status}): {reason or 'without a reason'}"
    return StageError(message, help=f"the body of the request is in the generated files of {server.lower()}/")


def _forbidden(refusal: Refusal) -> StageError:
    action, indices, rights = (each.search(refusal.reason) for each in (_ACTION, _INDICES, _PRIVILEGES))
    what = f" {action['action']}" if action else f" {refusal.method} {refusal.path}"
    on = f" on {indices['on']}" if indices else ""
    one_of = f"grant one of the {rights['kind']} privileges {rights['names']}; " if rights else ""
    return StageError(f"the API key may not do{what}{on} in {refusal.server}", help=f"{one_of}{RIGHTS}")


def not_set(variable: str, key: str) -> StageError:
    """The environment has no value for a key of the spec."""
    message = f"the environment variable {variable}, which {key} names, is not set"
    return StageError(message, help=f"export {variable}=...")


def unreachable(server: str, url: str, reason: str) -> StageError:
    """A server did not answer."""
    message = f"{server} at {url} cannot be reached: {' '.join(reason.split())[:300]}"
    return StageError(message, help="check the address and the network, then: mlspec apply", code="unreachable")


def not_elasticsearch(url: str, product: str) -> StageError:
    """The server is not Elasticsearch."""
    return StageError(f"the server at {url} is not Elasticsearch but {product}", help=OPENSEARCH)


def too_old(url: str, version: tuple[int, int]) -> StageError:
    """The version lacks what mlspec installs."""
    shown = ".".join(map(str, version))
    message = f"Elasticsearch at {url} is version {shown}; mlspec needs 8.19, or 9.1 and newer, for failure stores"
    return StageError(
        message, help="upgrade it, or install the generated files without mlspec: docs/targets/elasticsearch.md"
    )


def foreign(resource: str, owner: str) -> StageError:
    """A resource of that name belongs to something else."""
    whose = f"it belongs to the project {owner}" if owner else "it was not created by mlspec"
    return StageError(
        f"{resource} exists already: {whose}",
        help="choose another name with monitor.elasticsearch.index, or delete it in Kibana (Stack Management)",
    )


def import_failed(errors: JsonValue) -> StageError:
    """Kibana refused a saved object of an import."""
    reasons = (
        [str(error.get("error")) for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    )
    message = f"Kibana did not import the dashboard: {'; '.join(reasons)[:300] or 'without a reason'}"
    return StageError(message, help="import kibana/dashboard.ndjson manually in Stack Management > Saved Objects")


def answered(server: str, path: str, body: object) -> dict[str, JsonValue]:
    """An answer that must be a JSON object."""
    if isinstance(body, dict):
        return body
    raise StageError(
        f"{server} answered {path} without a JSON object", help="is a proxy in front of it? check its address"
    )


def _reason(body: object) -> str:
    if isinstance(body, Mapping):
        inner = body.get("error", body.get("message", ""))
        if isinstance(inner, Mapping):
            return str(inner.get("reason") or inner.get("type") or "")
        message = body.get("message")
        return str(message if isinstance(message, str) else inner)
    return str(body or "")
