"""Every request that programs send to an emulated AWS: a proxy in front of it, which knows AWS's operations."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tests.shipping.cloud import READS

OWN_AGENT: Final = "mlspec"
"""Is in the user agent of mlspec's own clients."""
_MODELS: Final = {"lambda": "lambda", "apigateway": "apigatewayv2", "s3": "s3", "budgets": "budgets"}
"""Services whose operations are paths, and the names of their models."""
_LARGEST: Final = 1 << 20
"""Bytes of the largest body that is read: a larger one is a file."""
_SINGLE: Final = ("Connection", "Transfer-Encoding", "Content-Length")


@dataclass(frozen=True, slots=True)
class AwsRequest:
    """One request of a program. `about` is its path with its body, in which the names of resources are."""

    service: str
    operation: str
    about: str

    @property
    def changes(self) -> bool:
        """Whether it changes an account."""
        return not self.operation.startswith((*READS, "Validate", "HEAD "))


@dataclass
class Recorded:
    """The requests in the order in which they came."""

    requests: list[AwsRequest] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Requests of every program that no policy allows, each with the answer."""

    @property
    def changing(self) -> list[AwsRequest]:
        """Those that change an account."""
        return [one for one in self.requests if one.changes]


@contextmanager
def recorded(endpoint: str) -> Iterator[tuple[str, Recorded]]:
    """The address of a proxy in front of `endpoint`, and the requests of all programs but mlspec itself."""
    seen, upstream = Recorded(), urlsplit(endpoint)

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = _body(self)
            read = body if len(body) <= _LARGEST else b""
            if OWN_AGENT not in self.headers.get("User-Agent", ""):
                seen.requests.append(_request(self.command, self.path, self.headers, read))
            connection = http.client.HTTPConnection(upstream.hostname or "", upstream.port, timeout=120)
            headers = {name: value for name, value in self.headers.items() if name not in _SINGLE}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status == HTTPStatus.FORBIDDEN:
                seen.refused.append(f"{self.command} {self.path} {content.decode(errors='replace')}")
            self.answer(answer.status, answer.getheaders(), content)
            connection.close()

        def answer(self, status: int, headers: Sequence[tuple[str, str]], content: bytes) -> None:
            self.send_response(status)
            length = dict(headers).get("Content-Length") if self.command == "HEAD" else None
            for name, value in headers:
                if name not in _SINGLE:
                    self.send_header(name, value)
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = forward

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the test says what was sent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding") != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    content = b""
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        content += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return content


def _request(method: str, path: str, headers: Mapping[str, str], body: bytes) -> AwsRequest:
    """The operation, from the form, the header or the path that its protocol has it in."""
    scope = re.search(r"Credential=[^/]*/\d+/[^/]*/([^/]+)/", headers.get("Authorization") or "")
    service, text = scope[1] if scope else "", body.decode(errors="replace")
    about = f"{path} {text}"
    if target := headers.get("X-Amz-Target"):
        return AwsRequest(service, target.rpartition(".")[2], about)
    if rpc := re.search(r"/operation/(\w+)$", path):
        return AwsRequest(service, rpc[1], about)
    if named := re.search(r"[?&]x-id=(\w+)", path):
        return AwsRequest(service, named[1], about)
    if action := _action(body):
        return AwsRequest(service, action, about)
    for verb, pattern, operation in _paths(service):
        if verb == method and re.fullmatch(pattern, path):
            return AwsRequest(service, operation, about)
    return AwsRequest(service, f"{method} {path}", about)


def _action(body: bytes) -> str:
    """The operation in a form; "" where the body is none."""
    return parse_qs(body.decode(errors="replace")).get("Action", [""])[0]


@cache
def _paths(service: str) -> tuple[tuple[str, str, str], ...]:
    """Method, pattern of the path, and operation; the most exact pattern first."""
    if service not in _MODELS:
        return ()
    from botocore.loaders import Loader

    operations: Mapping[str, Any] = Loader().load_service_model(_MODELS[service], "service-2")["operations"]
    routes = [(one["http"]["method"], one["http"]["requestUri"], name) for name, one in operations.items()]
    return tuple((verb, _pattern(uri), name) for verb, uri, name in sorted(routes, key=lambda one: -len(one[1])))


def _pattern(uri: str) -> str:
    path, _, query = uri.partition("?")
    pattern = re.sub(r"\\\{\w+(\\\+)?\\\}", "[^/?]+", re.escape(path))
    return pattern + (rf"\?(.*&)?{re.escape(query)}.*" if query else r"/?(\?.*)?")
