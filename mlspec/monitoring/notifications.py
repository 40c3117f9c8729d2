"""Notifications about alarms: a webhook, Slack, mail, or an issue on GitHub.

Each event is sent once to each channel: what was delivered is recorded, so that a channel that was down gets the event
with the next run, and the others do not get it twice.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mlspec.job import write_text
from mlspec.monitoring import mail_server
from mlspec.monitoring.delivery_error import DeliveryError
from mlspec.sections.monitor_notify import GithubIssue, Mail, Notify
from mlspec.spec.types import SecretRef

TIMEOUT: Final = mail_server.TIMEOUT
"""Seconds after which a channel counts as unreachable."""
_DELIVERED: Final = 1000
"""Deliveries that are remembered; older ones belong to alarms that cleared long ago."""


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """An alarm that began or cleared. `id` is the same for both, and differs between alarms."""

    id: str
    state: Literal["firing", "cleared"]
    project: str
    title: str
    text: str
    time: str

    @property
    def key(self) -> str:
        """Identifies the event among those that were delivered."""
        return f"{self.id}:{self.state}"

    @property
    def subject(self) -> str:
        """One line: state, project, title."""
        return f"[{self.state}] {self.project}: {self.title}"


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    """A channel that did not take an event, or not for everyone."""

    channel: str
    reason: str
    help: str = ""
    delivered: bool = False
    """Whether the event was sent, and not to everyone: it is not sent again."""


class _Delivered(BaseModel):
    """The content of the state file: the keys of delivered events, by channel, and the open issues by alarm."""

    model_config = ConfigDict(frozen=True)

    events: Mapping[str, Sequence[str]] = {}
    issues: Mapping[str, int] = {}


class Notifier:
    """Sends events to the channels of `options`, each once. `environment` holds the secrets."""

    def __init__(self, options: Notify, environment: Mapping[str, str], state: Path, timeout: float = TIMEOUT) -> None:
        self._options, self._environment, self._state, self._timeout = options, environment, state, timeout
        stored = _read(state)
        self._events = {channel: list(keys) for channel, keys in stored.events.items()}
        self._issues = dict(stored.issues)

    def send(self, events: Sequence[AlarmEvent]) -> list[FailedDelivery]:
        """Send what was not delivered yet. The failures, in the order of the channels; never raises for a channel."""
        failures = []
        for channel, deliver in self._channels():
            delivered = self._events.setdefault(channel, [])
            for event in events:
                if event.key in delivered:
                    continue
                try:
                    missed = deliver(event)
                except DeliveryError as error:
                    failures.append(FailedDelivery(channel, str(error), error.help))
                    break  # the channel is down: each further event would wait for its timeout
                if missed:
                    failures.append(FailedDelivery(channel, missed, "correct monitor.notify.mail.to", delivered=True))
                delivered.append(event.key)
                self._save()
        return failures

    def _save(self) -> None:
        events = {channel: keys[-_DELIVERED:] for channel, keys in self._events.items()}
        self._state.parent.mkdir(parents=True, exist_ok=True)
        write_text(self._state, _Delivered(events=events, issues=self._issues).model_dump_json(indent=1) + "\n")

    def _channels(self) -> Iterator[tuple[str, Callable[[AlarmEvent], str | None]]]:
        options = self._options
        if options.webhook is not None:
            yield "webhook", self._poster(options.webhook, _webhook_body)
        if options.slack is not None:
            yield "slack", self._poster(options.slack, _slack_body)
        if (mail := options.mail) is not None:
            yield "mail", lambda event: self._mail(mail, event)
        if (github := options.github) is not None:
            yield "github", lambda event: self._issue(github, event)

    def _secret(self, ref: SecretRef) -> str:
        value = self._environment.get(ref.env, "")
        if not value:
            raise DeliveryError(f"the environment variable {ref.env} is not set")
        return value

    def _poster(self, url: SecretRef, body: Callable[[AlarmEvent], dict[str, object]]) -> Callable[[AlarmEvent], None]:
        def deliver(event: AlarmEvent) -> None:
            _request("POST", self._secret(url), body(event))

        return deliver

    def _mail(self, mail: Mail, event: AlarmEvent) -> str:
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = event.subject, mail.sender, ", ".join(mail.to)
        message.set_content(f"{event.text}\n\n{event.time}\n")
        login = (self._secret(mail.user), self._secret(mail.password)) if mail.user and mail.password else None
        return mail_server.send(mail, message, login, self._timeout)

    def _issue(self, github: GithubIssue, event: AlarmEvent) -> None:
        """Open the issue of an alarm that fires; comment on it and close it when the alarm clears."""
        url = f"{github.api}/repos/{github.repository}/issues"
        headers = {"Authorization": f"Bearer {self._secret(github.token)}", "Accept": "application/vnd.github+json"}
        number = self._issues.get(event.id)
        if event.state == "firing" and number is None:
            body: dict[str, object] = {"title": event.subject, "body": event.text, "labels": github.labels}
            answer = _request("POST", url, body, headers)
            created = answer.get("number")
            if not isinstance(created, int):
                raise DeliveryError(f"{urllib.parse.urlsplit(url).netloc} answered without the number of the issue")
            self._issues[event.id] = created
        elif event.state == "cleared" and number is not None:
            _request("POST", f"{url}/{number}/comments", {"body": f"{event.text}\n\n{event.time}"}, headers)
            _request("PATCH", f"{url}/{number}", {"state": "closed"}, headers)
            del self._issues[event.id]


def _read(state: Path) -> _Delivered:
    try:
        return _Delivered.model_validate_json(state.read_bytes())
    except (OSError, ValidationError):
        return _Delivered()


def _webhook_body(event: AlarmEvent) -> dict[str, object]:
    return {
        "id": event.id,
        "state": event.state,
        "project": event.project,
        "title": event.title,
        "text": event.text,
        "time": event.time,
    }


def _slack_body(event: AlarmEvent) -> dict[str, object]:
    """Slack reads `&`, `<`, `>` as markup: https://docs.slack.dev/messaging/formatting-message-text"""
    text = f"*{event.subject}*\n{event.text}"
    return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}


def _request(
    method: str, url: str, body: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> dict[str, object]:
    """Send JSON; the JSON object of the answer, empty where it is none.

    Raises DeliveryError with the host alone: the rest of the URL of a webhook is its secret.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise DeliveryError("the URL is not one of http:// or https://")
    sent = {"Content-Type": "application/json", "User-Agent": "mlspec", **(headers or {})}
    request = urllib.request.Request(url, json.dumps(body).encode(), sent, method=method)  # noqa: S310 - checked above
    host = parts.hostname or parts.netloc
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
            answer = response.read(1024 * 1024)
    except urllib.error.HTTPError as error:
        raise DeliveryError(f"{host} answered {error.code} {error.reason}") from None
    except OSError as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise DeliveryError(f"{host}: {reason}") from None
    try:
        value = json.loads(answer)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
