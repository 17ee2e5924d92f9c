"""No credit transaction commits after its pause is confirmed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import psycopg
import pytest
from psycopg import IsolationLevel

from responder.switches.base import SwitchState
from responder.switches.postgres import PostgresDriver
from tests.postgres.app import ADD, REFUSED, App, Connection
from tests.postgres.conftest import PLAYBOOKS

ROUNDS = 6
SNAPSHOTS = (IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE)


def committed_after(app: App, at: datetime | None) -> int:
    """Entries whose transaction committed later than that, by the server's commit clock."""
    query = "select 1 from credit_transactions where pg_xact_commit_timestamp(xmin) > %s"
    return len(app.query(query, at))


def unbalanced(app: App) -> list[tuple[object, ...]]:
    return app.query((PLAYBOOKS / "sql" / "balance-equals-ledger.sql").read_text())


async def autocommit(connection: Connection, user: UUID) -> None:
    await connection.execute(ADD, [user, 1])


async def explicit(connection: Connection, user: UUID) -> None:
    """Writes, dawdles, writes again, and commits both or neither."""
    async with connection.transaction():
        await connection.execute(ADD, [user, 1])
        await asyncio.sleep(random.uniform(0, 0.02))
        await connection.execute(ADD, [user, 1])


async def snapshot(connection: Connection, user: UUID) -> None:
    """Writes with a snapshot that is older than the write."""
    await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    async with connection.transaction():
        await connection.execute("select count(*) from credit_transactions")
        await asyncio.sleep(random.uniform(0, 0.02))
        await connection.execute(ADD, [user, 1])


async def write(
    app: App, user: UUID, writer: Callable[[Connection, UUID], Awaitable[None]], tally: Counter[str]
) -> None:
    async with await app.connect() as connection:
        while True:
            try:
                await writer(connection, user)
                tally["committed"] += 1
            except psycopg.errors.SerializationFailure:
                tally["clashed"] += 1
            except psycopg.Error as error:
                if error.sqlstate != REFUSED:
                    raise
                tally["refused"] += 1
                await asyncio.sleep(0.002)


@asynccontextmanager
async def traffic(app: App) -> AsyncIterator[Counter[str]]:
    """Writers of every kind, all the time, some on one profile and in each other's way."""
    tally: Counter[str] = Counter()
    shared = app.user("shared")
    async with asyncio.TaskGroup() as group:
        writers = [
            group.create_task(write(app, user, writer, tally))
            for index in range(3)
            for user in (shared, app.user(f"user {index}"))
            for writer in (autocommit, explicit, snapshot)
        ]
        yield tally
        for task in writers:
            task.cancel()


async def test_what_is_committed_when_a_pause_is_confirmed_is_all_there_is(
    app: App, driver: PostgresDriver
) -> None:
    async with traffic(app) as tally:
        for _ in range(ROUNDS):
            before = tally["committed"]
            await asyncio.sleep(random.uniform(0.1, 0.3))
            assert tally["committed"] > before, "writers flow before the pause and after the last"

            paused = await driver.pause(reason="credits are wrong", key="k")
            visible = app.ledger()
            assert (paused.state, paused.confirmed) == (SwitchState.PAUSED, True), paused

            refused = tally["refused"]
            for _ in range(20):
                assert (await driver.read()).confirmed, "those who are refused hold up nothing"
                await asyncio.sleep(0.01)
            assert tally["refused"] > refused
            assert app.ledger() == visible
            assert committed_after(app, paused.at) == 0

            resumed = await driver.resume(reason="mended", key="k")
            assert (resumed.state, resumed.confirmed) == (SwitchState.RUNNING, True), resumed
    assert unbalanced(app) == []


async def test_a_pause_waits_for_a_transaction_that_wrote_before_it(
    app: App, driver: PostgresDriver
) -> None:
    user, other = app.user("ada"), app.user("grace")
    async with await app.connect(autocommit=False) as writer:
        await writer.execute(ADD, [user, 5])
        pausing = asyncio.create_task(driver.pause(reason="r", key="k"))
        await asyncio.sleep(0.3)
        assert not pausing.done()
        with pytest.raises(psycopg.Error, match="paused by switch"):
            app.add(other, 7)  # refused already, and without waiting
        await writer.commit()
        paused = await pausing
    assert paused.confirmed
    assert paused.holdouts == ()
    assert app.query("select credits_balance from profiles order by username") == [(5,), (0,)]
    assert committed_after(app, paused.at) == 0


async def test_a_transaction_that_wrote_before_the_pause_can_write_no_more_after_it(
    app: App, driver: PostgresDriver
) -> None:
    user = app.user()
    async with await app.connect(autocommit=False) as writer:
        await writer.execute(ADD, [user, 5])
        pausing = asyncio.create_task(driver.pause(reason="r", key="k"))
        await asyncio.sleep(0.2)
        with pytest.raises(psycopg.Error, match="paused by switch"):
            await writer.execute(ADD, [user, 7])
        await writer.rollback()
        assert (await pausing).confirmed
    assert app.ledger() == set()


@pytest.mark.parametrize("level", SNAPSHOTS)
async def test_a_snapshot_from_before_the_pause_does_not_hide_it(
    app: App, driver: PostgresDriver, level: IsolationLevel
) -> None:
    user = app.user()
    async with await app.connect(autocommit=False) as writer:
        await writer.set_isolation_level(level)
        await writer.execute("select count(*) from profiles")
        assert (await driver.pause(reason="r", key="k")).confirmed
        with pytest.raises(psycopg.Error, match="paused by switch"):
            await writer.execute(ADD, [user, 5])


async def test_a_writer_between_its_two_looks_at_the_flag_is_refused_at_the_second(
    app: App, driver: PostgresDriver
) -> None:
    """It read `running`, and holds no lock yet that a pause could wait for."""
    user = app.user()
    [(guard,)] = app.query(
        "select pg_get_functiondef('responder.\"credit-transactions guard\"'::regproc)"
    )
    take_lock = "if pg_try_advisory_xact_lock_shared"
    assert str(guard).count(take_lock) == 1
    app.query(str(guard).replace(take_lock, f"perform pg_sleep(0.5); {take_lock}"))
    async with await app.connect() as writer:
        writing = asyncio.create_task(writer.execute(ADD, [user, 5]))
        await asyncio.sleep(0.2)
        paused = await driver.pause(reason="r", key="k")
        assert paused.confirmed
        assert not writing.done()
        with pytest.raises(psycopg.Error, match="paused by switch"):
            await writing
    assert app.ledger() == set()


async def test_writers_in_each_others_way_do_not_hold_up_the_pause(
    app: App, driver: PostgresDriver
) -> None:
    """One has the lock and wants a profile; another has the profile and wants to write."""
    user = app.user()
    other = app.user("grace")
    async with (
        await app.connect(autocommit=False) as first,
        await app.connect(autocommit=False) as second,
    ):
        await first.execute(ADD, [other, 1])
        await second.execute("select from profiles where id = %s for update", [user])
        blocked = asyncio.create_task(first.execute(ADD, [user, 1]))
        await asyncio.sleep(0.1)
        pausing = asyncio.create_task(driver.pause(reason="r", key="k"))
        await asyncio.sleep(0.1)
        with pytest.raises(psycopg.Error, match="paused by switch"):
            await second.execute(ADD, [user, 1])
        await second.rollback()
        with pytest.raises(psycopg.Error, match="paused by switch"):
            await blocked
        await first.rollback()
        assert (await pausing).confirmed
