"""What the registries of packages on this machine have in common: a server on loopback that answers with files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class RegistryHandler(BaseHTTPRequestHandler):
    """Answers on connections that stay open, each answer in one write."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def answer(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def registry(handler: type[RegistryHandler]) -> Iterator[str]:
    """The address of a server with that handler."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
