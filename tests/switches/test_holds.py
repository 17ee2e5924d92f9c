"""A switch is paused while any hold on it stands, whatever its driver does."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pydantic import BaseModel
from sqlmodel import Session, select

from responder.store.database import Store
from responder.store.migrate import upgrade
from responder.store.tables import Hold, Incident, SwitchRecord
from responder.switches.base import Reading, SwitchError, SwitchState
from responder.switches.board import SwitchBoard, standing

INCIDENTS = (1, 2, 3)
BY_HAND = None


class Lamp:
    """A driver in memory. `trouble` says what goes wrong: "" nothing, else what its name says."""

    Options: ClassVar[type[BaseModel]] = BaseModel

    def __init__(self) -> None:
        self.state = SwitchState.RUNNING
        self.trouble = ""
        self.calls: list[str] = []
        self.inside = 0

    async def pause(self, *, reason: str, key: str) -> Reading:
        return await self._change(SwitchState.PAUSED)

    async def resume(self, *, reason: str, key: str) -> Reading:
        return await self._change(SwitchState.RUNNING)

    async def read(self) -> Reading:
        if self.trouble == "away":
            raise SwitchError("nobody answers")
        return Reading(self.state, confirmed=self.trouble != "unsure", detail="as it is", refused=3)

    async def _change(self, wanted: SwitchState) -> Reading:
        assert self.inside == 0, "two changes at once"
        self.inside += 1
        try:
            await asyncio.sleep(0)
            self.calls.append(wanted)
            if self.trouble == "away":
                raise SwitchError("nobody answers")
            self.state = wanted
            if self.trouble == "lost answer":
                raise SwitchError("the answer was lost")
            return await self.read()
        finally:
            self.inside -= 1


def board_of(url: str, lamp: Lamp) -> tuple[Store, SwitchBoard]:
    """A board with one switch on a fresh database, and some incidents to hold for."""
    store = Store(url)
    upgrade(store)
    with Session(store.engine) as session, session.begin():
        for number in INCIDENTS:
            session.add(
                Incident(
                    id=number,
                    area="credits",
                    environment=str(number),
                    severity="critical",
                    state="open",
                    title="t",
                    opened_at=datetime.now(UTC),
                )
            )
    return store, SwitchBoard(store, {"lamp": lamp}, now=lambda: datetime.now(UTC))


class Board(RuleBasedStateMachine):
    """People and incidents hold and release one switch; its driver fails as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.lamp = Lamp()
        self.store, self.board = board_of(f"sqlite:///{self.folder.name}/r.db", self.lamp)
        self.loop = asyncio.new_event_loop()
        self.wanted: set[int | None] = set()
        self.settled = True
        self.keys = 0

    def teardown(self) -> None:
        self.store.close()
        self.loop.close()
        self.folder.cleanup()

    @rule(who=st.sampled_from([*INCIDENTS, BY_HAND]), trouble=st.sampled_from(["", "away"]))
    def hold(self, who: int | None, trouble: str) -> None:
        self.lamp.trouble = trouble
        self.keys += 1
        self.wanted.add(who)
        self._settle(self._hold(who, f"k{self.keys}"))

    @rule(who=st.sampled_from(INCIDENTS), trouble=st.sampled_from(["", "away", "lost answer"]))
    def hold_again(self, who: int, trouble: str) -> None:
        """A driver of a run that crashed repeats its key; so may a released one."""
        self.lamp.trouble = trouble
        rows = self._holds()
        key = f"again-{who}"
        if not any(row.key == key for row in rows):
            self.wanted.add(who)
        self._settle(self._hold(who, key))

    @rule(who=st.sampled_from([*INCIDENTS, BY_HAND]), trouble=st.sampled_from(["", "away"]))
    def release(self, who: int | None, trouble: str) -> None:
        self.lamp.trouble = trouble
        self.wanted.discard(who)
        self._settle(
            self.board.release("lamp", key="r", by="ann", reason="checked", incident_id=who)
        )

    @rule(
        hold=st.sampled_from([*INCIDENTS, BY_HAND]), release=st.sampled_from([*INCIDENTS, BY_HAND])
    )
    def both_at_once(self, hold: int | None, release: int | None) -> None:
        if hold == release:
            return
        self.lamp.trouble = ""
        self.keys += 1
        self.wanted.add(hold)
        self.wanted.discard(release)

        async def both() -> None:
            await asyncio.gather(
                self._hold(hold, f"k{self.keys}"),
                self.board.release("lamp", key="r", by="b", reason="b", incident_id=release),
            )

        self._settle(both())

    @invariant()
    def the_holds_are_those_that_were_placed(self) -> None:
        rows = [row for row in self._holds() if row.released_at is None]
        assert {row.incident_id for row in rows} == self.wanted
        ours = [row.incident_id for row in rows if row.incident_id is not None]
        assert len(ours) == len(set(ours))

    @invariant()
    def once_settled_it_is_what_the_holds_want(self) -> None:
        expected = SwitchState.PAUSED if self.wanted else SwitchState.RUNNING
        record = self.loop.run_until_complete(
            self.store.read(lambda session: session.get(SwitchRecord, "lamp"))
        )
        if self.settled:
            assert self.lamp.state is expected
            assert record is None or (record.state, record.confirmed) == (expected, True)
        else:
            assert record is not None
            assert (record.state, record.confirmed) == (SwitchState.UNKNOWN, False)

    def _hold(self, who: int | None, key: str) -> asyncio.Future[Reading]:
        return asyncio.ensure_future(
            self.board.hold("lamp", key=key, by="ann", reason="odd", incident_id=who),
            loop=self.loop,
        )

    def _holds(self) -> list[Hold]:
        return self.loop.run_until_complete(
            self.store.read(lambda session: list(session.exec(select(Hold)).all()))
        )

    def _settle(self, change: object) -> None:
        try:
            self.loop.run_until_complete(change)  # type: ignore[arg-type]
            self.settled = True
        except SwitchError:
            self.settled = False


