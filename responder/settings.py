"""Settings: secrets and addresses from the environment. Behaviour stands in playbooks/."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, HttpUrl, SecretStr, TypeAdapter, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from responder.receive.sentry_api import is_slug, is_token
from responder.store.database import parse_url

PREFIX = "RESPONDER_"
_HTTP_URL = TypeAdapter(HttpUrl)
_PLUGIN_TOKEN = re.compile(r"[A-Za-z0-9_-]{24,200}")


class SettingsError(Exception):
    """The environment is not usable; the message names each variable and how to mend it."""


class Settings(BaseSettings):
    """What the environment says. Every name has the prefix `RESPONDER_`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    public_url: str = ""
    database_url: str = "sqlite:///responder.db"
    playbooks: Path = Path("playbooks")
    api_token: SecretStr | None = None
    secret_key: SecretStr | None = None
    sentry_client_secret: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    sentry_plugin_token: SecretStr | None = None
    outcomes_token: SecretStr | None = None
    sentry_api_url: str = "https://sentry.io/api/0/"
    sentry_api_token: SecretStr | None = None
    sentry_org: str = ""
    slack_bot_token: SecretStr | None = None
    slack_signing_secret: SecretStr | None = None
    slack_api_url: str = "https://slack.com/api/"
    slack_channel: str = "#incidents"
    max_body_bytes: int = Field(default=10 * 1024 * 1024, ge=1024)
    poll_seconds: float = Field(default=60.0, ge=15, le=3600)
    catch_up_minutes: int = Field(default=5, ge=1, le=60)
    reconcile_seconds: float = Field(default=15.0, ge=1, le=3600)
    lease_seconds: float = Field(default=10.0, gt=0.5, le=300)
    decide_within_seconds: float = Field(default=30.0, ge=1, le=3600)
    redact: Annotated[tuple[str, ...], NoDecode] = ()  # more keys of payloads not to show

    @field_validator("sentry_client_secret", "redact", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator(
        "api_token",
        "secret_key",
        "outcomes_token",
        "sentry_api_token",
        "sentry_plugin_token",
        "slack_bot_token",
        "slack_signing_secret",
    )
    @classmethod
    def _blank_is_unset(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value is not None and value.get_secret_value().strip() else None

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        parse_url(value)
        return value

    @field_validator("sentry_api_token")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        token = value.get_secret_value().strip()
        if not is_token(token):
            raise ValueError("it has characters that no token has; copy it once more")
        return SecretStr(token)

    @field_validator("sentry_plugin_token")
    @classmethod
    def _fits_an_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _PLUGIN_TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError(
                "it stands in an address and is all that proves who sends: 24 or more of letters, "
                "digits, - and _; make one with: openssl rand -hex 32"
            )
        return value

    @field_validator("sentry_org")
    @classmethod
    def _slug(cls, value: str) -> str:
        value = value.strip()
        if value and not is_slug(value):
            raise ValueError(
                "not an organisation's slug, which is what stands before .sentry.io: letters, "
                "digits, - and _"
            )
        return value

    @field_validator("public_url", "sentry_api_url", "slack_api_url")
    @classmethod
    def _url(cls, value: str) -> str:
        if value:
            _HTTP_URL.validate_python(value)
        return value

    @field_validator("sentry_api_url", "slack_api_url")
    @classmethod
    def _ends_in_a_slash(cls, value: str) -> str:
        return value.rstrip("/") + "/"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def base_url(self) -> str:
        """The address people use, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")


def load() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: one line for each variable that can't be used.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        lines = [
            f"  {PREFIX}{str(problem['loc'][0]).upper()}: {_plain(problem['msg'])}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsError("These settings can't be used:\n" + "\n".join(lines)) from None
    if settings.slack_bot_token and not settings.slack_signing_secret:
        raise SettingsError(
            "RESPONDER_SLACK_BOT_TOKEN is set but RESPONDER_SLACK_SIGNING_SECRET is not: "
            "without it nobody's button presses can be trusted. It stands in your Slack "
            "app's Basic Information."
        )
    if settings.sentry_api_token and not settings.sentry_org:
        raise SettingsError(
            "RESPONDER_SENTRY_API_TOKEN is set but RESPONDER_SENTRY_ORG is not: set it to your "
            "organisation's slug, which stands before .sentry.io in its address."
        )
    return settings


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")
