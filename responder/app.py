"""The service as an object: what it is made of, and how it starts and stops."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType

import httpx
import psycopg
import structlog
from psycopg.conninfo import conninfo_to_dict

from responder import local, registry
from responder.actions.base import Tools
from responder.admission import Admission
from responder.chat.base import Chat
from responder.chat.sender import Sender
from responder.chat.views import Views
from responder.clock.auditor import Auditor
from responder.clock.catching_up import CatchingUp
from responder.clock.enquiries import Enquiries
from responder.clock.polling import Polling
from responder.clock.schedule import Clock
from responder.clock.watching import EVERY, Watching
from responder.databases import Databases
from responder.desk import Desk
from responder.incident.context import Privacy
from responder.journey import Journey
from responder.playbook.folder import Configuration, load
from responder.playbook.model import SwitchSpec
from responder.playbook.runner import Runner
from responder.receive.intake import Intake
from responder.receive.quarantine import Quarantine
from responder.receive.sentry_api import SentryApi
from responder.receive.source import Source
from responder.settings import Settings, SettingsError
from responder.store import lock
from responder.store.database import Store
from responder.store.migrate import upgrade
from responder.switches.base import Driver, Reach
from responder.switches.board import SwitchBoard

log = structlog.get_logger()

RESTART_SECONDS = 1.0


def utcnow() -> datetime:
    """The present moment. The one place where the clock is read."""
    return datetime.now(UTC)


class Responder:
    """Everything that runs in one process. Use it as an async context manager.

    Args:
        settings: the environment, read.
        environment: where the URLs of the app's databases are looked up.

    Raises:
        SettingsError, ConfigurationError: at once, before anything is started.
        StoreError: on entering, where another service has the SQLite database.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str] | None = None) -> None:
        self.settings = settings
        self.secrets = local.secrets_of(settings, create=True)
        self.configuration = load(settings.playbooks)
        self.now = utcnow
        self.store = Store(settings.database_url)
        self.sources: dict[str, Source] = {
            name: source() for name, source in registry.find("sources").items()
        }
        self.http = httpx.AsyncClient(timeout=5.0, follow_redirects=False)
        self.databases = databases_of(self.configuration, environment or os.environ)
        self.switches = SwitchBoard(
            self.store, _drivers(self.configuration, self.databases, self.http), now=self.now
        )
        self.sentry = _sentry(settings, self.http, now=self.now)
        self.chat = _chat(settings)
        self.views = Views(settings.base_url, self._contact_lines)
        self.sender = Sender(self.store, self.chat, self.views, now=self.now)
        self.runner = Runner(
            self.store,
            Tools(self.store, self.switches, self.databases, self.sentry, settings.base_url),
            owner=f"{socket.gethostname()}:{secrets.token_hex(4)}",
            lease=timedelta(seconds=settings.lease_seconds),
            now=self.now,
            changed=self.sender.wake,
        )
        self.desk = Desk(
            self.store, self.switches, self._configured, now=self.now, changed=self._wake
        )
        self.journey = Journey(
            self.store, self.sources, self._configured, now=self.now, decided=self._decided
        )
        self.intake = Intake(self.store, stored=self.journey.wake)
        self.enquiries = Enquiries(
            self.store,
            self.sources,
            self.sentry,
            Privacy(self.secrets.secret_key.encode(), settings.redact),
            now=self.now,
            changed=self.sender.wake,
        )
        self.quarantine = Quarantine(self.store)
        self.admission = Admission(
            self.store, self.sources["sentry"], self.secrets.sentry, changed=self._wake
        )
        self.auditor = Auditor(
            self.store,
            now=self.now,
            within=timedelta(seconds=settings.decide_within_seconds),
            wake=self.journey.wake,
        )
        self.clock = Clock(
            self.store,
            self.switches,
            now=self.now,
            reconcile_every=timedelta(seconds=settings.reconcile_seconds),
        )
        self.clock.every(self.auditor.every, self.auditor.audit)
        watching = Watching(self.store, self._configured, now=self.now, changed=self.sender.wake)
        self.clock.every(EVERY, watching.look, at_once=False)
        if self.sentry is not None:
            polling = Polling(self.store, self.sentry, self.intake, self._configured, now=self.now)
            self.clock.every(timedelta(seconds=settings.poll_seconds), polling.poll)
            catching_up = CatchingUp(self.store, self.sentry, self.intake, now=self.now)
            self.clock.every(timedelta(minutes=settings.catch_up_minutes), catching_up.look)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._only_one: lock.FileLock | None = None
        self._prepared = False

    async def prepare(self) -> None:
        """Take the database and bring it up to date, unless that is done already.

        Raises:
            StoreError: it can't be reached, or another service has it.
        """
        if not self._prepared:
            self._only_one = lock.only_one(self.store)
            await asyncio.to_thread(upgrade, self.store)
            self._prepared = True

    async def __aenter__(self) -> Responder:
        await self.prepare()
        await self.databases.warm()
        for name, run in (
            ("intake", self.intake.run),
            ("quarantine", self.quarantine.run),
            ("journey", self.journey.run),
            ("runner", self.runner.run),
            ("sender", self.sender.run),
            ("enquiries", self.enquiries.run),
        ):
            self._tasks[name] = asyncio.create_task(_forever(name, run), name=name)
        self.clock.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clock.stop()
        # Intake first: what was promised to a caller is stored before we go.
        for task in self._tasks.values():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self.chat.close()
        await self.databases.close()
        await self.http.aclose()
        await asyncio.to_thread(self.store.close)
        if self._only_one is not None:
            self._only_one.release()

    def troubles(self) -> list[str]:
        """What keeps this process from doing its work; empty when it is ready."""
        dead = [f"{name} is not running" for name, task in self._tasks.items() if task.done()]
        if not self._tasks:
            dead.append("not started")
        if not self.clock.running:
            dead.append("the scheduler is not running")
        return dead

    def _configured(self) -> Configuration:
        return self.configuration

    def _decided(self) -> None:
        self.runner.wake()
        self.sender.wake()

    def _wake(self) -> None:
        self.journey.wake()  # a replay is a delivery too
        self._decided()

    def _contact_lines(self, area: str) -> tuple[str, ...]:
        return tuple(f"{one.name}: {one.reach}" for one in self.configuration.contacts_for(area))


