"""The routes and receivers of Alertmanager, from `monitor.notify`. Pure.

Secrets are read from files, never written inline:
https://prometheus.io/docs/alerting/latest/configuration/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from mlspec.sections.monitor_notify import Mail, Notify

SECRETS: Final = "/run/secrets"
_IMPLICIT_TLS: Final = 465


class MountedSecret(NamedTuple):
    """A secret of the Compose file: its name, which is its file below SECRETS, and the variable that has its value."""

    name: str
    env: str

    @property
    def path(self) -> str:
        """The file in the container."""
        return f"{SECRETS}/{self.name}"


def secrets(notify: Notify) -> tuple[MountedSecret, ...]:
    """The secrets that the receivers read."""
    return tuple(_secrets(notify))


def _secrets(notify: Notify) -> Iterator[MountedSecret]:
    if notify.webhook:
        yield MountedSecret("webhook_url", notify.webhook.env)
    if notify.slack:
        yield MountedSecret("slack_url", notify.slack.env)
    if notify.mail and notify.mail.password:
        yield MountedSecret("mail_password", notify.mail.password.env)


def has_channels(notify: Notify) -> bool:
    """Whether Alertmanager sends alerts anywhere; issues on GitHub are opened by `mlspec monitor`."""
    return bool(notify.webhook or notify.slack or notify.mail)


def config(notify: Notify, repeat: str) -> dict[str, object]:
    """The whole configuration; without channels the alerts are only shown in Alertmanager's own page."""
    files = {secret.name: secret.path for secret in secrets(notify)}
    receiver: dict[str, object] = {"name": "team"}
    if notify.webhook:
        receiver["webhook_configs"] = [{"url_file": files["webhook_url"], "send_resolved": True}]
    if notify.slack:
        receiver["slack_configs"] = [_slack(files["slack_url"])]
    if notify.mail:
        receiver["email_configs"] = [_mail(notify.mail, files.get("mail_password"), to) for to in notify.mail.to]
    return {
        "route": {
            "receiver": "team",
            "group_by": ["alertname", "model"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": repeat,
        },
        "inhibit_rules": [
            {
                "source_matchers": ['alertname="ModelUnreachable"'],
                "target_matchers": ['alertname="ModelSilence"'],
                "equal": ["model"],
            }
        ],
        "receivers": [receiver],
    }


def _slack(file: str) -> dict[str, object]:
    return {
        "api_url_file": file,
        "send_resolved": True,
        "title": "{{ .Status | toUpper }}: {{ .CommonLabels.alertname }} ({{ .CommonLabels.severity }})",
        "text": "{{ range .Alerts }}{{ .Annotations.summary }}\nNext: {{ .Annotations.action }}\n{{ end }}",
    }


def _mail(mail: Mail, password: str | None, to: str) -> dict[str, object]:
    login = {"auth_username": mail.sender, "auth_password_file": password} if password else {}
    return {
        "to": to,
        "from": mail.sender,
        "smarthost": f"{mail.host}:{mail.port}",
        # On port 465 the whole connection is encrypted, and the server offers no STARTTLS.
        "require_tls": mail.security == "starttls" or (mail.security == "tls" and mail.port != _IMPLICIT_TLS),
        "send_resolved": True,
        **login,
    }
