"""What docs/decisions/0002 was decided by: one durable transaction, through each driver.

The transaction is what the service does most: one read and five inserts.
"""

from __future__ import annotations

import asyncio
import tempfile
import time

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import Session

from bench.figures import HEAD, line
from responder.store.database import Store
from tests.postgres.server import server

ROUNDS = 300
READ = sa.text("select count(*) from t where a = 'x'")
INSERT = sa.text("insert into t (a, b) values ('q', :b)")
BODY = {"b": "w" * 300}


def main() -> None:
    """Measure and print."""
    print("\nStore: one transaction of one read and five inserts")
    print(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        _measure_store("SQLite, writer thread (ours)", f"sqlite:///{folder}/a.db")
        _measure_async("SQLite, aiosqlite", f"sqlite+aiosqlite:///{folder}/b.db")
    for postgres in server():
        plain = postgres.fresh_database()
        _measure_store("PostgreSQL, psycopg on threads (ours)", plain)
        for driver in ("psycopg", "asyncpg"):
            url = postgres.fresh_database().replace("postgresql:", f"postgresql+{driver}:")
            _measure_async(f"PostgreSQL, {driver}, asynchronous", url)


def _measure_store(name: str, url: str) -> None:
    store = Store(url)

    def work(session: Session) -> None:
        session.execute(READ)
        for _ in range(5):
            session.execute(INSERT, BODY)

    async def measure() -> list[float]:
        await store.write(
            lambda session: session.execute(sa.text("create table t (a text, b text)"))
        )
        taken = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            await store.write(work)
            taken.append(time.perf_counter() - began)
        return taken

    print(line(name, asyncio.run(measure())))
    store.close()


def _measure_async(name: str, url: str) -> None:
    print(line(name, asyncio.run(_asynchronous(url))))


async def _asynchronous(url: str) -> list[float]:
    engine = create_async_engine(url)
    if "sqlite" in url:
        sa.event.listen(engine.sync_engine, "connect", _durable)
    async with engine.begin() as connection:
        await connection.execute(sa.text("create table t (a text, b text)"))
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        async with engine.begin() as connection:
            await connection.execute(READ)
            for _ in range(5):
                await connection.execute(INSERT, BODY)
        taken.append(time.perf_counter() - began)
    await engine.dispose()
    return taken


def _durable(connection: sa.engine.interfaces.DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


if __name__ == "__main__":
    main()
