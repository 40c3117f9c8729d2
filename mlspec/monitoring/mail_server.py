"""A message to the mail server of the spec, and what prevents it as one sentence with its remedy."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Final

from mlspec.monitoring.delivery_error import DeliveryError
from mlspec.sections.monitor_notify import Mail

TIMEOUT: Final = 10.0
"""Seconds without an answer after which the server counts as unreachable."""
_MAIL: Final = "monitor.notify.mail"
_TRUST: Final = (
    "correct monitor.notify.mail.host; a server with a certificate of your own authority is trusted with "
    "SSL_CERT_FILE=FILE.pem in the environment of `mlspec monitor`"
)
_ENCRYPTION: Final = (
    "monitor.notify.mail.security has to be that of the port: `starttls` for 587, `tls` for 465, `none` for a server "
    "that offers none"
)


def send(mail: Mail, message: EmailMessage, login: tuple[str, str] | None, timeout: float = TIMEOUT) -> str:
    """Send a message; returns which of several recipients were refused, "" for none. Raises DeliveryError."""
    try:
        with _connection(mail, timeout) as server:
            if login:
                server.login(*login)
            refused = server.send_message(message)
    except smtplib.SMTPException as error:
        raise _refused(mail, error, timeout) from None
    except OSError as error:
        raise _not_connected(mail, error, timeout) from None
    return f"{_at(mail)} refused {_recipients(refused)}" if refused else ""


def _connection(mail: Mail, timeout: float) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if mail.security == "tls":
        return smtplib.SMTP_SSL(mail.host, mail.port, timeout=timeout, context=context)
    server = smtplib.SMTP(mail.host, mail.port, timeout=timeout)
    if mail.security == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


def _at(mail: Mail) -> str:
    return f"the mail server {mail.host}:{mail.port}"


def _refused(mail: Mail, error: smtplib.SMTPException, timeout: float) -> DeliveryError:
    """What the server answered."""
    at = _at(mail)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        message = f"{at} does not accept the user or the password of {_MAIL} ({_answer(error)})"
        return DeliveryError(message, f"check the variables {_variables(mail)}; some servers need a password for apps")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        if "STARTTLS" in str(error):
            return DeliveryError(f"{at} does not offer STARTTLS", _ENCRYPTION)
        return DeliveryError(f"{at} offers no login on this connection", f"{_ENCRYPTION}, or remove {_MAIL}.user")
    if isinstance(error, smtplib.SMTPSenderRefused):
        help = f"set {_MAIL}.sender to an address that it sends for" + ("" if mail.user else f", and {_MAIL}.user")
        return DeliveryError(f"{at} refused the sender {error.sender} ({_answer(error)})", help)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return DeliveryError(f"{at} refused {_recipients(error.recipients)}", f"correct {_MAIL}.to")
    if isinstance(error, smtplib.SMTPServerDisconnected) and isinstance(error.__context__, TimeoutError):
        return _silent(mail, timeout)
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return DeliveryError(f"{at} closed the connection without an answer", _ENCRYPTION)
    detail = _answer(error) if isinstance(error, smtplib.SMTPResponseException) else str(error)
    return DeliveryError(f"{at} did not take the message ({detail})", "see the log of the mail server")


def _not_connected(mail: Mail, error: OSError, timeout: float) -> DeliveryError:
    at = _at(mail)
    if isinstance(error, ssl.SSLCertVerificationError):
        return DeliveryError(
            f"the certificate of {mail.host}:{mail.port} is not trusted: {error.verify_message}", _TRUST
        )
    if isinstance(error, ssl.SSLError):
        return DeliveryError(f"{at} did not agree on TLS ({error.reason or error})", _ENCRYPTION)
    if isinstance(error, TimeoutError):
        return _silent(mail, timeout)
    return DeliveryError(f"{at} cannot be reached: {error.strerror or error}", f"check {_MAIL}.host and port")


def _silent(mail: Mail, timeout: float) -> DeliveryError:
    help = f"check the network and the firewall. {_ENCRYPTION}"
    return DeliveryError(f"{_at(mail)} did not answer within {timeout:g} s", help)


def _variables(mail: Mail) -> str:
    return " and ".join(ref.env for ref in (mail.user, mail.password) if ref is not None)


def _answer(error: smtplib.SMTPResponseException) -> str:
    return _reply(error.smtp_code, error.smtp_error)


def _recipients(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return ", ".join(f"{address} ({_reply(*reply)})" for address, reply in sorted(refused.items()))


def _reply(code: int, text: bytes | str) -> str:
    """A reply of the server on one line."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(words.split())}"[:200].rstrip()
