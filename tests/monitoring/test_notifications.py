"""Notifications, sent to real servers on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlspec.monitoring.notifications import AlarmEvent, Notifier
from mlspec.sections.monitor_notify import GithubIssue, Mail, Notify
from mlspec.spec.types import SecretRef
from tests.monitoring.smtp_server import smtp_server

FIRING = AlarmEvent("age-moved", "firing", "cola", "age moved", "mean 40 < 55 & rising", "2026-11-27T10:00:00Z")
CLEARED = AlarmEvent("age-moved", "cleared", "cola", "age moved", "no longer", "2026-11-28T10:00:00Z")


@dataclass
class Received:
    """What a test server got, and the status that it answers with."""

    requests: list[tuple[str, str, dict[str, object], str]] = field(default_factory=list)
    status: int = 200


@contextmanager
def http_server() -> Iterator[tuple[str, Received]]:
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def handle_request(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            token = self.headers.get("Authorization", "")
            received.requests.append((self.command, self.path, json.loads(body), token))
            self.send_response(received.status)
            self.end_headers()
            self.wfile.write(json.dumps({"number": 7}).encode())

        do_POST = do_PATCH = handle_request

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        server.server_close()


Make = Callable[[Notify, dict[str, str]], Notifier]


@pytest.fixture
def notifier(tmp_path: Path) -> Make:
    """A notifier whose state lies in the folder of the test: each call is a new run."""
    return lambda options, environment: Notifier(options, environment, tmp_path / "state" / "notified.json")


def test_a_webhook_gets_each_event_once(notifier: Make) -> None:
    options = Notify(webhook=SecretRef(env="HOOK"))
    with http_server() as (url, received):
        for _ in range(2):
            assert notifier(options, {"HOOK": f"{url}/secret"}).send([FIRING]) == []
        notifier(options, {"HOOK": f"{url}/secret"}).send([FIRING, CLEARED])
    assert [body["state"] for _, _, body, _ in received.requests] == ["firing", "cleared"]
    assert received.requests[0][2]["text"] == FIRING.text


def test_slack_text_has_no_markup_of_ours(notifier: Make) -> None:
    with http_server() as (url, received):
        notifier(Notify(slack=SecretRef(env="SLACK")), {"SLACK": url}).send([FIRING])
    assert received.requests[0][2]["text"] == "*[firing] cola: age moved*\nmean 40 &lt; 55 &amp; rising"


def test_a_mail_arrives_and_is_not_sent_again_for_one_refused_recipient(notifier: Make) -> None:
    with smtp_server(unknown="away@example.com") as server:
        mail = {"sender": "mlspec@example.com", "host": "localhost", "port": server.port, "security": "none"}
        to_both = Mail.model_validate({**mail, "to": ["team@example.com", "away@example.com"]})
        (failure,) = notifier(Notify(mail=to_both), {}).send([FIRING])
        assert failure.delivered
        assert failure.reason == f"the mail server localhost:{server.port} refused away@example.com (550 no such user)"
        assert notifier(Notify(mail=to_both), {}).send([FIRING]) == []
        to_none = Mail.model_validate({**mail, "to": ["away@example.com"]})
        (failure,) = notifier(Notify(mail=to_none), {}).send([CLEARED])
        assert (failure.delivered, failure.help) == (False, "correct monitor.notify.mail.to")
    (message,) = server.messages
    assert "Subject: [firing] cola: age moved" in message
    assert "mean 40 < 55 & rising" in message


def test_an_issue_is_opened_once_and_closed_when_the_alarm_clears(notifier: Make) -> None:
    with http_server() as (url, received):
        options = Notify(github=GithubIssue(repository="octo-org/cola", api=url))
        for events in ([FIRING], [FIRING], [FIRING, CLEARED]):
            assert notifier(options, {"GITHUB_TOKEN": "t0ken"}).send(events) == []
    issues = "/repos/octo-org/cola/issues"
    assert [(method, path) for method, path, _, _ in received.requests] == [
        ("POST", issues),
        ("POST", f"{issues}/7/comments"),
        ("PATCH", f"{issues}/7"),
    ]
    assert received.requests[2][2] == {"state": "closed"}
    assert {token for _, _, _, token in received.requests} == {"Bearer t0ken"}


def test_a_channel_that_was_down_gets_the_event_later_and_the_others_not_twice(notifier: Make) -> None:
    with http_server() as (good, good_received), http_server() as (bad, bad_received):
        bad_received.status = 503
        options = Notify(webhook=SecretRef(env="HOOK"), slack=SecretRef(env="SLACK"))
        environment = {"HOOK": good, "SLACK": f"{bad}/services/T0/secret"}
        failures = notifier(options, environment).send([FIRING, CLEARED])
        assert [(failure.channel, failure.reason) for failure in failures] == [
            ("slack", "127.0.0.1 answered 503 Service Unavailable")
        ]
        bad_received.status = 200
        assert notifier(options, environment).send([FIRING, CLEARED]) == []
    assert len(good_received.requests) == 2
    assert len(bad_received.requests) == 3


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "the environment variable HOOK is not set"),
        ("ftp://host/secret", "the URL is not one of http:// or https://"),
        ("http://127.0.0.1:1/secret", "127.0.0.1: [Errno 111] Connection refused"),
    ],
)
def test_a_failure_names_the_cause_and_no_secret(notifier: Make, url: str, reason: str) -> None:
    failures = notifier(Notify(webhook=SecretRef(env="HOOK")), {"HOOK": url}).send([FIRING])
    assert [failure.reason for failure in failures] == [reason]


def test_a_damaged_state_file_sends_again_instead_of_failing(tmp_path: Path) -> None:
    state = tmp_path / "notified.json"
    state.write_text("{", encoding="utf-8")
    with http_server() as (url, received):
        assert Notifier(Notify(webhook=SecretRef(env="HOOK")), {"HOOK": url}, state).send([FIRING]) == []
    assert len(received.requests) == 1
