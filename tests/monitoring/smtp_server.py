"""A mail server on this machine: SMTP (RFC 5321) with login (RFC 4954), STARTTLS (RFC 3207) and TLS from the start."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal


@dataclass
class MailServer:
    """What it got, and how it behaves."""

    security: Literal["none", "starttls", "tls"] = "none"
    certificate: Path | None = None
    login: tuple[str, str] | None = None
    unknown: str = ""
    """A recipient that it refuses."""
    silent: bool = False
    port: int = 0
    messages: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    """Whether the connection of each message was encrypted."""
    released: threading.Event = field(default_factory=threading.Event)

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        assert self.certificate is not None
        context.load_cert_chain(self.certificate)
        return context


@contextmanager
def smtp_server(
    security: Literal["none", "starttls", "tls"] = "none",
    certificate: Path | None = None,
    login: tuple[str, str] | None = None,
    unknown: str = "",
    *,
    silent: bool = False,
) -> Iterator[MailServer]:
    """The server on a free port of this machine."""
    state = MailServer(security, certificate, login, unknown, silent)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _session(state)) as server:
        server.daemon_threads = True
        state.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield state
        state.released.set()
        server.shutdown()


def _session(state: MailServer) -> type[socketserver.StreamRequestHandler]:
    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            if state.silent:
                state.released.wait(20)
                return
            try:
                if state.security == "tls":
                    self.encrypt()
                self.say("220 test ESMTP")
                while (line := self.rfile.readline()) and self.answer(line.decode().strip()):
                    pass
            except OSError:  # the client does not trust the certificate, or speaks no TLS
                self.close()

        def close(self) -> None:
            self.connection.close()

        def encrypt(self) -> None:
            self.connection = state.context().wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")

        def say(self, line: str) -> None:
            self.connection.sendall(line.encode() + b"\r\n")

        def answer(self, line: str) -> bool:
            word, _, rest = line.partition(" ")
            match word.upper():
                case "EHLO":
                    secret = isinstance(self.connection, ssl.SSLSocket)
                    offers = ["STARTTLS"] * (state.security == "starttls" and not secret)
                    offers += ["AUTH PLAIN"] * (state.login is not None and secret)
                    for offer in ["test", *offers]:
                        self.say(f"250-{offer}")
                    self.say("250 8BITMIME")
                case "STARTTLS":
                    self.say("220 go ahead")
                    self.encrypt()
                case "AUTH":
                    given = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")[1:]
                    self.say("235 ok" if tuple(given) == state.login else "535 5.7.8 authentication failed")
                case "RCPT":
                    self.say("550 no such user" if state.unknown and state.unknown in rest else "250 ok")
                case "DATA":
                    self.say("354 go on")
                    state.messages.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                    state.encrypted.append(isinstance(self.connection, ssl.SSLSocket))
                    self.say("250 ok")
                case "QUIT":
                    self.say("221 bye")
                    return False
                case _:
                    self.say("250 ok")
            return True

    return Session


def certificate_for(host: str, folder: Path) -> Path:
    """A self-made certificate for a host with its key, as PEM: trusted by who trusts this file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / f"{host}.pem"
    file.write_bytes(certificate + secret)
    return file
