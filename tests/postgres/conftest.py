"""A database with a small credits app in it, and a switch on its ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from responder.databases import Databases
from responder.switches import install
from responder.switches.base import Reach
from responder.switches.postgres import PostgresDriver, PostgresOptions
from tests.postgres.app import App

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
SWITCH = "credit-transactions"


@pytest.fixture
def app(credits_url: str) -> App:
    return App(credits_url)


@pytest.fixture
async def databases(credits_url: str) -> AsyncIterator[Databases]:
    databases = Databases({"app": credits_url}, {"app": "APP_DATABASE_URL"})
    yield databases
    await databases.close()


@pytest.fixture
async def reach(databases: Databases) -> AsyncIterator[Reach]:
    async with httpx.AsyncClient() as http:
        yield Reach(databases, http)


@pytest.fixture
def options() -> PostgresOptions:
    return PostgresOptions(database="app")


@pytest.fixture
async def driver(reach: Reach, options: PostgresOptions) -> PostgresDriver:
    """The switch, installed and running."""
    await install.install(reach.databases, SWITCH, options, PLAYBOOKS)
    return PostgresDriver(SWITCH, options, reach)
