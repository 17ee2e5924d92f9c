"""A delivery that nobody decides about is found and told of, and whoever decides is woken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlmodel import Session, delete
from structlog.testing import capture_logs

from responder.store.tables import Decision
from tests.in_process import Office, folder, office
from tests.web.inside import Inside, inside

SOON = {"decide_within_seconds": 1}


@pytest.fixture
async def here(tmp_path: Path, database_url: str) -> AsyncIterator[Office]:
    async with office(database_url, folder(tmp_path / "p"), more=SOON) as running:
        yield running


@pytest.fixture
async def visitor(here: Office) -> AsyncIterator[Inside]:
    async with inside(here.responder) as someone:
        yield someone


async def gauge(visitor: Inside, name: str) -> float:
    lines = (await visitor.get("/metrics")).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"responder_{name} "))


async def not_ready(visitor: Inside, deliveries: str) -> str:
    """What /readyz complains of, once it does about so many deliveries."""
    said = ""
    for _ in range(100):
        answer = await visitor.get("/readyz")
        said = str(answer.json().get("detail", "it is ready"))
        if answer.status_code == 503 and said.startswith(deliveries):
            return said
        await asyncio.sleep(0.05)
    raise AssertionError(said)


async def ready(visitor: Inside) -> None:
    for _ in range(100):
        if (await visitor.get("/readyz")).status_code == 200:
            return
        await asyncio.sleep(0.05)
    raise AssertionError((await visitor.get("/readyz")).text)


async def test_what_waits_because_the_journey_fails_is_told_and_taken_up_again(
    here: Office, visitor: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    journey = here.responder.journey
    woken: list[int] = []

    async def fails() -> int:
        woken.append(1)
        raise RuntimeError("it broke")

    with capture_logs() as logs, monkeypatch.context() as broken:
        broken.setattr(journey, "_batch", fails)
        delivery = await here.deliver(title="credit failure")
        assert (await visitor.get("/readyz")).status_code == 200, "it is not late yet"
        assert await not_ready(visitor, "1 ") == (
            "1 delivery waits for a decision for more than 1 s"
        )
        assert await gauge(visitor, "deliveries_overdue") == 1
        before = len(woken)
        await here.responder.auditor.audit()
        await here.until(lambda _: len(woken), lambda times: times > before, seconds=0.9)
    told = [line for line in logs if line["event"] == "deliveries.overdue"]
    assert told
    assert told[0]["log_level"] == "error"
    assert (told[0]["count"], told[0]["first"]) == (1, delivery)

    assert (await here.decision(delivery)).outcome == "opened"
    await ready(visitor)
    assert await gauge(visitor, "deliveries_overdue") == 0


async def test_what_waits_because_the_journey_hangs_is_told(
    here: Office, visitor: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()
    batch = here.responder.journey._batch

    async def hangs() -> int:
        await go_on.wait()
        return await batch()

    monkeypatch.setattr(here.responder.journey, "_batch", hangs)
    delivery = await here.deliver(title="credit failure")
    await here.deliver(title="another")
    assert "2 deliveries wait" in await not_ready(visitor, "2 ")
    listed = await visitor.json("/deliveries?outcome=undecided")
    assert [item["id"] for item in listed["items"]] == [delivery + 1, delivery]
    go_on.set()
    assert (await here.decision(delivery)).outcome == "opened"
    await ready(visitor)


async def test_a_decision_that_is_missing_is_found(here: Office, visitor: Inside) -> None:
    auditor = here.responder.auditor
    kept = await here.decided(title="one")
    lost = await here.decided(title="two")
    await auditor.audit()
    assert await gauge(visitor, "deliveries_without_decision") == 0

    def lose(session: Session) -> None:
        session.execute(delete(Decision).where(Decision.delivery_id == lost.delivery_id))  # type: ignore[arg-type]

    await here.responder.store.write(lose)
    with capture_logs() as logs:
        await auditor.audit()
        await auditor.audit()
    told = [line for line in logs if line["event"] == "deliveries.without_decision"]
    assert [line["deliveries"] for line in told] == [[lost.delivery_id]], "and once"
    assert await gauge(visitor, "deliveries_without_decision") == 1
    page = await visitor.get(f"/deliveries/{lost.delivery_id}")
    assert "no decision is recorded" in page.text
    assert (
        "no decision is recorded" not in (await visitor.get(f"/deliveries/{kept.delivery_id}")).text
    )
