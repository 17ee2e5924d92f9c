"""What happens by the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlmodel import Session, col, delete

from responder.chat import outbox
from responder.incident import records
from responder.store.database import Store
from responder.store.tables import SignInLink, WebSession
from responder.switches.board import SwitchBoard, standing

log = structlog.get_logger()


class Clock:
    """The scheduler and its jobs. Every switch is read each `reconcile_every`."""

    def __init__(
        self,
        store: Store,
        switches: SwitchBoard,
        *,
        now: Callable[[], datetime],
        reconcile_every: timedelta,
    ) -> None:
        self._store = store
        self._switches = switches
        self._told: dict[str, str] = {}  # by switch: what was last told of it
        self._now = now
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        self.every(timedelta(hours=1), self._forget_expired, at_once=False)
        self.every(reconcile_every, self._reconcile)

    def every(
        self, interval: timedelta, job: Callable[[], Awaitable[None]], *, at_once: bool = True
    ) -> None:
        """Have a job done again and again, one at a time; what it raises is only logged."""

        async def once() -> None:
            try:
                await job()
            except asyncio.CancelledError:
                return  # we are stopping; the scheduler would log it as a fault of ours
            except Exception:
                log.exception("clock.job_failed", job=name)

        name = getattr(job, "__qualname__", repr(job))
        first = {"next_run_time": self._now()} if at_once else {}
        self._scheduler.add_job(
            once,
            "interval",
            seconds=interval.total_seconds(),
            coalesce=True,
            max_instances=1,
            name=name,
            **first,
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

    async def _reconcile(self) -> None:
        """Every switch against what is wanted; what is not as wanted is told where it matters."""
        for switch in self._switches.names:
            try:
                found = await self._switches.reconcile(switch)
            except Exception:
                log.exception("switch.not_reconciled", switch=switch)
                continue
            if found and found != self._told.get(switch):
                log.error("switch.drifted", switch=switch, found=found)
                await self._store.write(
                    lambda session, switch=switch, found=found: _tell(  # type: ignore[misc]
                        session, switch, found, self._now()
                    )
                )
            self._told[switch] = found or ""

    async def _forget_expired(self) -> None:
        """Sign-in links and sessions that can't be used any more."""
        now = self._now()

        def work(session: Session) -> None:
            session.execute(delete(SignInLink).where(col(SignInLink.expires_at) < now))
            session.execute(delete(WebSession).where(col(WebSession.expires_at) < now))

        await self._store.write(work)


def _tell(session: Session, switch: str, found: str, now: datetime) -> None:
    for incident_id in {hold.incident_id for hold in standing(session, switch)}:
        if incident_id is not None:
            records.note(
                session, incident_id, at=now, actor=records.RESPONDER, kind="drift", text=found
            )
            key = f"drift:{switch}:{now.timestamp()}"
            outbox.news(session, incident_id, key, found, now=now)
            outbox.refresh(session, incident_id)
