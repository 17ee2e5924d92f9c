"""What happens by the clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlmodel import Session, col, delete

from responder.store.database import Store
from responder.store.tables import SignInLink, WebSession

log = structlog.get_logger()


class Clock:
    """The scheduler and its jobs."""

    def __init__(self, store: Store, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        self._scheduler.add_job(
            self._forget_expired, "interval", hours=1, coalesce=True, max_instances=1
        )

    @property
    def running(self) -> bool:
        """Whether jobs are being fired."""
        return bool(self._scheduler.running)

    def start(self) -> None:
        """Begin; needs a running event loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """Fire no more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def _forget_expired(self) -> None:
        """Sign-in links and sessions that can't be used any more."""
        now = self._now()

        def work(session: Session) -> None:
            session.execute(delete(SignInLink).where(col(SignInLink.expires_at) < now))
            session.execute(delete(WebSession).where(col(WebSession.expires_at) < now))

        await self._store.write(work)
