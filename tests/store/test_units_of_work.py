"""Units of work: all or nothing, one writer's word after the other, times always with a zone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, StatementError
from sqlmodel import Session, func, select

from responder.store import lock
from responder.store.database import Store, StoreError, parse_url
from responder.store.migrate import upgrade
from responder.store.tables import AlertCount, SwitchRecord
from tests.responder_cli import responder
from tests.service import PLAYBOOKS, Service

AT = datetime(2026, 3, 29, 1, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    upgrade(store)
    yield store
    store.close()


def put(name: str, at: datetime | None = None) -> Any:
    return lambda session: session.add(SwitchRecord(name=name, state="running", verified_at=at))


async def count(store: Store) -> int:
    return await store.read(lambda s: s.exec(select(func.count()).select_from(SwitchRecord)).one())


async def test_what_raises_leaves_nothing_behind(store: Store) -> None:
    def work(session: Session) -> None:
        put("a")(session)
        session.flush()
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        await store.write(work)
    assert await count(store) == 0
    await store.write(put("a"))
    with pytest.raises(IntegrityError):
        await store.write(put("a"))
    assert await count(store) == 1


async def test_a_naive_datetime_is_refused(store: Store) -> None:
    with pytest.raises(StatementError, match="a time without a zone reached the store"):
        await store.write(put("a", AT.replace(tzinfo=None)))
    assert await count(store) == 0


async def test_times_come_back_in_utc_to_the_microsecond(store: Store) -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=5, minutes=45)))
    await store.write(put("a", elsewhere))
    found = await store.read(lambda session: session.get_one(SwitchRecord, "a").verified_at)
    assert found == AT
    assert found is not None
    assert found.utcoffset() == timedelta(0)


async def test_times_are_compared_as_moments(store: Store) -> None:
    await store.write(put("a", AT.astimezone(timezone(timedelta(hours=-8)))))
    later = AT.astimezone(timezone(timedelta(hours=9))) + timedelta(microseconds=1)
    query = select(SwitchRecord.name).where(SwitchRecord.verified_at < later)  # type: ignore[operator]
    assert await store.read(lambda session: session.exec(query).all()) == ["a"]


async def test_writers_that_read_first_lose_nothing(store: Store) -> None:
    row = AlertCount(counter="a", environment="", minute=AT, alerts=0)
    await store.write(lambda session: session.add(row))

    def work(session: Session) -> None:
        row = session.exec(select(AlertCount).with_for_update()).one()
        row.alerts += 1
        session.add(row)

    await asyncio.gather(*(store.write(work) for _ in range(40)))
    assert await store.read(lambda s: s.exec(select(AlertCount.alerts)).one()) == 40


async def test_two_stores_on_one_database_wait_for_each_other(
    store: Store, database_url: str
) -> None:
    """The command line writes beside the service, to SQLite as well."""
    other = Store(database_url)
    await asyncio.gather(*((store, other)[n % 2].write(put(f"s{n}")) for n in range(40)))
    assert await count(other) == 40
    other.close()


async def test_the_named_lock_lets_one_in_at_a_time(store: Store) -> None:
    inside, most = 0, 0

    async def enter(name: str) -> None:
        nonlocal inside, most
        async with store.exclusive(name):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(enter("switch:a") for _ in range(5)))
    assert most == 1
    most = 0
    await asyncio.gather(*(enter(f"switch:{n}") for n in range(3)))
    assert most > 1


async def test_the_named_lock_is_let_go_by_what_raises(store: Store) -> None:
    with pytest.raises(LookupError):
        async with store.exclusive("a"):
            raise LookupError
    async with asyncio.timeout(5), store.exclusive("a"):
        pass


async def test_the_named_lock_holds_between_replicas(postgres_server: Any) -> None:
    url = postgres_server.fresh_database()
    one, other = Store(url), Store(url)
    async with one.exclusive("a"):
        waiting = asyncio.create_task(_enter(other, "a"))
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done
    await asyncio.wait_for(waiting, 5)
    one.close()
    other.close()


async def _enter(store: Store, name: str) -> None:
    async with store.exclusive(name):
        pass


async def test_sqlite_flushes_each_commit_to_disk(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'r.db'}")
    upgrade(store)
    for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
        found = await store.write(
            lambda session, pragma=pragma: (
                session.connection()  # type: ignore[misc]
                .exec_driver_sql(f"PRAGMA {pragma}")
                .scalar()
            )
        )
        assert found == value
    store.close()


def test_only_one_service_has_a_sqlite_database(tmp_path: Path) -> None:
    store, other = (Store(f"sqlite:///{tmp_path / 'r.db'}") for _ in range(2))
    held = lock.only_one(store)
    assert held is not None
    with pytest.raises(StoreError, match=r"another responder runs on .*r\.db already"):
        lock.only_one(other)
    held.release()
    again = lock.only_one(other)
    assert again is not None
    again.release()


def test_a_second_service_on_the_same_file_is_refused_in_words(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'r.db'}"
    with Service(url) as first:
        done = responder(
            "serve",
            RESPONDER_DATABASE_URL=url,
            RESPONDER_PORT="0",
            RESPONDER_PLAYBOOKS=str(PLAYBOOKS),
        )
        assert done.returncode == 2
        assert done.stderr.startswith(f"another responder runs on {tmp_path / 'r.db'} already")
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
        assert first.http.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://x/y", "mysql is not supported; use sqlite:///"),
        ("responder.db", "not a database URL; try sqlite:///responder.db"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_other_databases_are_refused_by_name(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_url(url)
