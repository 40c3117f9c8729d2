"""Options of `monitor.notify`: who is notified when an alarm begins and when it clears."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from mlspec.spec.spec_model import SpecModel
from mlspec.spec.types import SecretRef

Address = Annotated[str, Field(pattern=r"^[^@\s,;<>]+@[^@\s,;<>]+$")]
Repository = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$")]


class Mail(SpecModel):
    """A mail server, and who gets the mail."""

    to: list[Address] = Field(min_length=1, description="Recipients", examples=[["team@example.com"]])
    sender: Address = Field(description="Address of the sender", examples=["mlspec@example.com"])
    host: str = Field(
        pattern=r"^[A-Za-z0-9.-]{1,253}$", description="Host of the SMTP server", examples=["smtp.example.com"]
    )
    port: int = Field(587, ge=1, le=65535, description="Port of the SMTP server")
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        description="How the connection is encrypted: `tls` is from the start, usually at port 465",
    )
    user: SecretRef | None = Field(None, description="Environment variable with the user; default: no login")
    password: SecretRef | None = Field(None, description="Environment variable with the password")

    @model_validator(mode="after")
    def _login(self) -> Self:
        if (self.user is None) != (self.password is None):
            what = "`user` and `password`, or neither"
            raise PydanticCustomError("bad-format", "expected {what}", {"what": what, "help": "a login needs both"})
        return self


class GithubIssue(SpecModel):
    """A repository on GitHub, in which one issue for each alarm is opened and closed."""

    repository: Repository = Field(description="OWNER/NAME", examples=["octo-org/cola"])
    token: SecretRef = Field(
        SecretRef(env="GITHUB_TOKEN"), description="Environment variable with a token that may write issues"
    )
    labels: list[str] = Field(["monitoring"], description="Labels of the issues")
    api: str = Field(
        "https://api.github.com", pattern=r"^https?://[^\s@]+$", description="URL of the API, for GitHub Enterprise"
    )


class Notify(SpecModel):
    """The channels for notifications. Kibana's own connectors for mail, Slack and webhooks need a paid licence."""

    webhook: SecretRef | None = Field(None, description="Environment variable with a URL that gets each event as JSON")
    slack: SecretRef | None = Field(None, description="Environment variable with the URL of an incoming Slack webhook")
    mail: Mail | None = Field(None, description="Mail by SMTP")
    github: GithubIssue | None = Field(None, description="Issues on GitHub")
