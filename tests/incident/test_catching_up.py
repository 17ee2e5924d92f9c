"""What webhooks did not tell is fetched from Sentry's API, once, and acted on if it is fresh."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from responder.clock.catching_up import CatchingUp
from responder.metrics import registry
from responder.receive.intake import Incoming
from responder.store.tables import Decision, Delivery
from tests.in_process import Office, folder, office
from tests.incident.test_enquiries import AREAS, HOLD
from tests.receive.samples import payload
from tests.receive.test_sentry_rest import EVENT
from tests.sentry_office import ISSUE, connected, deliver
from tests.stand_ins.process import SentryStandIn


def event(*, minutes_ago: float = 0, number: int = 1) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return EVENT | {"eventID": f"{number:032x}", "dateCreated": at.isoformat()}


def seen(sentry: SentryStandIn, issue: str = ISSUE, *, minutes_ago: float = 0) -> None:
    """Sentry has an issue with an event of that age."""
    at = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat()
    sentry.issue(issue, lastSeen=at, firstSeen="2026-01-01T00:00:00Z")
    sentry.event(issue, event(minutes_ago=minutes_ago, number=int(issue)))


def playbooks(tmp_path: Path) -> Path:
    return folder(tmp_path / "p", areas=AREAS, credits=HOLD.format(mode="act"))


async def reconciled(here: Office, count: int) -> list[tuple[Delivery, Decision]]:
    """The deliveries that were fetched, decided, once there are so many."""

    def look(session: Session) -> list[tuple[Delivery, Decision]]:
        rows = select(Delivery, Decision).join(Decision).where(Delivery.origin == "reconciled")
        return list(session.exec(rows.order_by(col(Delivery.id))).all())

    return await here.until(look, lambda found: len(found) == count)


def look_again(here: Office) -> CatchingUp:
    """Another replica, or the next round after a restart."""
    responder = here.responder
    assert responder.sentry is not None
    return CatchingUp(responder.store, responder.sentry, responder.intake, now=responder.now)


async def test_what_came_while_the_service_was_down_acts_if_it_is_fresh(
    tmp_path: Path, sentry: SentryStandIn, database_url: str
) -> None:
    seen(sentry, minutes_ago=3)
    before = registry.get_sample_value("responder_reconciled_total") or 0
    async with connected(sentry, playbooks(tmp_path), database_url) as here:
        ((delivery, decision),) = await reconciled(here, 1)
        assert (decision.outcome, decision.area) == ("opened", "credits")
        assert (delivery.resource, delivery.source) == ("reconciled", "sentry")
        assert decision.incident_id is not None
        await here.step_in(decision.incident_id, "stop", "succeeded")
        assert (await here.switch()).confirmed
        await look_again(here).look()
        await reconciled(here, 1)
    assert registry.get_sample_value("responder_reconciled_total") == before + 1


async def test_an_old_one_only_asks(tmp_path: Path, sentry: SentryStandIn) -> None:
    seen(sentry, minutes_ago=40)
    async with connected(sentry, playbooks(tmp_path), f"sqlite:///{tmp_path / 'r.db'}") as here:
        ((_, decision),) = await reconciled(here, 1)
        assert decision.incident_id is not None
        await here.step_in(decision.incident_id, "stop", "waiting")
        assert (await here.switch()).holds == []


async def test_a_webhook_that_comes_after_all_counts_for_nothing(
    tmp_path: Path, sentry: SentryStandIn
) -> None:
    seen(sentry)
    async with connected(sentry, playbooks(tmp_path), f"sqlite:///{tmp_path / 'r.db'}") as here:
        ((_, decision),) = await reconciled(here, 1)
        late = payload("event_alert")
        late["data"]["event"] |= {
            "event_id": f"{int(ISSUE):032x}",
            "datetime": datetime.now(UTC).isoformat(),
        }
        again = await deliver(here, "event_alert", late)
        assert (again.outcome, again.incident_id) == ("same_event", decision.incident_id)
        assert again.incident_id is not None
        assert (await here.incident(again.incident_id)).alerts == 1


async def test_what_a_webhook_told_is_not_fetched(tmp_path: Path, sentry: SentryStandIn) -> None:
    async with connected(sentry, playbooks(tmp_path), f"sqlite:///{tmp_path / 'r.db'}") as here:
        told = payload("event_alert")
        assert (await deliver(here, "event_alert", told)).issue_id == ISSUE
        seen(sentry)
        await look_again(here).look()
        assert sentry.calls("latest_event") == []
        # A comment tells of no trouble.
        comment = payload("comment")
        comment["data"]["issue_id"] = 77
        await deliver(here, "comment", comment)
        seen(sentry, "77")
        await look_again(here).look()
        ((_, decision),) = await reconciled(here, 1)
        assert decision.issue_id == "77"


async def test_an_issue_without_its_event_is_taken_in_by_itself(
    tmp_path: Path, sentry: SentryStandIn
) -> None:
    sentry.issue(ISSUE, culprit="lib/credits/tips", title="credit failure")
    async with connected(sentry, playbooks(tmp_path), f"sqlite:///{tmp_path / 'r.db'}") as here:
        ((_, decision),) = await reconciled(here, 1)
        assert (decision.area, decision.title, decision.event_id) == (
            "credits",
            "credit failure",
            None,
        )


async def test_a_limit_ends_the_round_and_the_next_one_finds_the_rest(
    tmp_path: Path, sentry: SentryStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, minutes in (("101", 3), ("102", 2), ("103", 1)):
        seen(sentry, number, minutes_ago=minutes)
    sentry.limit("latest_event", calls=2, seconds=60, retry_after=True)
    failed = _failed()
    async with connected(sentry, playbooks(tmp_path), f"sqlite:///{tmp_path / 'r.db'}") as here:
        found = await reconciled(here, 2)
        assert [decision.issue_id for _, decision in found] == ["101", "102"]
        await here.until(lambda _: _failed(), lambda count: count == failed + 1)
        sentry.limit("latest_event", calls=100, seconds=1)
        again = look_again(here)
        monkeypatch.setattr(here.responder.sentry, "_quiet_until", {})
        await again.look()
        assert again.trouble == ""
        assert [decision.issue_id for _, decision in await reconciled(here, 3)][2] == "103"


def _failed() -> float:
    labels = {"answer": "failed"}
    return registry.get_sample_value("responder_catch_ups_total", labels) or 0


async def test_how_far_back_it_looks(tmp_path: Path, sentry: SentryStandIn) -> None:
    database = f"sqlite:///{tmp_path / 'r.db'}"
    async with office(database, playbooks(tmp_path)) as here:
        await stored(here, timedelta(hours=5))
    async with connected(sentry, playbooks(tmp_path), database) as here:
        await here.until(lambda _: sentry.calls("issues"), bool)
        moment = datetime.now(UTC)
        assert here.responder.sentry is not None
        again = CatchingUp(
            here.responder.store,
            here.responder.sentry,
            here.responder.intake,
            now=lambda: moment,
        )
        await again.look()
        moment += timedelta(minutes=7)
        await again.look()
        sentry.fail("issues", "http", times=1)
        moment += timedelta(minutes=5)
        await again.look()
        assert "500" in again.trouble
        moment += timedelta(minutes=3)
        await again.look()
        moment += timedelta(days=2)
        await again.look()
        assert again.trouble == ""
    periods = [dict(call["query"])["statsPeriod"] for call in sentry.calls("issues")]
    assert periods[0] == periods[1] == "311m"  # five hours, ten minutes and what began since
    assert periods[2:] == ["17m", "15m", "18m", "1440m"]
    first = dict(sentry.calls("issues")[0]["query"])
    assert first["query"] == "is:unresolved lastSeen:-311m"


async def test_a_first_start_looks_two_hours_back(tmp_path: Path, sentry: SentryStandIn) -> None:
    seen(sentry, "101", minutes_ago=130)
    async with connected(sentry, playbooks(tmp_path), f"sqlite:///{tmp_path / 'r.db'}") as here:
        await here.until(lambda _: sentry.calls("issues"), bool)
        await look_again(here).look()
        await reconciled(here, 0)
    assert dict(sentry.calls("issues")[0]["query"])["statsPeriod"] == "120m"


async def stored(here: Office, age: timedelta) -> None:
    """A webhook came so long ago."""
    incoming = Incoming(
        source="sentry",
        resource="installation",
        action="created",
        key="an-old-one",
        headers={},
        body=json.dumps(payload("installation")).encode(),
        received_at=datetime.now(UTC) - age,
    )
    await here.decision((await here.responder.intake.take(incoming)).id)
