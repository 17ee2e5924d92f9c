"""Local mode: with no secrets in the environment, random ones are kept beside the database."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy.engine import make_url

from responder.settings import PREFIX, Settings, SettingsError

NAMES = ("sentry_client_secret", "api_token", "secret_key")


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets in use, from the environment or made here."""

    sentry: tuple[str, ...]
    api_token: str
    secret_key: str
    local: bool


def secrets_of(settings: Settings, create: bool = False) -> Secrets:
    """The secrets to use with these settings.

    Args:
        create: make local secrets where there are none. Only the service does: whoever else
            made some, in the wrong folder perhaps, would believe in secrets nobody shares.

    Raises:
        SettingsError: others could reach us and a real secret is missing, or the file of
            local secrets is not there or can't be used.
    """
    missing = [
        PREFIX + name
        for name, value in (
            ("SENTRY_CLIENT_SECRET", settings.sentry_client_secret),
            ("API_TOKEN", settings.api_token),
            ("SECRET_KEY", settings.secret_key),
        )
        if not value
    ]
    if not missing:
        return _from_environment(settings, {})
    if not settings.is_loopback:
        raise SettingsError(
            f"RESPONDER_HOST={settings.host} lets others reach this service, and these secrets "
            f"are not set: {', '.join(missing)}.\nSet them, or leave RESPONDER_HOST at "
            "127.0.0.1 for local mode."
        )
    path = secrets_path(settings)
    if not create:
        check_database(settings)
        if not path.exists():
            raise SettingsError(_not_here(path, ", ".join(missing)))
    return _from_environment(settings, _kept(path))


def token_of(settings: Settings) -> str:
    """The API token, which is all that a command needs to talk to the service.

    Raises:
        SettingsError: it is neither set nor kept here.
    """
    if settings.api_token is not None:
        return settings.api_token.get_secret_value()
    if not settings.is_loopback:
        raise SettingsError(f"set {PREFIX}API_TOKEN to that of the service on {settings.host}")
    return secrets_of(settings).api_token


def check_database(settings: Settings) -> None:
    """Make sure that a SQLite database is there, for whoever opens one makes one.

    Raises:
        SettingsError: it is not; the message says where it was looked for.
    """
    url = make_url(settings.database_url)
    path = Path(url.database or "")
    if url.get_backend_name() == "sqlite" and not (path.is_file() and path.stat().st_size):
        raise SettingsError(_not_here(path, f"{PREFIX}DATABASE_URL"))


def secrets_path(settings: Settings) -> Path:
    """Where local secrets are kept: beside a SQLite database, else in the working folder."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        return Path(f"{url.database}.secrets")
    return Path("responder.secrets")


def _not_here(path: Path, variable: str) -> str:
    where = path.absolute()
    return f"no {where.name} in {where.parent}: run this where the service runs, or set {variable}"


def _from_environment(settings: Settings, kept: dict[str, str]) -> Secrets:
    def one(name: str, value: SecretStr | None) -> str:
        return value.get_secret_value() if value else kept[name]

    sentry = tuple(secret.get_secret_value() for secret in settings.sentry_client_secret)
    return Secrets(
        sentry=sentry or (kept["sentry_client_secret"],),
        api_token=one("api_token", settings.api_token),
        secret_key=one("secret_key", settings.secret_key),
        local=bool(kept),
    )


def _kept(path: Path) -> dict[str, str]:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path)
    except OSError as error:
        raise SettingsError(
            f"local secrets can't be kept in {path}: {error.strerror}. Point "
            "RESPONDER_DATABASE_URL into a folder that is there and can be written."
        ) from None
    made = {name: secrets.token_urlsafe(32) for name in NAMES}
    with os.fdopen(handle, "w") as file:
        json.dump(made, file)
    return made


def _read(path: Path) -> dict[str, str]:
    if path.stat().st_mode & 0o077:
        raise SettingsError(f"{path} can be read by others; run: chmod 600 {path}")
    try:
        kept = json.loads(path.read_text())
        return {name: str(kept[name]) for name in NAMES}
    except (ValueError, KeyError, TypeError):
        raise SettingsError(f"{path} is damaged; remove it and new secrets are made") from None
