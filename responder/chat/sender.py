"""Makes chat agree with the rows: posts what is new, updates what is behind, loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlmodel import Session, col, select

from responder import faults
from responder.chat.base import Chat, ChatError, Message
from responder.chat.outbox import CARD
from responder.chat.views import Views
from responder.incident import records
from responder.store.database import LockBusy, Store
from responder.store.tables import ChatMessage

log = structlog.get_logger()

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(minutes=2)
PACE = timedelta(seconds=1.5)  # between two updates of one message: changes meanwhile are one
ASK_BEFORE = timedelta(minutes=10)  # how long before an attempt a lost message may be found
BATCH = 20
LOOK_SECONDS = 0.5  # between looks when nobody woke us
SETTLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Work:
    row: ChatMessage
    message: Message
    thread: dict[str, Any] | None


class Sender:
    """A loop over the messages that are behind. It can be killed at any time."""

    def __init__(
        self, store: Store, chat: Chat, views: Views, *, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._chat = chat
        self._views = views
        self._now = now
        self._woken = asyncio.Event()
        self._quiet_until: datetime | None = None  # the chat asked us to slow down
        self._shown: dict[int, datetime] = {}  # by message, within the last PACE

    def wake(self) -> None:
        """Look at once; somebody wants something said."""
        self._woken.set()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            self._woken.clear()
            sent = 0
            # One sender at a time, so that a message's order is kept across replicas.
            with contextlib.suppress(LockBusy):
                async with self._store.exclusive("chat"):
                    sent = await self._round()
            if not sent:
                await self._rest()

    async def _rest(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self._woken.wait()
        # Containment goes first, and what changes in the next moment is one message.
        await asyncio.sleep(SETTLE_SECONDS)

    async def _round(self) -> int:
        now = self._now()
        if self._quiet_until is not None and now < self._quiet_until:
            return 0
        self._shown = {key: at for key, at in self._shown.items() if now - at < PACE}
        work, broken = await self._store.read(lambda session: self._due(session, now))
        for row in broken:
            await self._failed(row, ChatError("it can't be put together", permanent=True))
        for number, one in enumerate(work, 1):
            if not await self._send(one):
                return number
        return len(work)

    def _due(self, session: Session, now: datetime) -> tuple[list[_Work], list[ChatMessage]]:
        """What is behind, and what can't be shown at all, which must not stop the rest."""
        rows = session.exec(
            select(ChatMessage)
            .where(
                col(ChatMessage.sent) < col(ChatMessage.wanted),
                col(ChatMessage.due_at) <= now,
                col(ChatMessage.id).not_in(list(self._shown)),
            )
            .order_by(col(ChatMessage.ref).is_not(None), col(ChatMessage.id))
            .limit(BATCH)
        )
        work, broken = [], []
        for row in rows:
            try:
                work.append(_Work(row, self._views.of(session, row), _thread(session, row)))
            except Exception:
                log.exception("chat.message_broken", message=row.key)
                broken.append(row)
        return work, broken

    async def _send(self, work: _Work) -> bool:
        """Send one message; whether it is worth trying the next one now."""
        row = work.row
        try:
            if row.ref is not None:
                await self._chat.update(row.ref, work.message)
                ref = row.ref
            else:
                ref = await self._post(work)
        except ChatError as error:
            await self._failed(row, error)
            return error.permanent  # this message's own trouble, not the chat's
        except Exception as error:
            log.exception("chat.message_broken", message=row.key)
            text = f"it can't be shown: {type(error).__name__}"
            await self._failed(row, ChatError(text, permanent=True, maybe=True))
            return True
        faults.point("chat.sent")
        await self._sent(row, ref)
        return True

    async def _post(self, work: _Work) -> dict[str, Any]:
        row = work.row
        found = await self._find(work)
        if found is not None:
            await self._chat.update(found, work.message)
            return found
        await self._store.write(lambda session: _attempt(session, row, self._now()))
        return await self._chat.post(row.key, work.message, work.thread)

    async def _find(self, work: _Work) -> dict[str, Any] | None:
        """Where an earlier attempt arrived without our hearing of it, if one did."""
        row = work.row
        if row.attempted_at is None:
            return None
        try:
            return await self._chat.find(row.key, row.attempted_at - ASK_BEFORE, work.thread)
        except ChatError as error:
            if not error.permanent:
                error.maybe = True  # it was the question that failed: the message may be there
                raise
            # The chat won't ever tell: better said twice than never.
            log.warning("chat.cannot_be_asked", message=row.key, error=str(error))
            return None

    async def _sent(self, row: ChatMessage, ref: dict[str, Any]) -> None:
        now = self._now()
        self._shown[row.id or 0] = now

        def work(session: Session) -> None:
            stored = session.get_one(ChatMessage, row.id)
            stored.ref, stored.sent, stored.attempts, stored.error = ref, row.wanted, 0, None
            session.add(stored)
            if row.error is not None:
                self._tell(session, row, now, "chat-back", f"{self._chat.name} works again")

        await self._store.write(work)

    async def _failed(self, row: ChatMessage, error: ChatError) -> None:
        now = self._now()
        log.warning("chat.refused", message=row.key, error=str(error))
        if error.retry_after is not None:
            self._quiet_until = now + timedelta(seconds=error.retry_after)

        def work(session: Session) -> None:
            stored = session.get_one(ChatMessage, row.id)
            stored.attempts += 1
            stored.error = str(error)[:1000]
            stored.due_at = now + _wait(error, stored.attempts)
            if error.gone:
                stored.ref = None
            if not error.maybe:
                stored.attempted_at = None  # we know that it is not there
            session.add(stored)
            if row.error is None:
                text = f"{self._chat.name} did not take the {row.kind}: {error}; trying again"
                self._tell(session, row, now, "chat-failed", text)

        await self._store.write(work)

    def _tell(
        self, session: Session, row: ChatMessage, now: datetime, kind: str, text: str
    ) -> None:
        if row.incident_id is not None:
            records.note(
                session, row.incident_id, at=now, actor=records.RESPONDER, kind=kind, text=text
            )


def _wait(error: ChatError, attempts: int) -> timedelta:
    if error.gone:
        return timedelta(0)
    if error.retry_after is not None:
        return timedelta(seconds=error.retry_after)
    if error.permanent:
        return LONGEST_WAIT
    doubled: timedelta = FIRST_WAIT * 2 ** min(attempts - 1, 10)
    return min(doubled, LONGEST_WAIT)


def _attempt(session: Session, row: ChatMessage, now: datetime) -> None:
    stored = session.get_one(ChatMessage, row.id)
    stored.attempted_at = row.attempted_at or now
    session.add(stored)


def _thread(session: Session, row: ChatMessage) -> dict[str, Any] | None:
    if row.incident_id is None:
        return None
    card = session.exec(
        select(ChatMessage).where(
            ChatMessage.incident_id == row.incident_id, ChatMessage.kind == CARD
        )
    ).first()
    return card.ref if card else None
