"""Connections to the databases of the app we protect. Never our own: that is store/."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

Row = dict[str, Any]
CONNECT_SECONDS = 5.0
MOST_CHECKS = 3  # connections that checks may have at once, of the app's own few
RECONNECT_SECONDS = 30.0  # after which the pool starts its attempts afresh
OPTIONS: dict[str, Any] = {
    "autocommit": True,
    "prepare_threshold": None,
    "row_factory": dict_row,
    "application_name": "responder",
    "connect_timeout": int(CONNECT_SECONDS),
    "tcp_user_timeout": 10_000,
}


class DatabaseError(Exception):
    """The app's database is not configured or not reachable; the message says what to mend."""


class Databases:
    """The app's databases by name, each with one connection kept warm for its switches.

    A pause must not wait for a TCP and TLS handshake, hence the warm connection, nor behind
    checks, which share a few connections of their own. Prepared statements are off, so that
    transaction-mode poolers (Supabase's is one) work.

    Args:
        urls: name to libpq URL, or None where the URL's variable is unset.
        variables: name to the environment variable that would hold the URL, for errors.
    """

    def __init__(self, urls: Mapping[str, str | None], variables: Mapping[str, str]) -> None:
        self._urls = urls
        self._variables = variables
        self._warm: dict[str, AsyncConnectionPool[psycopg.AsyncConnection[Row]]] = {}
        self._patient = {name: asyncio.Semaphore(MOST_CHECKS) for name in urls}

    def configured(self, name: str) -> bool:
        """Whether the database has a URL."""
        return bool(self._urls.get(name))

    async def warm(self) -> None:
        """Open a connection to every configured database, without waiting for it."""
        for name, url in self._urls.items():
            if url and name not in self._warm:
                pool: AsyncConnectionPool[psycopg.AsyncConnection[Row]] = AsyncConnectionPool(
                    url,
                    min_size=1,
                    max_size=1,
                    open=False,
                    kwargs=OPTIONS,
                    check=AsyncConnectionPool.check_connection,
                    reconnect_timeout=RECONNECT_SECONDS,
                )
                await pool.open(wait=False)
                self._warm[name] = pool

    @asynccontextmanager
    async def connect(
        self, name: str, *, urgent: bool = False
    ) -> AsyncIterator[psycopg.AsyncConnection[Row]]:
        """A connection in autocommit mode with rows as dicts; `urgent` is for switches.

        Raises:
            DatabaseError: unknown name, no URL set, or nobody answers in time.
        """
        url = self._url(name)
        try:
            async with self._urgent(name, url) if urgent else self._waiting(name, url) as found:
                yield found
        except psycopg.errors.QueryCanceled:
            raise  # it answered: the query was too slow, which whoever asked must tell
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise DatabaseError(f"database {name} does not answer: {error}") from error

    @asynccontextmanager
    async def _urgent(self, name: str, url: str) -> AsyncIterator[psycopg.AsyncConnection[Row]]:
        pool = self._warm.get(name)
        # A pool waits longer and longer after an outage before it tries again. Where it has
        # nothing to give, the database itself is asked.
        if pool is not None and pool.get_stats().get("pool_available", 0):
            async with pool.connection(timeout=CONNECT_SECONDS) as connection:
                yield connection
        else:
            async with await psycopg.AsyncConnection.connect(url, **OPTIONS) as connection:
                yield connection

    @asynccontextmanager
    async def _waiting(self, name: str, url: str) -> AsyncIterator[psycopg.AsyncConnection[Row]]:
        async with (
            self._patient[name],
            await psycopg.AsyncConnection.connect(url, **OPTIONS) as connection,
        ):
            yield connection

    async def close(self) -> None:
        """Close every connection kept warm."""
        for pool in self._warm.values():
            await pool.close()
        self._warm.clear()

    def _url(self, name: str) -> str:
        if name not in self._urls:
            raise DatabaseError(f"no database is named {name}: add it to databases.yaml")
        url = self._urls[name]
        if not url:
            raise DatabaseError(
                f"database {name} is not configured: set {self._variables[name]} to its URL"
            )
        return url
