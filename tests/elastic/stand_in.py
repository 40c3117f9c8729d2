"""A recording stand-in for Elasticsearch and Kibana: it stores what is sent to it and answers it, like the real ones.

Every request body is checked against the published contract. It knows no queries: those go to a real server.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.elastic.contracts import (
    ELASTICSEARCH,
    dashboard_faults,
    data_view_faults,
    faults,
    mapping_faults,
    rule_faults,
    template_faults,
)

Answer = tuple[int, Any]
GONE: Answer = (404, {"error": {"type": "resource_not_found_exception", "reason": "not found"}})


@dataclass
class StandIn:
    """The state of the stand-in: its version, what is stored by path, and the requests in their order."""

    version: str = "9.5.0"
    kibana_version: str = "9.5.0"
    flavor: str = "default"
    stored: dict[str, Any] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    refuse: dict[str, Answer] = field(default_factory=dict)
    """What to answer to requests whose path starts with the key."""
    mappings: dict[str, Any] = field(default_factory=dict)
    earlier: dict[str, Any] = field(default_factory=dict)
    """The mappings of backing indices before the last one."""
    documents: dict[str, int] = field(default_factory=dict)
    url: str = ""

    @property
    def writes(self) -> list[str]:
        """The requests that change something, as `PUT /path`."""
        return [f"{method} {path}" for method, path in self.requests if method != "GET" and "_export" not in path]

    def key(self, name: str) -> str:
        """The id of the API key of that name."""
        return next(k["id"] for path, k in self.stored.items() if path.startswith("/_security/") and k["name"] == name)

    def answer(self, method: str, target: str, body: Any, headers: Any) -> Answer:
        """What the real server answers."""
        path, query = unquote(urlsplit(target).path), parse_qs(urlsplit(target).query)
        self.requests.append((method, path))
        refused = next((answer for start, answer in self.refuse.items() if path.startswith(start)), None)
        if refused is not None:
            return refused
        if path.startswith("/api/"):
            return self._kibana(method, path, body, headers)
        self._check(method, path, body)
        return self._elasticsearch(method, path, query, body)

    def _check(self, method: str, path: str, body: Any) -> None:
        if path.startswith("/_component_template/") and method == "PUT":
            self.wrong += template_faults(body)
        elif method != "GET":
            if path.endswith("/_mapping"):
                self.wrong += mapping_faults(path, body)
                return
            self.wrong += [f"{method} {path}: {fault}" for fault in faults(ELASTICSEARCH, path, method, body)]

    def _elasticsearch(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Answer:
        match path.strip("/").split("/"):
            case [""]:
                number = {"number": self.version, "build_flavor": self.flavor}
                return 200, {"version": number, "tagline": "You Know, for Search"}
            case ["_component_template" | "_index_template" as kind, name]:
                return self._template(method, kind.strip("_"), path, name, body)
            case ["_ingest", "pipeline", name]:
                return self._stored(method, path, body, lambda kept: {name: kept})
            case ["_data_stream", name]:
                return self._stream(method, path, name)
            case ["_data_stream", name, part]:
                stream = self.stored[f"/_data_stream/{name}"]
                stream["lifecycle" if part == "_lifecycle" else "failure_store"] = (
                    {"enabled": True, **body} if part == "_lifecycle" else body["failure_store"]
                )
                return 200, {"acknowledged": True}
            case ["_security", "api_key", *rest]:
                return self._key(method, query, body, rest)
            case [name, "_mapping"]:
                return self._mapping(method, name, query, body)
            case [name, "_rollover"]:
                indices = self.stored[f"/_data_stream/{name}"]["indices"]
                self.earlier[indices[-1]["index_name"]] = self.mappings[name]
                indices.append({"index_name": f".ds-{name}-{len(indices) + 1}"})
                self.mappings[name] = self._mapped(name)
                return 200, {"rolled_over": True}
            case [name, "_count"]:
                return 200, {"count": self.documents.get(name, 0)}
            case _:
                raise AssertionError(f"unexpected request: {method} {path}")

    def _mapping(self, method: str, name: str, query: dict[str, list[str]], body: Any) -> Answer:
        """The real one changes each index of the stream, or none if one of them has another type of a field."""
        stream = self.stored[f"/_data_stream/{name}"]
        *older, current = (each["index_name"] for each in stream["indices"])
        mapped = {current: self.mappings[name], **{index: self.earlier[index] for index in older}}
        if method == "GET":
            return 200, {index: {"mappings": mappings} for index, mappings in mapped.items()}
        changed = [current] if query.get("write_index_only") == ["true"] else list(mapped)
        for index in changed:
            if other := different(body["properties"], mapped[index]["properties"]):
                reason = f"mapper [{other}] cannot be changed in index [{index}]"
                return 400, {"error": {"type": "illegal_argument_exception", "reason": reason}}
        for index in changed:
            mapped[index]["properties"] = body["properties"]
        return 200, {"acknowledged": True}

    def _template(self, method: str, kind: str, path: str, name: str, body: Any) -> Answer:
        if method == "DELETE" and kind == "index_template" and any(self._uses(name, s) for s in self._streams()):
            reason = f"unable to remove composable templates [{name}] as they are in use by a data streams"
            return 400, {"error": {"reason": reason}}
        if (
            method == "PUT"
            and kind == "index_template"
            and f"/_component_template/{body['composed_of'][0]}" not in self.stored
        ):
            return 400, {"error": {"reason": f"specifies component templates {body['composed_of']} that do not exist"}}
        return self._stored(method, path, _as_stored(body), lambda kept: {f"{kind}s": [{"name": name, kind: kept}]})

    def _streams(self) -> list[str]:
        return [path.rpartition("/")[2] for path in self.stored if path.startswith("/_data_stream/")]

    def _uses(self, template: str, stream: str) -> bool:
        return stream in self.stored.get(f"/_index_template/{template}", {}).get("index_patterns", [])

    def _mapped(self, stream: str) -> Any:
        for path, template in self.stored.items():
            if path.startswith("/_index_template/") and stream in template["index_patterns"]:
                component = self.stored[f"/_component_template/{template['composed_of'][0]}"]
                return json.loads(json.dumps(component["template"]["mappings"]))
        return None

    def _stream(self, method: str, path: str, name: str) -> Answer:
        if method == "PUT":
            mapped = self._mapped(name)
            if mapped is None:
                return 400, {"error": {"reason": f"no matching index template found for data stream [{name}]"}}
            self.mappings[name] = mapped
            index = [{"index_name": f".ds-{name}-1"}]
            self.stored[path] = {"name": name, "indices": index, "failure_store": {"enabled": True}}
            return 200, {"acknowledged": True}
        return self._stored(method, path, None, lambda kept: {"data_streams": [kept]})

    def _key(self, method: str, query: dict[str, list[str]], body: Any, rest: list[str]) -> Answer:
        if method == "GET":
            name = query["name"][0]
            kept = [key for path, key in self.stored.items() if path.startswith("/_security/") and key["name"] == name]
            return 200, {"api_keys": kept}
        if method == "DELETE":
            for id in body["ids"]:
                del self.stored[f"/_security/{id}"]
            return 200, {"invalidated_api_keys": body["ids"], "previously_invalidated_api_keys": [], "error_count": 0}
        if rest:
            self.stored[f"/_security/{rest[0]}"] |= body
            return 200, {"updated": True}
        id = f"id{len(self.requests)}"
        self.stored[f"/_security/{id}"] = {"id": id, "invalidated": False, **body}
        encoded = base64.b64encode(f"{id}:secret".encode()).decode()
        return 200, {"id": id, "name": body["name"], "api_key": "secret", "encoded": encoded}

    def _stored(self, method: str, path: str, body: Any, shown: Any) -> Answer:
        if method == "PUT":
            self.stored[path] = body
            return 200, {"acknowledged": True}
        if path not in self.stored:
            return GONE
        if method == "DELETE":
            del self.stored[path]
            return 200, {"acknowledged": True}
        return 200, shown(self.stored[path])

    def _kibana(self, method: str, path: str, body: Any, headers: Any) -> Answer:
        if method != "GET" and not headers.get("kbn-xsrf"):
            return 400, {"message": "Request must contain a kbn-xsrf header."}
        match path.strip("/").split("/")[1:]:
            case ["status"]:
                return 200, {"version": {"number": self.kibana_version}}
            case ["data_views", "data_view"]:
                self.wrong += data_view_faults(body)
                self.stored[f"{path}/{body['data_view']['id']}"] = {"data_view": body["data_view"]}
                return 200, body
            case ["data_views", "data_view", _]:
                return self._stored(method, path, body, lambda kept: kept)
            case ["dashboards", id]:
                if method == "PUT":
                    self.wrong += dashboard_faults(body)
                meta = {"created_at": "2026-11-27T10:00:00Z", "managed": False}
                return self._stored(method, path, body, lambda kept: {"id": id, "data": kept, "meta": meta})
            case ["alerting", "rule", _]:
                return self._rule(method, path, body)
            case ["saved_objects", "_export"]:
                kept = self.stored.get(f"/api/saved_objects/dashboard/{body['objects'][0]['id']}")
                return (
                    (200, kept) if kept else (400, {"message": "Error fetching objects to export", "statusCode": 400})
                )
            case ["saved_objects", "_import"]:
                for line in body:
                    self.stored[f"/api/saved_objects/{line['type']}/{line['id']}"] = line
                return 200, {"success": True, "successCount": len(body)}
            case ["saved_objects", _, _]:
                return self._stored(method, path, body, lambda kept: kept)
            case _:
                raise AssertionError(f"unexpected request: {method} {path}")

    def _rule(self, method: str, path: str, body: Any) -> Answer:
        if body is not None:
            self.wrong += [f"{method} rule: {fault}" for fault in rule_faults(f"/s/x{path}", method, body)]
            if self.kibana_version < "9.1" and "artifacts" in body:
                return 400, {"message": "[request body.artifacts]: definition for this key is missing"}
            streams = {
                f"/_data_stream/{word}" for word in body["params"]["esqlQuery"]["esql"].split() if word.count("-") >= 2
            }
            self.wrong += [
                f"{path} queries a stream that does not exist: {name}" for name in streams - self.stored.keys()
            ]
        if method == "POST":
            self.stored[path] = {**body, "enabled": True}
            return 200, self.stored[path]
        if method == "PUT":
            self.stored[path] |= body
            return 200, self.stored[path]
        return self._stored(method, path, body, lambda kept: kept)


def different(desired: Any, current: Any) -> str:
    """The first field that exists and that the real one does not change in place."""
    for name, new in desired.items():
        old = current.get(name)
        if old is not None and any(
            new.get(key, default) != old.get(key, default)
            for key, default in (("type", "object"), ("index", True), ("doc_values", True), ("subobjects", "true"))
        ):
            return str(name)
        if old is not None and (inner := different(new.get("properties", {}), old.get("properties", {}))):
            return f"{name}.{inner}"
    return ""


def _as_stored(body: Any) -> Any:
    """A template as Elasticsearch answers it: settings are texts."""
    if body is None or "settings" not in body.get("template", {}):
        return body
    return {**body, "template": {**body["template"], "settings": _texts(body["template"]["settings"])}}


def _texts(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _texts(inner) for key, inner in value.items()}
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    state: StandIn


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""

    def _respond(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        body: Any = json.loads(raw) if raw and "json" in self.headers.get("content-type", "") else None
        if "multipart" in self.headers.get("content-type", ""):
            body = [json.loads(line) for line in raw.decode().splitlines() if line.startswith("{")]
        status, answer = self.server.state.answer(self.command, self.path, body, self.headers)
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.send_header("x-elastic-product", "Elasticsearch")
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = _respond


@contextmanager
def stand_in(**options: Any) -> Iterator[StandIn]:
    """A stand-in on a free port of this machine, for both servers."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.state = StandIn(**options, url=f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server.state
        server.shutdown()
        thread.join()
