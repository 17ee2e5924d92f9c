"""The committer: stores deliveries, many to a commit, before anybody is answered.

Requests queue their delivery and wait. One task writes whatever has queued in one
transaction, so that durability costs one disk flush per batch and not one per webhook.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlmodel import Session, select

from responder import faults
from responder.store.database import Store
from responder.store.tables import Delivery

log = structlog.get_logger()

BATCH = 500
QUEUE = 10_000  # deliveries waiting for the disk before callers are turned away


class Overloaded(Exception):
    """More deliveries wait than the disk keeps up with; the caller must come again."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A verified delivery, not yet stored."""

    source: str
    resource: str
    action: str
    key: str
    headers: dict[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a delivery is stored; `duplicate` if it had been stored before."""

    id: int
    duplicate: bool


class Intake:
    """Takes deliveries in.

    Args:
        stored: called after each commit, to wake whoever looks at deliveries.
    """

    def __init__(self, store: Store, *, stored: Callable[[], None]) -> None:
        self._store = store
        self._stored = stored
        self._queue: asyncio.Queue[tuple[Incoming, asyncio.Future[Receipt]]] = asyncio.Queue(QUEUE)

    async def take(self, incoming: Incoming) -> Receipt:
        """Store a delivery; it is on disk when this returns.

        Raises:
            Overloaded: too many are waiting.
        """
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((incoming, receipt))
        except asyncio.QueueFull:
            raise Overloaded from None
        return await receipt

    async def run(self) -> None:
        """Commit for ever; what has queued when this is cancelled is committed first."""
        try:
            while True:
                batch = [await self._queue.get()]
                await asyncio.shield(self._commit(batch))
        finally:
            while not self._queue.empty():
                await self._commit([self._queue.get_nowait()])

    async def _commit(self, batch: list[tuple[Incoming, asyncio.Future[Receipt]]]) -> None:
        while len(batch) < BATCH and not self._queue.empty():
            batch.append(self._queue.get_nowait())
        try:
            receipts = await self._store.write(
                lambda session: _store(session, [incoming for incoming, _ in batch])
            )
        except Exception as error:
            log.exception("intake.commit_failed", deliveries=len(batch))
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), receipt in zip(batch, receipts, strict=True):
            if not future.done():
                future.set_result(receipt)
        faults.point("delivery.stored")
        self._stored()


def _store(session: Session, batch: list[Incoming]) -> list[Receipt]:
    keys = {incoming.key for incoming in batch}
    rows = session.exec(select(Delivery.key, Delivery.id).where(Delivery.key.in_(keys)))  # type: ignore[attr-defined]
    known = {key: id_ for key, id_ in rows if id_ is not None}
    receipts = []
    for incoming in batch:
        if incoming.key in known:
            receipts.append(Receipt(known[incoming.key], duplicate=True))
            continue
        row = Delivery(
            source=incoming.source,
            resource=incoming.resource,
            action=incoming.action,
            key=incoming.key,
            headers=incoming.headers,
            body=incoming.body,
            received_at=incoming.received_at,
        )
        session.add(row)
        session.flush()
        assert row.id is not None
        known[incoming.key] = row.id
        receipts.append(Receipt(row.id, duplicate=False))
    return receipts
