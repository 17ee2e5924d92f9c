"""The database: units of work as plain functions, and one thing done at a time by name.

Work is a synchronous function of a session, run off the event loop in one transaction. It
can't await, so no transaction can be held open over somebody else's answer. On SQLite one
thread writes, hence writers queue fairly and never meet a lock; on PostgreSQL a few do.
docs/decisions/0002-units-of-work-on-threads.md has the measurements.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlmodel import Session, SQLModel

T = TypeVar("T")
Work = Callable[[Session], T]

POSTGRES_THREADS = 4
# Nothing of ours on PostgreSQL may wait for ever: not for a lock, not for an answer, and a
# replica that is frozen in the middle of a transaction must not stop the others.
BOUNDS = (
    "-c lock_timeout=5s -c statement_timeout=20s -c idle_in_transaction_session_timeout=60s "
    "-c application_name=responder-store"
)
LOCK_CLASS = 0x7265  # keeps our advisory locks apart from anybody else's in the database


class StoreError(Exception):
    """The database can't be used as it is; the message says what to mend."""


class LockBusy(Exception):
    """Somebody else keeps a lock for longer than we wait for it."""


def parse_url(text: str) -> URL:
    """A `sqlite:///…` or `postgresql://…` URL with the driver we use filled in.

    Raises:
        ValueError: another kind of database, or not a URL; the message names what works.
    """
    try:
        url = make_url(text)
    except sa.exc.ArgumentError as error:
        raise ValueError(f"not a database URL; try sqlite:///responder.db: {error}") from error
    backend = url.get_backend_name()
    if backend == "sqlite":
        if not url.database or url.database == ":memory:":
            raise ValueError("a SQLite database needs a file, for instance sqlite:///responder.db")
        return url.set(drivername="sqlite")
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise ValueError(f"{backend} is not supported; use sqlite:///… or postgresql://…")


class Store:
    """Runs units of work on our own database."""

    def __init__(self, url: str) -> None:
        self.url = parse_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            _create_private(Path(self.url.database or ""))
            self._engine = sa.create_engine(
                self.url, connect_args={"check_same_thread": False}, hide_parameters=True
            )
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
            sa.event.listen(self._engine, "begin", _begin_immediate)
        else:
            self._engine = sa.create_engine(
                self.url,
                pool_size=20,
                pool_pre_ping=True,
                hide_parameters=True,
                connect_args={"options": BOUNDS, "connect_timeout": 5, "tcp_user_timeout": 10_000},
            )
        self._reading = self._engine.execution_options(reading=True)
        self._writers = ThreadPoolExecutor(1 if self.is_sqlite else POSTGRES_THREADS, "store-write")
        # What callers wait for must not queue behind what can be late.
        self._first = self._writers if self.is_sqlite else ThreadPoolExecutor(2, "store-first")
        self._readers = ThreadPoolExecutor(POSTGRES_THREADS, "store-read")
        self._lockers = ThreadPoolExecutor(16, "store-lock")  # may wait long; never for work
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def engine(self) -> sa.Engine:
        """The engine, for migrations."""
        return self._engine

    async def write(self, work: Work[T], *, first: bool = False) -> T:
        """Run `work` in a transaction and commit it; it is on disk when this returns.

        On PostgreSQL, `first` keeps threads of its own free for deliveries and holds.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._first if first else self._writers, functools.partial(self._commit, work)
        )

    async def read(self, work: Work[T]) -> T:
        """Run `work` in a transaction that writes nothing."""
        return await asyncio.get_running_loop().run_in_executor(
            self._readers, functools.partial(self._look, work)
        )

    @contextlib.asynccontextmanager
    async def exclusive(self, name: str) -> AsyncIterator[None]:
        """Hold the one lock of that name, across replicas, for as long as the block runs.

        A process that dies lets go of it, and PostgreSQL takes it from one that is frozen.

        Raises:
            LockBusy: another replica kept it for longer than we wait.
        """
        async with self._locks[name]:
            if self.is_sqlite:
                yield
                return
            loop = asyncio.get_running_loop()
            connection = await loop.run_in_executor(self._lockers, self._engine.connect)
            try:
                try:
                    await loop.run_in_executor(self._lockers, take_lock, connection, name)
                except OperationalError as error:
                    raise LockBusy(f"another replica is busy with {name}") from error
                yield
            finally:
                await loop.run_in_executor(None, _let_go, connection)

    def close(self) -> None:
        """Finish the work under way and let go of every connection."""
        self._writers.shutdown()
        self._first.shutdown()
        self._readers.shutdown()
        self._lockers.shutdown(wait=False)
        self._engine.dispose()

    def _commit(self, work: Work[T]) -> T:
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            return work(session)

    def _look(self, work: Work[T]) -> T:
        with Session(self._reading, expire_on_commit=False) as session:
            return work(session)


def _create_private(path: Path) -> None:
    """Deliveries hold personal data; SQLite gives its other files the rights of this one."""
    with contextlib.suppress(OSError):  # what is wrong with it is told when it is opened
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _prepare_sqlite(connection: object, _record: object) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]  # we say BEGIN ourselves
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "busy_timeout=5000",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: sa.Connection) -> None:
    # A writer that begins by reading could find, at its first write, that another process
    # wrote meanwhile; taking the write lock at once makes it wait instead of fail.
    reading = connection.get_execution_options().get("reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def take_lock(connection: sa.Connection, name: str) -> None:
    """Take the named lock on PostgreSQL until the connection's transaction ends."""
    key = zlib.crc32(name.encode()) - 2**31
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK_CLASS, key)))


def insert_into(session: Session, table: type[SQLModel]) -> sqlite.Insert | postgresql.Insert:
    """An insert in the database's own dialect, which can say what to do about a row in its way."""
    if session.get_bind().dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def alone(session: Session, name: str) -> bool:
    """Whether no other replica is in a transaction that called this with the same name.

    SQLite has one writer anyway.
    """
    if session.get_bind().dialect.name == "sqlite":
        return True
    key = zlib.crc32(name.encode()) - 2**31
    return bool(
        session.execute(sa.select(sa.func.pg_try_advisory_xact_lock(LOCK_CLASS, key))).scalar()
    )


def _let_go(connection: sa.Connection) -> None:
    with contextlib.suppress(DBAPIError):  # a lost connection has let go by itself
        connection.close()
