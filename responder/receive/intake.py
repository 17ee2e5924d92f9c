"""The committer: stores deliveries, many to a commit, before anybody is answered.

Requests queue their delivery and wait. One task writes whatever has queued in one
transaction, so that durability costs one disk flush per batch and not one per webhook.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, or_, select

from responder import faults
from responder.store.database import Store
from responder.store.tables import Delivery

log = structlog.get_logger()

BATCH = 500
TAKE_SECONDS = 8.0  # longer than anybody waits for an answer
QUEUE = 10_000  # deliveries waiting for the disk before callers are turned away


class Overloaded(Exception):
    """More deliveries wait than the disk keeps up with; the caller must come again."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A delivery not yet stored.

    `origin` is how it came: `webhook` (signed), `plugin` (unsigned), `reconciled` (fetched from
    Sentry's API), `let_in` or `let_in_unverified` (from the quarantine), `posted` or `polled`
    (figures). A `replay` is stored by the desk. For `repeats` see `Description`.
    """

    source: str
    resource: str
    action: str
    key: str
    headers: dict[str, str]
    body: bytes
    received_at: datetime
    origin: str = "webhook"
    repeats: bool = False


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
        try:
            async with asyncio.timeout(TAKE_SECONDS):
                return await receipt
        except TimeoutError:  # it may be stored all the same, and is then a duplicate
            raise Overloaded from None

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
            receipts = await self._write([incoming for incoming, _ in batch])
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

    async def _write(self, batch: list[Incoming]) -> list[Receipt]:
        try:
            return await self._store.write(lambda session: store(session, batch), first=True)
        except IntegrityError:  # another replica stored one of them meanwhile: now it is known
            return await self._store.write(lambda session: store(session, batch), first=True)


def store(session: Session, batch: list[Incoming]) -> list[Receipt]:
    """Write what is new, and say what is a duplicate.

    A key is sent beside the signature and not under it. The same bytes under another key, which
    whoever captured them can send, are therefore the same delivery; but not where they start
    nothing, for an issue that is resolved twice must not stay open for that.
    """
    digests = [
        None if incoming.repeats else hashlib.sha256(incoming.body).hexdigest()
        for incoming in batch
    ]
    known = _known(session, batch, digests)
    receipts = []
    for incoming, digest in zip(batch, digests, strict=True):
        first = known.get(incoming.key) or (known.get(digest) if digest else None)
        if first is None:
            first = _add(session, incoming, digest)
            known |= {name: first for name in (incoming.key, digest) if name is not None}
            receipts.append(Receipt(first, duplicate=False))
        else:
            receipts.append(Receipt(first, duplicate=True))
    return receipts


def _known(session: Session, batch: list[Incoming], digests: list[str | None]) -> dict[str, int]:
    """The ids of deliveries stored before, by key and by digest."""
    keys = [incoming.key for incoming in batch]
    bodies = [digest for digest in digests if digest is not None]
    rows = session.exec(
        select(Delivery.key, Delivery.digest, Delivery.id).where(
            or_(col(Delivery.key).in_(keys), col(Delivery.digest).in_(bodies))
        )
    )
    known: dict[str, int] = {}
    for key, digest, id_ in rows:
        assert id_ is not None
        known |= {name: id_ for name in (key, digest) if name is not None}
    return known


def _add(session: Session, incoming: Incoming, digest: str | None) -> int:
    row = Delivery(
        source=incoming.source,
        resource=incoming.resource,
        action=incoming.action,
        key=incoming.key,
        digest=digest,
        headers=incoming.headers,
        body=incoming.body,
        received_at=incoming.received_at,
        origin=incoming.origin,
    )
    session.add(row)
    session.flush()
    assert row.id is not None
    return row.id
