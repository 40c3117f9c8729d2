from __future__ import annotations

import json

import pytest

from mlspec.docker.container import parse_response
from mlspec.errors import StageError


def test_a_response_of_the_server_in_the_container_is_parsed() -> None:
    body = json.dumps([{"label": "é"}])
    text = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}"
    assert parse_response(text) == (200, [{"label": "é"}])
    assert parse_response("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n") == (502, None)
    with pytest.raises(StageError, match=r"does not answer with JSON over HTTP"):
        parse_response("SSH-2.0\r\n")
