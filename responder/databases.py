"""Connections to the databases of the app we protect. Never our own: that is store/."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

Row = dict[str, Any]
CONNECT_SECONDS = 5.0


class DatabaseError(Exception):
    """The app's database is not configured or not reachable; the message says what to mend."""


class Databases:
    """The app's databases by name, each behind a small pool with one connection kept warm.

    A pause must not wait for a TCP and TLS handshake, hence the warm connection. Prepared
    statements are off, so that transaction-mode poolers (Supabase's is one) work.

    Args:
        urls: name to libpq URL, or None where the URL's variable is unset.
        variables: name to the environment variable that would hold the URL, for errors.
    """

    def __init__(self, urls: Mapping[str, str | None], variables: Mapping[str, str]) -> None:
        self._urls = urls
        self._variables = variables
        self._pools: dict[str, AsyncConnectionPool[psycopg.AsyncConnection[Row]]] = {}

    def configured(self, name: str) -> bool:
        """Whether the database has a URL."""
        return bool(self._urls.get(name))

    async def warm(self) -> None:
        """Open every configured pool without waiting for it to connect."""
        for name in self._urls:
            if self.configured(name):
                await self._pool(name)

    @asynccontextmanager
    async def connect(self, name: str) -> AsyncIterator[psycopg.AsyncConnection[Row]]:
        """A connection in autocommit mode with rows as dicts.

        Raises:
            DatabaseError: unknown name, no URL set, or nobody answers in time.
        """
        pool = await self._pool(name)
        try:
            async with pool.connection(timeout=CONNECT_SECONDS) as connection:
                yield connection
        except psycopg.errors.QueryCanceled:
            raise  # it answered: the query was too slow, which whoever asked must tell
        except (PoolTimeout, psycopg.OperationalError) as error:
            raise DatabaseError(f"database {name} does not answer: {error}") from error

    async def close(self) -> None:
        """Close every pool."""
        for pool in self._pools.values():
            await pool.close()
        self._pools.clear()

    async def _pool(self, name: str) -> AsyncConnectionPool[psycopg.AsyncConnection[Row]]:
        if name not in self._urls:
            raise DatabaseError(f"no database is named {name}: add it to databases.yaml")
        url = self._urls[name]
        if not url:
            raise DatabaseError(
                f"database {name} is not configured: set {self._variables[name]} to its URL"
            )
        if name not in self._pools:
            pool: AsyncConnectionPool[psycopg.AsyncConnection[Row]] = AsyncConnectionPool(
                url,
                min_size=1,
                max_size=4,
                open=False,
                kwargs={
                    "autocommit": True,
                    "prepare_threshold": None,
                    "row_factory": dict_row,
                    "application_name": "responder",
                    "connect_timeout": int(CONNECT_SECONDS),
                },
                check=AsyncConnectionPool.check_connection,
            )
            await pool.open(wait=False)
            self._pools[name] = pool
        return self._pools[name]
