"""Before the handler of a zip, in its container: HTTP to the events of a function URL, and back.

    python front.py FOLDER HANDLER PORT

It lies there alone, and imports nothing of ours. As in Lambda, a copy of the function has one event at a time.
"""

from __future__ import annotations

import base64
import importlib
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Handle = Callable[[dict[str, Any], Any], Mapping[str, Any]]


def event(method: str, target: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The request in payload format 2.0 (https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html)."""
    parts = urlsplit(target)
    return {
        "version": "2.0",
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": {name.lower(): value for name, value in headers.items()},
        "requestContext": {"stage": "$default", "http": {"method": method, "path": parts.path}},
        "body": base64.b64encode(body).decode("ascii"),
        "isBase64Encoded": True,
    }


def answer(found: Mapping[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of what the handler gave back."""
    body = str(found.get("body") or "")
    content = base64.b64decode(body) if found.get("isBase64Encoded") else body.encode()
    return int(found["statusCode"]), {str(k): str(v) for k, v in (found.get("headers") or {}).items()}, content


def serve(handle: Handle, port: int) -> ThreadingHTTPServer:
    """A server before that handler, not yet running. A handler that raises is a 502, as behind a function URL."""
    turn = threading.Lock()

    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = event(self.command, self.path, dict(self.headers.items()), body)
            try:
                with turn:
                    status, headers, content = answer(handle(asked, None))
            except Exception as error:  # noqa: BLE001 - whatever the handler raises is its answer
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                status, headers, content = 502, {"Content-Type": "text/plain"}, b"Internal Server Error"
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() != "content-length":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _pass_on  # noqa: N815 - the library's names

        def log_message(self, *_: Any) -> None:
            """The function's own lines are what the log is for."""

    server = ThreadingHTTPServer(("", port), Front)
    server.daemon_threads = True
    return server


if __name__ == "__main__":
    folder, handler, listen = sys.argv[1:]
    sys.path[:0] = [folder]
    module, _, function = handler.rpartition(".")
    serve(getattr(importlib.import_module(module), function), int(listen)).serve_forever()
