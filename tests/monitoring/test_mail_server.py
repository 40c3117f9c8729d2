"""Mail through encrypted connections, to a server on this machine with a self-made certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from mlspec.monitoring.notifications import AlarmEvent, FailedDelivery, Notifier
from mlspec.sections.monitor_notify import Mail, Notify
from tests.monitoring.smtp_server import certificate_for, smtp_server

LOGIN = ("mlspec", "s3cret")
EVENT = AlarmEvent("age-moved", "firing", "cola", "age moved", "mean 40 < 55", "2026-11-27T10:00:00Z")
Security = Literal["none", "starttls", "tls"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_for("localhost", tmp_path_factory.mktemp("certificate"))


def sent(folder: Path, port: int, security: Security, password: str = LOGIN[1], **changes: Any) -> list[FailedDelivery]:
    """The failures of one event."""
    values: dict[str, Any] = {"to": ["team@example.com"], "sender": "mlspec@example.com", "host": "localhost"}
    values |= {"port": port, "security": security, "user": {"env": "MAIL_USER"}, "password": {"env": "MAIL_PASSWORD"}}
    mail = Mail.model_validate(values | changes)
    environment = {"MAIL_USER": LOGIN[0], "MAIL_PASSWORD": password}
    return Notifier(Notify(mail=mail), environment, folder / "notified.json", timeout=0.3).send([EVENT])


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_arrives_encrypted_with_a_login(
    security: Security, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with smtp_server(security, certificate, LOGIN) as server:
        assert sent(tmp_path, server.port, security) == []
    assert server.encrypted == [True]
    assert "Subject: [firing] cola: age moved" in server.messages[0]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_wrong_password_names_the_variables_and_not_their_values(
    security: Security, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with smtp_server(security, certificate, LOGIN) as server:
        (failure,) = sent(tmp_path, server.port, security, password="wr0ng")
        assert failure.reason == (
            f"the mail server localhost:{server.port} does not accept the user or the password of monitor.notify.mail "
            "(535 5.7.8 authentication failed)"
        )
        assert "MAIL_USER and MAIL_PASSWORD" in failure.help
        assert "wr0ng" not in failure.reason + failure.help
        assert sent(tmp_path, server.port, security) == []  # with the next run
    assert len(server.messages) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_is_not_trusted_gets_no_password(
    security: Security, certificate: Path, tmp_path: Path
) -> None:
    with smtp_server(security, certificate, LOGIN) as server:
        (failure,) = sent(tmp_path, server.port, security)
    assert failure.reason == f"the certificate of localhost:{server.port} is not trusted: self-signed certificate"
    assert "SSL_CERT_FILE=" in failure.help
    assert server.messages == []


@pytest.mark.parametrize(
    ("server_has", "client_wants", "reason"),
    [
        ("none", "starttls", "does not offer STARTTLS"),
        ("none", "tls", "did not agree on TLS"),
        ("tls", "starttls", "did not answer within 0.3 s"),
        ("starttls", "none", "offers no login on this connection"),
    ],
)
def test_another_encryption_than_that_of_the_server_names_the_key(
    server_has: Security, client_wants: Security, reason: str, certificate: Path, tmp_path: Path
) -> None:
    with smtp_server(server_has, certificate, LOGIN) as server:
        (failure,) = sent(tmp_path, server.port, client_wants)
    assert failure.reason.startswith(f"the mail server localhost:{server.port} {reason}")
    assert "monitor.notify.mail.security has to be that of the port" in failure.help


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_server_that_does_not_answer_or_is_not_there(security: Security, tmp_path: Path) -> None:
    with smtp_server(silent=True) as server:
        (failure,) = sent(tmp_path, server.port, security)
    assert failure.reason == f"the mail server localhost:{server.port} did not answer within 0.3 s"
    (failure,) = sent(tmp_path, 1, security)
    assert failure.reason == "the mail server localhost:1 cannot be reached: Connection refused"
    (failure,) = sent(tmp_path, 587, security, host="no-such-host.invalid")
    assert failure.reason.startswith("the mail server no-such-host.invalid:587 cannot be reached: ")
