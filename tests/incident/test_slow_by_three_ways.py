"""A P95 above 3 s opens an incident, whichever way it becomes known; the shipped rules say so."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr
from sqlmodel import select

from responder.cli.events import metric_alert
from responder.receive.intake import Incoming
from responder.store.tables import Decision, Delivery, Measurement
from tests.in_process import ANN, Office, office
from tests.service import PLAYBOOKS
from tests.stand_ins.process import SentryStandIn


@pytest.fixture
async def here(tmp_path: Any) -> AsyncIterator[Office]:
    async with office(f"sqlite:///{tmp_path / 'responder.db'}", PLAYBOOKS) as running:
        yield running


async def take(here: Office, source: str, resource: str, payload: Any, origin: str) -> Decision:
    """What becomes of a delivery of a real source."""
    body = json.dumps(payload).encode()
    described = here.responder.sources[source].describe({"sentry-hook-resource": resource}, body)
    receipt = await here.responder.intake.take(
        Incoming(
            source=source,
            resource=described.resource,
            action=described.action,
            key=described.key,
            headers={},
            body=body,
            received_at=datetime.now(UTC),
            origin=origin,
        )
    )
    return await here.decision(receipt.id)


async def measured(here: Office) -> list[tuple[str, str, float]]:
    rows = await here.responder.store.read(
        lambda s: list(s.exec(select(Measurement).order_by(Measurement.id)))  # type: ignore[arg-type]
    )
    return [(row.objective, row.environment, row.value) for row in rows]


def slow(action: str = "critical", value: str = "3200.5") -> dict[str, Any]:
    words = f"{value} p95(span.duration)"
    payload = metric_alert(
        "P95 response time", "", "p95(span.duration)", words, now=datetime.now(UTC)
    )
    return payload | {"action": action}


async def test_by_a_metric_alert_in_sentry(here: Office) -> None:
    decision = await take(here, "sentry", "metric_alert", slow(), "webhook")
    assert (decision.outcome, decision.area) == ("opened", "performance")
    assert await measured(here) == [("api-response", "production", 3200.5)]


async def test_a_metric_alert_is_a_reading_whatever_it_says(here: Office) -> None:
    """Warnings and the end of it are readings too; a replay is not one more."""
    for action, value in (("warning", "2100"), ("critical", "3200.5"), ("resolved", "480")):
        await take(here, "sentry", "metric_alert", slow(action, value), "webhook")
    assert [value for _, _, value in await measured(here)] == [2100, 3200.5, 480]
    (first, *_) = await here.responder.store.read(lambda s: list(s.exec(select(Delivery))))
    assert first.id is not None
    await here.decision(await here.responder.desk.replay(first.id, ANN))
    assert len(await measured(here)) == 3


async def test_a_metric_alert_about_no_objective_measures_nothing(here: Office) -> None:
    words = "61 events"
    payload = metric_alert("Supabase errors", "", "count()", words, now=datetime.now(UTC))
    decision = await take(here, "sentry", "metric_alert", payload, "webhook")
    assert (decision.outcome, decision.area) == ("opened", "database")
    assert await measured(here) == []


async def test_by_a_value_that_was_posted(here: Office) -> None:
    value: dict[str, Any] = {"objective": "api-response", "environment": "production"}
    for figure, outcome in ((2900, "measured"), (3000, "measured"), (3200.5, "opened")):
        decision = await take(here, "outcomes", "", {**value, "value": figure}, "posted")
        assert (decision.outcome, decision.area) == (outcome, "performance")
    assert "p95 3.2 s, where the target is < 500ms" in decision.reason
    assert len(await measured(here)) == 3


async def test_by_asking_sentrys_api(sentry: SentryStandIn, tmp_path: Any) -> None:
    sentry.table("spans", [{"p95(span.duration)": 3200.5}], query="span.op:http.server")
    more = {
        "sentry_api_url": sentry.api_url,
        "sentry_api_token": SecretStr(sentry.token),
        "sentry_org": sentry.org,
    }
    async with office(f"sqlite:///{tmp_path / 'responder.db'}", PLAYBOOKS, more=more) as here:
        await here.until(
            lambda session: list(session.exec(select(Delivery).where(Delivery.decided_at != None))),  # noqa: E711
            lambda rows: len(rows) == 3,
        )
        (incident,) = await here.incidents()
        assert incident.area == "performance"
        assert set(await measured(here)) == {("api-response", "", 3200.5)}
