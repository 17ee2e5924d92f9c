"""A delivery's journey: from the stored webhook to its one recorded decision.

Out of the request, in the order of arrival: the delivery is normalised to an alert, classified
to an area, counted against its threshold, and when that is breached it opens an incident,
whose playbook starts to run. What a batch of deliveries leads to is one transaction, so a crash
leaves each either undecided, to be taken up again, or decided with everything that follows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import Session, col, func, select

from responder import faults
from responder.classify.match import Match
from responder.classify.verdict import Arrival, Outcome, Verdict, judge, place
from responder.consequences import Consequences, Undecided
from responder.incident import history
from responder.playbook.folder import Configuration
from responder.receive.alert import Alert
from responder.receive.source import NotUnderstood, Source, json_object
from responder.store.database import Store, alone
from responder.store.tables import Delivery

log = structlog.get_logger()

BATCH = 100
BATCH_BYTES = 16 * 1024 * 1024  # of bodies in memory at once
A_FEW = 3  # together they are a storm beginning: the next ones are let gather …
GATHER_SECONDS = 0.05  # … for so long, for a batch costs nearly the same whatever is in it
SAFETY_NET = 1.0  # seconds between looks when nobody woke us


@dataclass(frozen=True, slots=True)
class Read:
    """A delivery that was read: the alert and its area, or why it could not be."""

    delivery: Delivery
    alert: Alert | None = None
    match: Match | None = None
    problem: Verdict | None = None


class Journey:
    """Decides every delivery, exactly once.

    Args:
        configuration: gives the configuration in force.
        decided: called after each commit, to wake runs and chat.
    """

    def __init__(
        self,
        store: Store,
        sources: Mapping[str, Source],
        configuration: Callable[[], Configuration],
        *,
        now: Callable[[], datetime],
        decided: Callable[[], None],
    ) -> None:
        self._store = store
        self._sources = sources
        self._configuration = configuration
        self._now = now
        self._decided = decided
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look at once; a delivery was stored."""
        self._woken.set()

    async def run(self) -> None:
        """Decide for ever."""
        while True:
            self._woken.clear()
            try:
                while decided := await self._batch():
                    faults.point("delivery.decided")
                    self._decided()
                    if A_FEW <= decided < BATCH:
                        await asyncio.sleep(GATHER_SECONDS)
            except Exception:
                log.exception("journey.failed")  # nothing was decided; looked at again below
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SAFETY_NET):
                    await self._woken.wait()

    async def _batch(self) -> int:
        """Read without keeping anybody waiting, then write what it means; how many there were."""
        configuration = self._configuration()
        batch = await self._store.read(lambda session: self._read(session, configuration))
        if not batch:
            return 0
        return await self._store.write(lambda session: self._decide(session, batch, configuration))

    def _read(self, session: Session, configuration: Configuration) -> list[Read]:
        return [self._understood(delivery, configuration) for delivery in undecided(session)]

    def _understood(self, delivery: Delivery, configuration: Configuration) -> Read:
        try:
            alert = normalise(self._sources, delivery)
            return Read(delivery, alert, place(alert, configuration.rules))
        except NotUnderstood as error:
            return Read(delivery, problem=Verdict(Outcome.NOT_UNDERSTOOD, str(error)))
        except Exception as error:
            return Read(delivery, problem=_broke(delivery, error))

    def _decide(self, session: Session, batch: list[Read], configuration: Configuration) -> int:
        if not alone(session, "journey"):
            return 0  # another replica is at it; two at once would only get in each other's way
        ids = [read.delivery.id for read in batch]
        still = set(
            session.exec(
                select(Delivery.id)
                .where(col(Delivery.id).in_(ids), col(Delivery.decided_at).is_(None))
                .with_for_update(skip_locked=True)
            )
        )
        batch = [read for read in batch if read.delivery.id in still]
        try:
            self._write(session, batch, configuration)
        except OperationalError:
            raise  # the database has trouble, not a delivery; all are looked at again
        except Exception:
            log.exception("journey.batch_broke", deliveries=len(batch))
            for read in batch:  # one of them is at fault, and must not keep the others
                self._write_one(session, read, configuration)
        return len(batch)

    def _write_one(self, session: Session, read: Read, configuration: Configuration) -> None:
        try:
            try:
                self._write(session, [read], configuration)
            except IntegrityError:  # another replica was quicker: look again, with what it wrote
                self._write(session, [read], configuration)
        except OperationalError:
            raise
        except Exception as error:
            # The alert may be what can't be stored, so nothing of it is in this row.
            broken = Read(read.delivery, problem=_broke(read.delivery, error))
            self._write(session, [broken], configuration)

    def _write(self, session: Session, batch: Sequence[Read], configuration: Configuration) -> None:
        """Write the decisions and what follows from them: all of it, or nothing."""
        with session.begin_nested():
            known, incidents = history.load(
                session,
                [
                    history.Pending(read.alert, read.match, read.delivery.received_at)
                    for read in batch
                    if read.alert is not None
                ],
                configuration.rules.areas,
            )
            consequences = Consequences(session, configuration, incidents, now=self._now())
            for read in batch:
                if read.problem is not None:
                    consequences.add(Undecided(read.delivery, None, read.problem))
                    continue
                assert read.alert is not None
                arrival = Arrival(
                    read.delivery.received_at, replay=read.delivery.replay_of is not None
                )
                verdict = judge(read.alert, read.match, arrival, known, configuration.rules)
                consequences.add(Undecided(read.delivery, read.alert, verdict))
            consequences.finish()


def undecided(session: Session) -> list[Delivery]:
    """The oldest deliveries nobody has decided about, as many as are looked at together."""
    waiting = session.exec(
        select(Delivery.id, func.length(Delivery.body))
        .where(col(Delivery.decided_at).is_(None))
        .order_by(col(Delivery.id))
        .limit(BATCH)
    ).all()
    ids: list[int | None] = []
    size = 0
    for id_, length in waiting:
        size += length
        if ids and size > BATCH_BYTES:
            break
        ids.append(id_)
    return list(
        session.exec(select(Delivery).where(col(Delivery.id).in_(ids)).order_by(col(Delivery.id)))
    )


def normalise(sources: Mapping[str, Source], delivery: Delivery) -> Alert:
    """A stored delivery in our words.

    Raises:
        NotUnderstood: its body is nothing we can read.
    """
    return sources[delivery.source].normalise(delivery.resource, json_object(delivery.body))


def _broke(delivery: Delivery, error: Exception) -> Verdict:
    log.error("journey.broke", delivery=delivery.id, exc_info=error)
    reason = f"{type(error).__name__}: {error}"[:500]
    return Verdict(Outcome.FAILED, _printable(reason))


def _printable(text: str) -> str:
    """Without what a database would refuse to store."""
    return "".join(mark if mark.isprintable() else " " for mark in text)
