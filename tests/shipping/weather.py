"""Bad weather on the way: a proxy that breaks connections off, and answers that AWS gives on a bad day."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from botocore.awsrequest import AWSResponse


class Proxy:
    """Passes connections on to `port`, and breaks off the first `drops` of those that send `word`."""

    def __init__(self, port: int, word: bytes, drops: int) -> None:
        self.word, self.left, self.dropped = word, drops, 0
        self._to = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.getsockname()[1]}"

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                for source, sink, watch in ((near, far, True), (far, near, False)):
                    threading.Thread(target=self._carry, args=(source, sink, watch), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, watch: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if watch and self.word in data and self._drop():
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _drop(self) -> bool:
        with self._lock:
            if self.left <= 0:
                return False
            self.left -= 1
            self.dropped += 1
            return True


@contextmanager
def proxy(port: int, word: bytes, drops: int) -> Iterator[Proxy]:
    created = Proxy(port, word, drops)
    try:
        yield created
    finally:
        created.close()


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._body

    def read(self, *_: Any) -> bytes:
        return self._body


def answers(client: Any, operation: str, *refusals: tuple[int, str, str]) -> list[str]:
    """AWS answers the next calls of `operation` with these (status, code, message), and then as ever. Gives what it
    refused, as it refuses it."""
    left, messages = list(refusals), []

    def before(request: Any, **_: Any) -> AWSResponse | None:
        if not left:
            return None
        status, code, message = left.pop(0)
        messages.append(code)
        body = json.dumps({"__type": code, "Type": "User", "Message": message, "message": message}).encode()
        if client.meta.service_model.protocol == "query":
            error = f"<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>"
            body = f"<ErrorResponse><Error>{error}</Error><RequestId>1</RequestId></ErrorResponse>".encode()
        headers = {"x-amzn-ErrorType": code, "Content-Type": "application/json"}
        return AWSResponse(request.url, status, headers, _Raw(body))

    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-send.{service}.{operation}", before)
    return messages
