"""A writer that never ends can't stop the pause from being set, and is named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from responder.databases import Databases
from responder.switches.base import Reach, SwitchState
from responder.switches.postgres import PostgresDriver, PostgresOptions
from tests.postgres.app import REFUSED, App, Connection
from tests.postgres.conftest import SWITCH

PATIENCE = 0.3


def impatient(reach: Reach, on_hang: str) -> PostgresDriver:
    options = PostgresOptions.model_validate(
        {"database": "app", "patience": PATIENCE, "on_hang": on_hang}
    )
    return PostgresDriver(SWITCH, options, reach)


@pytest.fixture
async def hanging(app: App, driver: PostgresDriver) -> AsyncIterator[Connection]:
    """A transaction that wrote 5 credits for ada and then does nothing."""
    user = app.user("ada")
    connection = await app.connect("session-end-job", autocommit=False)
    values = f"'{user}', 5, 'earned_watching', null, '{{\"note\": \"secret\"}}'"
    await connection.execute(f"select add_credits({values})".encode())
    yield connection
    await connection.close()


async def test_it_is_named_and_left_alone_when_the_switch_only_reports(
    app: App, reach: Reach, hanging: Connection
) -> None:
    driver = impatient(reach, "report")
    started = asyncio.get_running_loop().time()
    paused = await driver.pause(reason="r", key="k")
    assert asyncio.get_running_loop().time() - started < PATIENCE + 1
    assert (paused.state, paused.confirmed) == (SwitchState.PAUSED, False)
    assert "may yet commit" in paused.detail

    [line] = paused.holdouts
    assert f"pid {hanging.info.backend_pid} (postgres, session-end-job)" in line
    assert "idle in transaction, open for 0." in line
    assert "select add_credits(" in line
    assert "secret" not in line
    assert "\n" not in line

    with pytest.raises(psycopg.Error) as refused:
        app.add(app.user("grace"), 1)
    assert refused.value.sqlstate == REFUSED
    assert (await driver.read()).holdouts != ()

    await hanging.commit()
    later = await driver.read()
    assert (later.state, later.confirmed, later.holdouts) == (SwitchState.PAUSED, True, ())
    assert len(app.ledger()) == 1


async def test_it_is_ended_when_the_switch_may_terminate(
    app: App, reach: Reach, hanging: Connection
) -> None:
    paused = await impatient(reach, "terminate").pause(reason="r", key="k")
    assert (paused.state, paused.confirmed) == (SwitchState.PAUSED, True)
    [line] = paused.holdouts
    assert line.endswith("; terminated")
    assert app.ledger() == set()
    assert app.query("select credits_balance from profiles") == [(0,)]
    with pytest.raises(psycopg.OperationalError):
        await hanging.commit()


async def test_a_pause_that_may_not_terminate_says_so_and_is_not_confirmed(
    app: App, reach: Reach, hanging: Connection
) -> None:
    app.query("""
        do $$ begin create role modest login; exception when duplicate_object then end $$;
        grant usage on schema responder to modest;
        grant select, update on all sequences in schema responder to modest;
        grant select, insert on responder.changes to modest;
        grant execute on function responder.set_paused to modest
    """)
    databases = Databases({"app": app.url.replace("postgres:@", "modest:@")}, {})
    driver = impatient(Reach(databases, reach.http), "terminate")
    try:
        paused = await driver.pause(reason="r", key="k")
    finally:
        await databases.close()
    assert (paused.state, paused.confirmed) == (SwitchState.PAUSED, False)
    [line] = paused.holdouts
    assert "not ended: permission refused" in line
    assert "state hidden" in line
    await hanging.commit()
    assert len(app.ledger()) == 1


async def test_a_prepared_transaction_is_named_and_left_to_people(
    app: App, reach: Reach, hanging: Connection
) -> None:
    await hanging.execute("prepare transaction 'tip-4711'")
    driver = impatient(reach, "terminate")
    try:
        paused = await driver.pause(reason="r", key="k")
        assert not paused.confirmed
        [line] = paused.holdouts
        assert line.startswith("prepared transaction tip-4711, open for")
        assert "by hand" in line
    finally:
        app.query("rollback prepared 'tip-4711'")
    assert (await driver.read()).confirmed


async def test_a_locked_record_does_not_hold_up_the_pause(app: App, driver: PostgresDriver) -> None:
    user = app.user()
    async with await app.connect(autocommit=False) as reader:
        await reader.execute("lock table responder.changes")
        paused = await driver.pause(reason="r", key="k")
        assert paused.confirmed
        assert "could not be recorded" in paused.detail
        with pytest.raises(psycopg.Error, match="paused by switch"):
            app.add(user, 1)
