"""Looks after the promise that each stored delivery reaches exactly one recorded decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session, col, func, select

from responder import metrics
from responder.incident.times import duration
from responder.store.database import Store
from responder.store.tables import Decision, Delivery

log = structlog.get_logger()

AGAIN = 1000  # deliveries looked at twice, for replicas store out of order
NAMED = 20  # deliveries that a line of the log names


@dataclass(frozen=True, slots=True)
class Overdue:
    """Deliveries that wait for their decision for too long: how many, and the first of them."""

    count: int
    first: int | None


class Auditor:
    """Counts what is overdue, says so, and wakes whoever decides.

    A second decision can't be there: a delivery's number is the decision's key. One that is
    marked as decided and has none can't come about either, as both are one transaction; but a
    database may have been restored or mended by hand, so it is looked for all the same.

    Args:
        within: how long a delivery may wait.
        wake: called when one has waited for longer.
    """

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], datetime],
        within: timedelta,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._now = now
        self._within = within
        self._wake = wake
        self._audited = 0  # every delivery up to this number has its decision, or is in _missing
        self._missing: set[int] = set()
        self._told = 0

    @property
    def every(self) -> timedelta:
        """How often to look."""
        return min(self._within / 2, timedelta(seconds=30))

    async def audit(self) -> None:
        """Look once."""
        overdue = await self._store.read(self.overdue)
        metrics.OVERDUE.set(overdue.count)
        if overdue.count:
            self._wake()
            log.error("deliveries.overdue", count=overdue.count, first=overdue.first)
        elif self._told:
            log.info("deliveries.overdue_no_more")
        self._told = overdue.count
        missing = await self._store.read(self._without_decision)
        if missing:
            log.error("deliveries.without_decision", deliveries=missing[:NAMED], count=len(missing))
            self._missing |= set(missing)
        metrics.WITHOUT_DECISION.set(len(self._missing))

    def overdue(self, session: Session) -> Overdue:
        """What has waited for too long. Reads only the index of what is undecided."""
        count, first = session.exec(
            select(func.count(), func.min(Delivery.id)).where(
                col(Delivery.decided_at).is_(None),
                col(Delivery.received_at) < self._now() - self._within,
            )
        ).one()
        return Overdue(count, first)

    def trouble(self, overdue: Overdue) -> str:
        """What is wrong, in a sentence; "" if nothing is."""
        if not overdue.count:
            return ""
        some = "1 delivery waits" if overdue.count == 1 else f"{overdue.count:,} deliveries wait"
        return f"{some} for a decision for more than {duration(self._within)}"

    def _without_decision(self, session: Session) -> list[int]:
        """Deliveries marked as decided that have no decision, among those not looked at yet."""
        newest = session.exec(select(func.max(Delivery.id))).one() or 0  # before what waits of them
        waiting = session.exec(
            select(func.min(Delivery.id)).where(col(Delivery.decided_at).is_(None))
        ).one()
        upto = newest if waiting is None else waiting - 1
        found = session.exec(
            select(Delivery.id)
            .join(Decision, col(Decision.delivery_id) == col(Delivery.id), isouter=True)
            .where(
                col(Delivery.id) > self._audited - AGAIN,
                col(Delivery.decided_at).is_not(None),
                col(Decision.delivery_id).is_(None),
            )
            .order_by(col(Delivery.id))
        ).all()
        self._audited = max(self._audited, upto)
        return [number for number in found if number is not None and number not in self._missing]
