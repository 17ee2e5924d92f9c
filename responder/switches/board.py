"""Holds and switches: a switch is paused while any hold on it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlmodel import Session, col, select

from responder.store.database import Store
from responder.store.tables import Hold, SwitchRecord
from responder.switches.base import Driver, Reading, SwitchError, SwitchState


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

        await self._store.write(place)
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

        await self._store.write(lift)
        return await self._settle(switch, driver, key=key, reason=reason)

    async def read(self, switch: str) -> Reading:
        """What the switch is now, by its driver's word, recorded."""
        driver = self._driver(switch)
        async with self._store.exclusive(f"switch:{switch}"):
            reading = await driver.read()
            await self._record(switch, reading)
        return reading

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
        async with self._store.exclusive(f"switch:{switch}"):
            wanted = await self._wanted(switch)
            change = driver.pause if wanted is SwitchState.PAUSED else driver.resume
            try:
                reading = await driver.read() if read_first else None
                if reading is None or reading.state is not wanted or not reading.confirmed:
                    reading = await change(reason=reason, key=f"{key}:{wanted}")
            except SwitchError as error:
                await self._record(
                    switch, Reading(SwitchState.UNKNOWN, confirmed=False, detail=str(error))
                )
                raise
            await self._record(switch, reading)
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


def standing(session: Session, switch: str) -> list[Hold]:
    """The holds on a switch that are not released, oldest first."""
    return list(
        session.exec(
            select(Hold)
            .where(Hold.switch == switch, col(Hold.released_at).is_(None))
            .order_by(col(Hold.since), col(Hold.id))
        )
    )
