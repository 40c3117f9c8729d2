"""The rehearsal's endpoint: requests of clients to the versions of the alias, and under /_mlspec/ those of a rollout.

python -m mlspec.shipping.rehearsal.gateway PORT ENDPOINT REGION FUNCTION ALIAS OWNER ZIPS
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from mlspec.docker.client import connected
from mlspec.errors import StageError
from mlspec.shipping.rehearsal.control_plane_client import ControlPlaneClient
from mlspec.shipping.rehearsal.function_containers import FunctionContainers
from mlspec.shipping.rehearsal.injected_faults import Faults
from mlspec.shipping.rehearsal.local_lambda import InvocationResult, LocalLambda

ADMIN: Final = "/_mlspec/"
_MOST: Final = 16 * 2**20
_PASSED_ON: Final = ("content-type", "accept", "x-request-id")


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM, then remove the containers."""
    port, endpoint, region, function, alias, owner, zips = arguments
    containers = FunctionContainers(connected(), owner, Path(zips))
    service = LocalLambda(ControlPlaneClient(endpoint, region, function, alias), containers)
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), handler(service))
    server.daemon_threads = True
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    service.close()  # containers that a killed endpoint left running
    server.serve_forever()
    service.close()


def handler(service: LocalLambda) -> type[BaseHTTPRequestHandler]:
    """The request handler over a service."""

    class GatewayHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = self.headers.get("Content-Length") or "0"
            if not length.isdigit() or int(length) > _MOST:
                self.close_connection = True
                return self._send(InvocationResult(413, b'{"error": {"message": "the body is too large"}}'))
            body = self.rfile.read(int(length))
            try:
                if self.path.startswith(ADMIN):
                    answer = administer(service, self.path[len(ADMIN) :], body)
                else:
                    headers = {k: v for k, v in self.headers.items() if k.lower() in _PASSED_ON}
                    answer = service.call(self.command, self.path, headers, body)
            except StageError as error:
                answer = InvocationResult(
                    503, json.dumps({"error": {"message": error.message, "help": error.help}}).encode()
                )
            return self._send(answer)

        do_GET = do_POST = do_HEAD = _answer  # noqa: N815 - the library's names

        def _send(self, answer: InvocationResult) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            if answer.version:
                self.send_header("X-Amz-Executed-Version", answer.version)  # as in a response of Lambda's Invoke
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Not logged: calls are counted, and a line for each would fill the disk."""

    return GatewayHandler


def administer(service: LocalLambda, request: str, body: bytes) -> InvocationResult:
    """`numbers?version=&since=`, `invoke?version=`, `faults?version=`, `settle`."""
    parts = urlsplit(request)
    query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    match parts.path:
        case "numbers":
            return _json(asdict(service.counts.since(query["version"], float(query["since"]))))
        case "invoke":
            return service.invoke(query["version"], body)
        case "faults":
            service.inject(query["version"], Faults(**json.loads(body)))
            return _json({})
        case "settle":
            return _json({"versions": service.settle()})
        case _:
            return InvocationResult(404, b"{}")


def _json(value: object) -> InvocationResult:
    return InvocationResult(200, json.dumps(value).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
