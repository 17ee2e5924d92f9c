"""Fetching from Sentry's API what its webhooks should have told and did not.

Until when Sentry has been looked at is kept in memory only. After a start it is taken from the
newest webhook that is stored: whatever went wrong, it went wrong after that one came. Looking
further back than needed costs a question and finds only what is covered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session, col, func, select

from responder import metrics
from responder.classify.verdict import Outcome
from responder.receive.intake import Incoming, Intake, Overloaded
from responder.receive.reconcile import Missed, stand_in, uncovered
from responder.receive.sentry import RECONCILED, SentrySource
from responder.receive.sentry_api import Json, SentryApi, SentryApiError
from responder.store.database import Store
from responder.store.tables import Decision, Delivery

log = structlog.get_logger()

LONGEST = timedelta(hours=24)
AT_START = timedelta(hours=2)  # at least
OVERLAP = timedelta(minutes=10)
MOST = 1000  # issues in one round

# What was decided about deliveries that tell of trouble; a comment on an issue does not.
_TELLS = (
    Outcome.OPENED,
    Outcome.JOINED,
    Outcome.COUNTED,
    Outcome.FIRST_SEEN,
    Outcome.SAME_EVENT,
    Outcome.SUPPRESSED,
    Outcome.OTHER_ENVIRONMENT,
)


class CatchingUp:
    """Compares what Sentry lists with what is stored. `trouble` is why it last failed, or empty."""

    def __init__(
        self, store: Store, sentry: SentryApi, intake: Intake, *, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._sentry = sentry
        self._intake = intake
        self._now = now
        self._started = now()
        self._until: datetime | None = None  # Sentry was looked at
        self.trouble = ""

    async def look(self) -> None:
        """Look once, and take in what is missing. Never raises: the next look covers this one."""
        now = self._now()
        try:
            await self._round(now)
        except SentryApiError as error:
            self._failed(str(error))
        except Overloaded:
            self._failed("deliveries wait for the disk")
        except Exception as error:
            log.exception("catching_up.broke")
            self._failed(f"a fault of responder's: {type(error).__name__}")
        else:
            self._until, self.trouble = now, ""
            metrics.CATCH_UPS.labels("done").inc()

    def _failed(self, trouble: str) -> None:
        self.trouble = trouble
        metrics.CATCH_UPS.labels("failed").inc()
        log.warning("catching_up.failed", trouble=trouble, until=self._until)

    async def _round(self, now: datetime) -> None:
        back = await self._back(now)
        minutes = -(-back // timedelta(minutes=1))
        issues = await self._sentry.issues(
            f"is:unresolved lastSeen:-{minutes}m", stats_period=f"{minutes}m", limit=MOST
        )
        if len(issues) == MOST:
            log.warning("catching_up.not_all", most=MOST)  # the rest was seen longer ago
        ids = [str(issue.get("id")) for issue in issues]
        heard = await self._store.read(lambda session: _heard(session, ids))
        for missed in uncovered(issues, heard, now=now, back=back):
            await self._take(missed)

    async def _back(self, now: datetime) -> timedelta:
        """How far back to look."""
        if self._until is not None:
            return min(now - self._until + OVERLAP, LONGEST)
        newest = await self._store.read(lambda session: _newest(session, self._started))
        return min(max(now - (newest or now) + OVERLAP, AT_START), LONGEST)

    async def _take(self, missed: Missed) -> None:
        key, body = stand_in(missed, await self._event(missed.id))
        receipt = await self._intake.take(
            Incoming(
                source=SentrySource.name,
                resource=RECONCILED,
                action=RECONCILED,
                key=key,
                headers={},
                body=body,
                received_at=self._now(),
                origin=RECONCILED,
            )
        )
        if not receipt.duplicate:
            metrics.RECONCILED.inc()
            log.warning("delivery.reconciled", issue=missed.id, delivery=receipt.id)

    async def _event(self, issue_id: str) -> Json:
        """The issue's latest event; empty if it can't be had."""
        try:
            return await self._sentry.latest_event(issue_id)
        except SentryApiError as error:
            if error.again:
                raise  # the next issue would meet the same, and the next round meets both
            log.warning("catching_up.no_event", issue=issue_id, trouble=str(error))
            return {}


def _heard(session: Session, ids: Sequence[str]) -> dict[str, datetime]:
    """When each issue was last told of. Replays tell nothing new."""
    rows = session.exec(
        select(Decision.issue_id, func.max(Delivery.received_at))
        .join(Delivery, col(Delivery.id) == col(Decision.delivery_id))
        .where(
            col(Decision.issue_id).in_(ids),
            col(Decision.outcome).in_(_TELLS),
            col(Delivery.replay_of).is_(None),
        )
        .group_by(col(Decision.issue_id))
    )
    return {id_: at for id_, at in rows if id_ is not None}


def _newest(session: Session, before: datetime) -> datetime | None:
    """When Sentry was last heard of before this process started."""
    return session.exec(
        select(Delivery.received_at)
        .where(
            Delivery.source == SentrySource.name,
            Delivery.origin == "webhook",  # what was fetched tells nothing of what was sent
            col(Delivery.received_at) < before,
        )
        .order_by(col(Delivery.received_at).desc())
        .limit(1)
    ).first()