TestBoard = Board.TestCase
TestBoard.settings = settings(
    max_examples=15,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture
def lamp() -> Lamp:
    return Lamp()


@pytest.fixture
def board(database_url: str, lamp: Lamp) -> Iterator[SwitchBoard]:
    store, board = board_of(database_url, lamp)
    yield board
    store.close()


async def holds(board: SwitchBoard) -> list[Hold]:
    return await board._store.read(lambda session: standing(session, "lamp"))


async def record(board: SwitchBoard) -> SwitchRecord:
    return await board._store.read(lambda session: session.get_one(SwitchRecord, "lamp"))


async def test_the_last_release_resumes_and_not_the_first(board: SwitchBoard, lamp: Lamp) -> None:
    for key, incident in (("a", 1), ("b", 2), ("c", None)):
        reading = await board.hold("lamp", key=key, by="x", reason="r", incident_id=incident)
        assert reading.state is SwitchState.PAUSED
    for incident, state in ((1, SwitchState.PAUSED), (None, SwitchState.PAUSED)):
        reading = await board.release("lamp", key="r", by="x", reason="r", incident_id=incident)
        assert reading.state is state
    reading = await board.release("lamp", key="r", by="ann", reason="r", incident_id=2)
    assert reading.state is SwitchState.RUNNING
    assert await holds(board) == []
    assert lamp.calls[-1] == SwitchState.RUNNING
    assert lamp.calls.count(SwitchState.RUNNING) == 1


async def test_releasing_what_others_hold_changes_nothing(board: SwitchBoard, lamp: Lamp) -> None:
    await board.hold("lamp", key="a", by="x", reason="r", incident_id=1)
    await board.release("lamp", key="r", by="x", reason="r", incident_id=2)
    await board.release("lamp", key="r", by="x", reason="r", incident_id=None)
    assert [hold.incident_id for hold in await holds(board)] == [1]
    assert lamp.state is SwitchState.PAUSED


@pytest.mark.parametrize("trouble", ["away", "lost answer"])
async def test_a_failing_driver_leaves_the_hold_and_says_unknown(
    trouble: str, board: SwitchBoard, lamp: Lamp
) -> None:
    lamp.trouble = trouble
    with pytest.raises(SwitchError):
        await board.hold("lamp", key="a", by="x", reason="r", incident_id=1)
    assert len(await holds(board)) == 1
    found = await record(board)
    assert (found.state, found.confirmed, found.verified_at) == ("unknown", False, None)
    lamp.trouble = ""
    await board.hold("lamp", key="a", by="x", reason="r", incident_id=1)
    assert len(await holds(board)) == 1
    found = await record(board)
    assert (found.state, found.confirmed, found.refused) == ("paused", True, 3)
    assert found.verified_at is not None


async def test_an_unsure_pause_is_recorded_as_unsure(board: SwitchBoard, lamp: Lamp) -> None:
    lamp.trouble = "unsure"
    reading = await board.hold("lamp", key="a", by="x", reason="r", incident_id=1)
    assert not reading.confirmed
    found = await record(board)
    assert (found.state, found.confirmed, found.verified_at) == ("paused", False, None)


async def test_repeating_a_key_places_nothing_new(board: SwitchBoard, lamp: Lamp) -> None:
    for _ in range(3):
        await board.hold("lamp", key="a", by="x", reason="r", incident_id=1)
    assert len(await holds(board)) == 1
    await board.release("lamp", key="r", by="x", reason="r", incident_id=1)
    reading = await board.hold("lamp", key="a", by="x", reason="r", incident_id=1)
    assert reading.state is SwitchState.RUNNING
    assert await holds(board) == []


async def test_after_a_crash_a_switch_that_reads_back_paused_is_left_alone(
    board: SwitchBoard, lamp: Lamp
) -> None:
    lamp.state = SwitchState.PAUSED
    reading = await board.hold("lamp", key="a", by="x", reason="r", incident_id=1, read_first=True)
    assert (reading.state, lamp.calls) == (SwitchState.PAUSED, [])
    lamp.state = SwitchState.RUNNING
    await board.hold("lamp", key="a", by="x", reason="r", incident_id=1, read_first=True)
    assert lamp.calls == [SwitchState.PAUSED]
    lamp.trouble = "unsure"
    await board.hold("lamp", key="a", by="x", reason="r", incident_id=1, read_first=True)
    assert lamp.calls == [SwitchState.PAUSED] * 2  # paused but unsure is not enough


async def test_many_changes_at_once_end_in_what_all_want(
    database_url: str, board: SwitchBoard, lamp: Lamp
) -> None:
    """On PostgreSQL over two boards on one database, as two replicas have."""
    boards = [board, board]
    other = Store(database_url)
    if not other.is_sqlite:
        boards[1] = SwitchBoard(other, {"lamp": lamp}, now=lambda: datetime.now(UTC))
    changes = []
    for n, one in enumerate(boards * 5):
        changes.append(one.hold("lamp", key=f"h{n}", by="x", reason="r", incident_id=None))
        changes.append(one.hold("lamp", key=f"i{n}", by="x", reason="r", incident_id=1))
    changes.append(board.release("lamp", key="r", by="x", reason="r", incident_id=1))
    await asyncio.gather(*changes)
    assert (await lamp.read()).state is SwitchState.PAUSED
    lifts = [
        one.release("lamp", key="r2", by="x", reason="r", incident_id=incident)
        for one, incident in zip(boards, (1, None), strict=True)
    ]
    await asyncio.gather(*lifts)
    assert (await lamp.read()).state is SwitchState.RUNNING
    assert await holds(board) == []
    other.close()


async def test_a_switch_that_is_not_there_is_told_with_those_that_are(board: SwitchBoard) -> None:
    with pytest.raises(SwitchError, match=r"there is no switch lump; switches.yaml has: lamp"):
        await board.hold("lump", key="a", by="x", reason="r", incident_id=None)
    assert await board._store.read(lambda s: s.exec(select(Hold)).all()) == []
