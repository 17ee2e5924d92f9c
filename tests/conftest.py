"""What many tests start: PostgreSQL once, the service, stand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.postgres.server import Server, server
from tests.stand_ins.process import SentryStandIn, SlackStandIn

CREDITS = Path(__file__).parents[1] / "responder" / "cli" / "credits_app.sql"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """One real PostgreSQL for the whole session."""
    yield from server()


@pytest.fixture
def credits_url(postgres_server: Server) -> str:
    """A fresh database with the credits app in it."""
    url = postgres_server.fresh_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(CREDITS.read_text(encoding="utf-8").encode())
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Server) -> str:
    """Our own database, once on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'responder.db'}"
    return postgres_server.fresh_database()


@pytest.fixture(scope="session")
def one_slack() -> Iterator[SlackStandIn]:
    """Slack's stand-in, started once."""
    with SlackStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def slack(one_slack: SlackStandIn) -> SlackStandIn:
    """Slack's stand-in, with nothing in it."""
    one_slack.reset()
    return one_slack


@pytest.fixture(scope="session")
def one_sentry() -> Iterator[SentryStandIn]:
    """The stand-in for Sentry's API, started once."""
    with SentryStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def sentry(one_sentry: SentryStandIn) -> Iterator[SentryStandIn]:
    """The stand-in for Sentry's API, with nothing in it; a call it objects to fails the test."""
    one_sentry.reset()
    yield one_sentry
    assert one_sentry.complaints() == []
