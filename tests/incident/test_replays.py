"""A replay goes the whole way again, counts nothing twice and starts nothing by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlmodel import Session, select

from responder.store.tables import AlertCount, Decision, Delivery, Measurement, OutcomeCount
from tests.in_process import ANN, DEFAULT_AREAS, Office, folder, office

AUTH = """
  auth:
    title: Authentication
    severity: high
    messages: [OTP error]
    threshold: { more_than: 2, per: 1h }
"""
CREDITS = """
playbook: credits
title: C
area: credits
steps:
  - { id: stop, action: switch.hold, switch: tips }
  - { id: go, action: switch.release, switch: tips, approval: { by: responders } }
"""


@pytest.fixture
def where(tmp_path: Path) -> Path:
    return folder(tmp_path / "p", areas=DEFAULT_AREAS + AUTH, credits=CREDITS)


async def replayed(here: Office, delivery: int) -> Decision:
    return await here.decision(await here.responder.desk.replay(delivery, ANN))


def counted(session: Session) -> list[tuple[str, str, int]]:
    rows = session.exec(select(AlertCount.counter, AlertCount.environment, AlertCount.alerts))
    return sorted(rows.all())


async def test_nothing_is_counted_twice(where: Path, database_url: str) -> None:
    async with office(database_url, where) as here:
        first = await here.deliver(title="OTP error", event_id="e1")
        second = await here.deliver(title="OTP error", event_id="e2")
        await here.decision(second)
        before = await here.responder.store.read(counted)
        for delivery in (first, second, first):
            again = await replayed(here, delivery)
            assert (again.outcome, again.area, again.count) == ("counted", "auth", 2)
        assert await here.responder.store.read(counted) == before
        third = await here.decided(title="OTP error", event_id="e3")
        assert (third.outcome, third.count) == ("opened", 3), "the replays are not among them"


async def test_an_open_incident_has_not_one_alert_more(where: Path, database_url: str) -> None:
    async with office(database_url, where) as here:
        delivery = await here.deliver(title="credit failure", users=3)
        opened = await here.decision(delivery)
        incident = opened.incident_id
        assert incident is not None
        again = await replayed(here, delivery)
        assert (again.outcome, again.incident_id) == ("joined", incident)
        (row,) = await here.incidents()
        assert row.alerts == 1
        ((_, text),) = await here.told(incident, "replayed")
        assert text.startswith(f"Delivery {delivery} replayed: credit failure (")
        assert len(await here.told(incident, "run")) == 1, "nothing started anew"


async def test_a_replay_that_opens_an_incident_asks_before_each_effect(
    where: Path, database_url: str
) -> None:
    async with office(database_url, where) as here:
        desk = here.responder.desk
        delivery = await here.deliver(title="credit failure")
        first = (await here.decision(delivery)).incident_id
        assert first is not None
        await here.step_in(first, "stop", "succeeded")
        await desk.release("tips", ANN, "checked", first)
        await desk.resolve(first, ANN)
        again = await replayed(here, delivery)
        assert again.outcome == "opened"
        assert again.incident_id not in (None, first)
        assert again.incident_id is not None
        run = await here.run_in(again.incident_id, "blocked", "waiting")
        assert run.mode == "ask"
        stop = await here.step_in(again.incident_id, "stop", "waiting")
        assert stop.asks_approval
        assert (await here.switch()).state == "running"


@pytest.mark.parametrize(
    "alert",
    [
        {"title": "credit failure"},
        {"signal": "test", "title": "credit failure"},
        {"signal": "unknown"},
        {"raise": "broken"},
    ],
    ids=str,
)
async def test_any_delivery_can_be_replayed_and_so_can_its_replay(
    alert: dict[str, str], where: Path, tmp_path: Path
) -> None:
    async with office(f"sqlite:///{tmp_path / 'r.db'}", where) as here:
        delivery = await here.deliver(**alert)
        before = await here.decision(delivery)
        again = await replayed(here, delivery)
        once_more = await replayed(here, again.delivery_id)
        for decision in (again, once_more):
            row = await here.responder.store.read(
                lambda s, number=decision.delivery_id: s.get_one(Delivery, number)  # type: ignore[misc]
            )
            assert (row.origin, row.resource) == ("replay", "alert")
            same = {before.outcome, "joined" if before.outcome == "opened" else before.outcome}
            assert decision.outcome in same
        assert row.replay_of == again.delivery_id


async def test_figures_that_are_replayed_are_not_added(where: Path, database_url: str) -> None:
    async with office(database_url, where) as here:
        body = b'{"area": "auth", "attempts": 30, "failures": 3}'
        here.responder.sources["plain"] = here.responder.sources["outcomes"]
        delivery = await here.store(body, "area")
        assert (await here.decision(delivery)).outcome == "measured"
        assert (await replayed(here, delivery)).outcome == "measured"

        def figures(session: Session) -> tuple[list[int], int]:
            rows = session.exec(select(OutcomeCount)).all()
            return [row.attempts for row in rows], len(session.exec(select(Measurement)).all())

        assert await here.responder.store.read(figures) == ([30], 0)
