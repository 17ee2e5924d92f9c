"""The quarantine stays within its bounds, whoever fills it, and counts what comes again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import select

from responder import metrics
from responder.receive import quarantine
from responder.receive.quarantine import (
    LARGEST,
    MOST,
    MOST_BYTES,
    MOST_OF_A_CLIENT,
    WAITING,
    Held,
    Quarantine,
    Refused,
    too_many,
)
from responder.store.database import Store
from responder.store.migrate import upgrade
from responder.store.tables import Refusal

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
SIGNED = {"sentry-hook-signature": "0" * 64}
MEBIBYTE = 1024 * 1024


def held(*clients: str, signed: bool = True, size: int = 10) -> list[Held]:
    """Refusals of these clients, in the order of their coming."""
    return [Held(number + 1, client, signed, size) for number, client in enumerate(clients)]


def left(rows: list[Held]) -> list[Held]:
    going = set(too_many(rows))
    return [row for row in rows if row.id not in going]


def test_the_oldest_go_first() -> None:
    rows = held(*(f"10.0.{number // 40}.1" for number in range(MOST + 30)))
    assert [row.id for row in left(rows)] == list(range(31, MOST + 31))


def test_a_flood_from_one_client_pushes_out_only_its_own() -> None:
    rows = held("10.0.0.1", "10.0.0.2", *["10.9.9.9"] * 1000)
    assert [row.client for row in left(rows)[:3]] == ["10.0.0.1", "10.0.0.2", "10.9.9.9"]
    assert len(left(rows)) == 2 + MOST_OF_A_CLIENT


def test_one_network_of_ipv6_is_one_client() -> None:
    rows = held("2001:db8::1", *(f"2001:db8:0:7::{number:x}" for number in range(500)))
    assert left(rows)[0].client == "2001:db8::1"
    assert len(left(rows)) == 1 + MOST_OF_A_CLIENT


def test_behind_a_proxy_what_is_not_signed_pushes_out_nothing_that_is() -> None:
    rows = [Held(1, "10.0.0.1", True, 10)]
    rows += [Held(number, "10.0.0.1", False, 10) for number in range(2, 500)]
    assert left(rows)[0].id == 1


def test_bodies_are_bounded_together() -> None:
    rows = held(*(f"10.0.0.{number}" for number in range(60)), size=MEBIBYTE)
    assert [row.id for row in left(rows)] == list(range(29, 61))


@settings(max_examples=200)
@given(
    st.lists(
        st.builds(
            Held,
            id=st.integers(1, 10_000),
            client=st.sampled_from(["", "10.0.0.1", "10.0.0.2", "2001:db8::1", "unix"]),
            signed=st.booleans(),
            size=st.integers(0, 3 * MEBIBYTE),
        ),
        max_size=400,
        unique_by=lambda row: row.id,
    )
)
def test_whatever_there_is_what_is_left_fits(rows: list[Held]) -> None:
    kept = left(rows)
    assert len(kept) <= MOST
    assert sum(row.size for row in kept) <= MOST_BYTES
    assert too_many(kept) == []
    if rows and max(rows, key=lambda row: row.id).size <= MOST_BYTES:
        assert max(row.id for row in kept) == max(row.id for row in rows), "the newest stays"


def refused(body: bytes | None, **changed: Any) -> Refused:
    given = {"at": NOW, "why": "the signature did not match", "client": "10.0.0.1"}
    size = len(body or b"")
    return Refused(**{**given, "headers": SIGNED, "body": body, "size": size, **changed})


@contextlib.asynccontextmanager
async def running(database_url: str) -> AsyncIterator[tuple[Store, Quarantine]]:
    store = Store(database_url)
    upgrade(store)
    keeping = Quarantine(store)
    task = asyncio.create_task(keeping.run())
    try:
        yield store, keeping
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        store.close()


async def rows(store: Store) -> list[Refusal]:
    return await store.read(lambda s: list(s.exec(select(Refusal).order_by("id"))))


async def kept(store: Store, times: int) -> list[Refusal]:
    """The rows, once they stand for so many."""
    deadline = time.monotonic() + 10
    while True:
        found = await rows(store)
        if sum(row.times for row in found) >= times:
            return found
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.02)


async def test_what_comes_again_is_counted(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "PACE", 0.01)
    async with running(database_url) as (store, keeping):
        for at in (NOW, NOW.replace(hour=13)):  # once while it waits, once when it is written
            keeping.keep(refused(b"{}", at=at))
            keeping.keep(refused(b"{}", at=at))
            await kept(store, 2)
        keeping.keep(refused(b"{}", headers={"sentry-hook-signature": "1" * 64}))
        first, other = await kept(store, 5)
        assert (first.times, first.at) == (4, NOW)
        assert other.times == 1, "signed otherwise it is another one: it may be the right one"


async def test_of_a_large_body_the_size_is_kept(database_url: str) -> None:
    async with running(database_url) as (store, keeping):
        keeping.keep(refused(b"x" * (LARGEST + 1)))
        keeping.keep(refused(b"y" * (LARGEST + 1)))
        (row,) = await kept(store, 2)
        assert (row.body, row.size) == (None, LARGEST + 1)


async def test_what_waits_is_bounded_and_the_rest_is_counted(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "PACE", 0.01)
    before = metrics.REFUSALS_DROPPED._value.get()
    async with running(f"sqlite:///{tmp_path_factory.mktemp('q')}/r.db") as (store, keeping):
        for number in range(WAITING + 40):
            keeping.keep(refused(b"%d" % number, client=f"10.0.{number % 8}.1"))
        await kept(store, MOST)
        assert len(await rows(store)) == MOST
        assert metrics.REFUSALS_DROPPED._value.get() - before == 40
        for number in range(9):
            keeping.keep(refused((b"%d" % number) * LARGEST))
        assert metrics.REFUSALS_DROPPED._value.get() - before == 45, "more than 4 MB wait"


async def test_a_flood_costs_few_commits(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with running(f"sqlite:///{tmp_path_factory.mktemp('q')}/r.db") as (store, keeping):
        commits = 0
        write = store.write

        async def counted(work: Any, **options: Any) -> Any:
            nonlocal commits
            commits += 1
            return await write(work, **options)

        store.write = counted  # type: ignore[method-assign]
        began = time.monotonic()
        for number in range(300):
            keeping.keep(refused(b"%d" % number))
            await asyncio.sleep(0.002)
        took = time.monotonic() - began
        assert commits <= took / quarantine.PACE + 2
        assert len(await rows(store)) <= MOST_OF_A_CLIENT