async def _forever(name: str, run: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await run()
        except Exception:
            log.exception("task.failed", task=name)
        await asyncio.sleep(RESTART_SECONDS)


def databases_of(configuration: Configuration, environment: Mapping[str, str]) -> Databases:
    """The app's databases, with their URLs from the environment.

    Raises:
        SettingsError: one of the addresses can't be read; the message names its variable.
    """
    variables = {name: spec.url_from for name, spec in configuration.databases.items()}
    urls = {name: environment.get(variable) for name, variable in variables.items()}
    for name, url in urls.items():
        try:
            conninfo_to_dict(url or "")
        except psycopg.Error:  # its text would quote parts of the password
            raise SettingsError(
                f"{variables[name]} is not a PostgreSQL address such as "
                "postgresql://user:password@host/database; in a password, @ is written %40, "
                "/ is %2F and a space is %20"
            ) from None
    return Databases(urls, variables)


def _drivers(
    configuration: Configuration, databases: Databases, http: httpx.AsyncClient
) -> dict[str, Driver]:
    reach = Reach(databases=databases, http=http)
    return {
        name: _driver(name, spec, databases, reach) for name, spec in configuration.switches.items()
    }


def driver_in_force(spec: SwitchSpec, databases: Databases) -> str:
    """The name of the driver that a switch has: its own, or another until that can be used."""
    database = spec.options.get("database")
    if spec.until_configured and database and not databases.configured(database):
        return spec.until_configured
    return spec.driver


def _driver(name: str, spec: SwitchSpec, databases: Databases, reach: Reach) -> Driver:
    chosen = driver_in_force(spec, databases)
    kind = registry.find("switches")[chosen]
    options = spec.options if chosen == spec.driver else {}
    driver: Driver = kind(name, kind.Options.model_validate(options), reach)
    return driver


def _sentry(
    settings: Settings, http: httpx.AsyncClient, *, now: Callable[[], datetime]
) -> SentryApi | None:
    if settings.sentry_api_token is None:
        return None
    token = settings.sentry_api_token.get_secret_value()
    return SentryApi(http, settings.sentry_api_url, settings.sentry_org, token, now=now)


def _chat(settings: Settings) -> Chat:
    chat: Chat
    if settings.slack_bot_token is None:
        chat = registry.one("chats", "console")()
    else:
        chat = registry.one("chats", "slack")(
            settings.slack_bot_token.get_secret_value(),
            settings.slack_channel,
            settings.slack_api_url,
        )
    return chat
