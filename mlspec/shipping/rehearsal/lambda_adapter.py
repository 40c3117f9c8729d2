"""HTTP in front of the handler of a zip, in its container: requests to events of a function URL, results to responses.

    python adapter.py FOLDER HANDLER PORT

The container has this file alone, so it imports nothing of mlspec. As in Lambda, one event is handled at a time.
"""

from __future__ import annotations

import base64
import importlib
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Event = dict[str, object]
Result = Mapping[str, object]
Handle = Callable[[Event, None], Result]


def event(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Event:
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


def response(result: Result) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body in the result of the handler."""
    body, headers = str(result.get("body") or ""), result.get("headers")
    content = base64.b64decode(body) if result.get("isBase64Encoded") else body.encode()
    names = headers if isinstance(headers, Mapping) else {}
    return int(str(result["statusCode"])), {str(k): str(v) for k, v in names.items()}, content


def serve(handle: Handle, port: int) -> ThreadingHTTPServer:
    """A server in front of the handler, not started. A handler that raises gives a 502, as a function URL does."""
    turn = threading.Lock()

    class AdapterHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = event(self.command, self.path, dict(self.headers.items()), body)
            try:
                with turn:
                    status, headers, content = response(handle(request, None))
            except Exception as error:  # noqa: BLE001 - whatever the handler raises is a 502
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

        def log_message(self, *_: object) -> None:
            """Not logged: the log is that of the function."""

    server = ThreadingHTTPServer(("", port), AdapterHandler)
    server.daemon_threads = True
    return server


if __name__ == "__main__":
    folder, handler, listen = sys.argv[1:]
    sys.path[:0] = [folder]
    module, _, function = handler.rpartition(".")
    serve(getattr(importlib.import_module(module), function), int(listen)).serve_forever()
