"""Holds and switches: a switch is paused while any hold on it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from responder.store.database import LockBusy, Store
from responder.store.tables import Hold, SwitchRecord
from responder.switches.base import Driver, Reading, SwitchError, SwitchState

log = structlog.get_logger()

LOOKS = 3  # at what is wanted, before a change is called settled


class SwitchBoard:
    """All switches. Each change writes the holds first and then makes the switch agree.

    Who wants what is read again under the switch's lock just before it is applied; so of two
    changes at once, the later one applies what both together want.
    """

    def __init__(
        self, store: Store, drivers: Mapping[str, Driver], *, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._drivers = drivers
        self._now = now

    @property
    def names(self) -> list[str]:
        """Every switch there is."""
        return sorted(self._drivers)

    async def hold(
        self,
        switch: str,
        *,
        key: str,
        by: str,
        reason: str,
        incident_id: int | None,
        read_first: bool = False,
    ) -> Reading:
        """Place a hold, pause the switch and read it back. Repeating a key places nothing new.

        An incident has one hold on a switch at a time.

        With `read_first`, as after a crash, a switch that reads back paused is left alone.

        Raises:
            SwitchError: the hold stands but the pause could not be applied or read back.
        """
        driver = self._driver(switch)
        now = self._now()

        def place(session: Session) -> None:
            known = session.exec(select(Hold).where(Hold.key == key)).first() is not None
            has_one = incident_id is not None and any(
                hold.incident_id == incident_id for hold in standing(session, switch)
            )
            if not known and not has_one:
                session.add(
                    Hold(
                        key=key,
                        switch=switch,
                        by=by,
                        reason=reason,
                        incident_id=incident_id,
                        since=now,
                    )
                )
                _unsure(session, switch)

        try:
            await self._store.write(place, first=True)
        except IntegrityError:  # another driver of the same step has just placed it
            log.warning("hold.placed_twice", switch=switch, key=key)
        return await self._settle(switch, driver, key=key, reason=reason, read_first=read_first)

    async def release(
        self, switch: str, *, key: str, by: str, reason: str, incident_id: int | None
    ) -> Reading:
        """Lift an incident's holds, or those placed by hand, and resume if none is left.

        Returns:
            The switch as read back: still paused where another hold stands.

        Raises:
            SwitchError: the hold is lifted but the resume could not be applied or read back.
        """
        driver = self._driver(switch)
        now = self._now()

        def lift(session: Session) -> None:
            for hold in standing(session, switch):
                if hold.incident_id == incident_id:
                    hold.released_at, hold.released_by = now, by
                    session.add(hold)
            _unsure(session, switch)

        await self._store.write(lift)
        return await self._settle(switch, driver, key=key, reason=reason)

    async def holders(self, switch: str) -> list[str]:
        """Who holds a switch: incidents, and people who did it by hand."""
        return await self._store.read(
            lambda session: [
                f"incident {hold.incident_id}" if hold.incident_id else hold.by
                for hold in standing(session, switch)
            ]
        )

    async def reconcile(self, switch: str) -> str | None:
        """Look whether a switch is what is wanted. One that should be paused is paused again.

        One that should run and doesn't is only told of: nothing but a release resumes.

        Returns:
            What was found and done, in words, where it was not as wanted.
        """
        driver = self._driver(switch)
        wanted = await self._wanted(switch)
        try:
            async with self._store.exclusive(f"switch:{switch}"):
                reading = await driver.read()
                if reading.state is wanted:
                    await self._record(switch, reading)
                if reading.state is wanted and reading.confirmed:
                    return None
        except (SwitchError, LockBusy) as error:
            if wanted is SwitchState.RUNNING:
                return None
            reading = Reading(SwitchState.UNKNOWN, confirmed=False, detail=str(error))
        if wanted is SwitchState.RUNNING and reading.state is not SwitchState.PAUSED:
            return None  # it can't be told, and nothing depends on it
        if wanted is SwitchState.RUNNING:
            return f"{switch} is {reading.state} although nobody holds it: {reading.detail}"
        key = f"again-{switch}-{self._now().timestamp()}"
        try:
            after = await self._settle(
                switch, driver, key=key, reason="a hold stands", read_first=True
            )
        except SwitchError as error:
            return f"{switch} should be paused and can't be: {error}"
        if reading.state is SwitchState.UNKNOWN and after.confirmed:
            return None  # nobody could tell, and now it is sure
        sure = "is paused again" if after.confirmed else "is still not surely paused"
        return f"{switch} was {reading.state} although a hold stands, and {sure}: {after.detail}"

    def _driver(self, switch: str) -> Driver:
        if switch not in self._drivers:
            known = ", ".join(self.names) or "none"
            raise SwitchError(f"there is no switch {switch}; switches.yaml has: {known}")
        return self._drivers[switch]

    async def _wanted(self, switch: str) -> SwitchState:
        holds = await self._store.read(lambda session: len(standing(session, switch)))
        return SwitchState.PAUSED if holds else SwitchState.RUNNING

    async def _settle(
        self, switch: str, driver: Driver, *, key: str, reason: str, read_first: bool = False
    ) -> Reading:
        """Make the switch what is wanted, and look again: somebody may have changed that."""
        try:
            async with self._store.exclusive(f"switch:{switch}"):
                return await self._apply(switch, driver, key, reason, read_first)
        except LockBusy as error:
            if await self._wanted(switch) is SwitchState.RUNNING:
                raise SwitchError(f"{error}; try again") from error
            # Pausing twice is harmless, and waiting for a replica that hangs is not.
            return await self._apply(switch, driver, key, reason, read_first)

    async def _apply(
        self, switch: str, driver: Driver, key: str, reason: str, read_first: bool
    ) -> Reading:
        turn = 0
        while True:
            turn += 1
            wanted = await self._wanted(switch)
            change = driver.pause if wanted is SwitchState.PAUSED else driver.resume
            try:
                reading = await driver.read() if read_first else None
                if reading is None or reading.state is not wanted or not reading.confirmed:
                    reading = await change(reason=reason, key=f"{key}:{wanted}:{turn}")
            except BaseException as error:  # cancelled by a time limit: then nobody knows either
                unknown = Reading(SwitchState.UNKNOWN, confirmed=False, detail=_said(error))
                await asyncio.shield(self._record(switch, unknown))
                raise
            await self._record(switch, reading)
            if await self._wanted(switch) is wanted or turn == LOOKS:
                return reading

    async def _record(self, switch: str, reading: Reading) -> None:
        now = self._now()

        def work(session: Session) -> None:
            record = session.get(SwitchRecord, switch) or SwitchRecord(name=switch, state="")
            record.state = reading.state
            record.confirmed = reading.confirmed
            record.detail = reading.detail
            record.refused = reading.refused
            if reading.confirmed:
                record.verified_at = now
            session.add(record)

        await self._store.write(work)


def _unsure(session: Session, switch: str) -> None:
    """What was last read back says nothing of what is wanted from now on."""
    record = session.get(SwitchRecord, switch)
    if record is not None:
        record.confirmed = False
        session.add(record)


def _said(error: BaseException) -> str:
    return str(error) or "it was not heard of in time"


def standing(session: Session, switch: str) -> list[Hold]:
    """The holds on a switch that are not released, oldest first."""
    return list(
        session.exec(
            select(Hold)
            .where(Hold.switch == switch, col(Hold.released_at).is_(None))
            .order_by(col(Hold.since), col(Hold.id))
        )
    )
