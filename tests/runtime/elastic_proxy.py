"""Elasticsearch's language behind a proxy with faults: an in-memory server, and what a cluster does on a bad day."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.conftest import missing

FAULTS = ("429", "503", "401", "lost", "late", "one-429", "one-403", "no-pipeline", "failure-store", "stranger")
ITEM_ERRORS = {
    "one-429": (429, "es_rejected_execution_exception", "queue is full"),
    "one-403": (403, "security_exception", "action [indices:data/write/bulk[s]] is unauthorized for API key id [x]"),
    "no-pipeline": (400, "illegal_argument_exception", "pipeline with id [p] does not exist"),
}
"""What the first document of a batch is answered."""


class ElasticProxy:
    """Forwards requests to the server; `faults` are used up by the next requests of `path`, one each."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.faults: list[str] = []
        self.always = ""
        self.path = "_bulk"
        self.refuses: tuple[bytes, int] | None = None
        """A text, and the status of a whole request that contains it."""
        self.most_bytes = 10**9
        """A larger request is answered with 413."""
        self.media_type = False
        """Whether the server has another major version than the client."""
        self.bulks: list[int] = []
        """Documents of each bulk request that arrived."""
        self.go_on = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()

    def fault(self, path: str) -> str:
        if self.path not in path:
            return ""
        return self.faults.pop(0) if self.faults else self.always

    def forward(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.target.hostname or "", self.target.port, timeout=20)
        kind = "application/x-ndjson" if "_bulk" in path else "application/json"
        connection.request(method, path, body or None, {"Content-Type": kind} if body else {})
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer

    def json(self, method: str, path: str, body: Any = None) -> Any:
        status, text = self.forward(method, path, json.dumps(body).encode() if body is not None else b"")
        assert status < 300, text
        return json.loads(text)

    def documents(self, index: str) -> dict[str, Any]:
        """The documents of an index by id; an id in two backing indices fails."""
        self.json("POST", f"/{index}/_refresh")
        hits = self.json("POST", f"/{index}/_search", {"size": 5000})["hits"]["hits"]
        by_id = {hit["_id"]: hit["_source"] for hit in hits}
        assert len(by_id) == len(hits)
        return by_id


def _handler(proxy: ElasticProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.fault(self.path)
            if "_bulk" in self.path:
                proxy.bulks.append(body.count(b"\n") // 2)
            if "_bulk" in self.path and (status := self.refused(body)):
                kind = "media_type_header_exception" if proxy.media_type else "parse_exception"
                return self.reply(status, json.dumps({"error": {"type": kind, "reason": "bad"}, "status": status}))
            if fault.isdigit():
                return self.reply(int(fault), json.dumps({"error": {"type": f"fault_{fault}", "reason": "bad day"}}))
            if fault == "late":
                proxy.go_on.wait(20)
            if fault in ITEM_ERRORS:
                return self.one_refused(body, *ITEM_ERRORS[fault])
            status, text = proxy.forward(self.command, self.path, body)
            if fault == "lost":
                self.close_connection = True
                return None
            if fault == "failure-store":
                whole = json.loads(text)
                whole["items"][0]["create"]["failure_store"] = "used"
                text = json.dumps(whole).encode()
            return self.reply(status, text, product="" if fault == "stranger" else "Elasticsearch")

        do_PUT = do_GET = do_POST

        def refused(self, body: bytes) -> int:
            """The status of a request that is refused as a whole, or 0."""
            text, status = proxy.refuses or (b"\0", 0)
            return 400 if proxy.media_type else 413 if len(body) > proxy.most_bytes else status if text in body else 0

        def one_refused(self, body: bytes, refusal: int, type: str, reason: str) -> None:
            """The first document of the batch is refused, the others are stored."""
            lines = body.splitlines(keepends=True)
            status, text = proxy.forward(self.command, self.path, b"".join(lines[2:]))
            whole = json.loads(text)
            id = json.loads(lines[0])["create"]["_id"]
            error = {"type": type, "reason": reason}
            whole["items"].insert(0, {"create": {"_id": id, "status": refusal, "error": error}})
            self.reply(status, json.dumps(whole))

        def reply(self, status: int, text: str | bytes, product: str = "Elasticsearch") -> None:
            data = text.encode() if isinstance(text, str) else text
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.elasticsearch+json;compatible-with=9")
            if product:
                self.send_header("X-Elastic-Product", product)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *parts: object) -> None:
            pass

    return Handler


@contextmanager
def cluster() -> Iterator[str]:
    """The URL of an in-memory server."""
    try:
        from osmem_server import OsmemServer
    except ImportError:
        missing("the Python package osmem-server")
    with OsmemServer.start(japanese=False) as started:
        yield started.url
