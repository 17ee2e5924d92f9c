"""What the database has counted is what the rules count in memory, whatever happens between."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from responder.classify.history import History
from responder.classify.thresholds import minute_of
from responder.classify.verdict import Arrival, judge, place
from responder.receive.source import json_object
from responder.store.tables import AlertCount, Decision, Delivery, Incident, OutcomeCount
from tests.in_process import ANN, Office, PlainSource, folder, office

AREAS = """
areas:
  credits:
    title: Credits
    severity: critical
    messages: [credit failure]
    threshold: { any: true }
  auth:
    title: Authentication
    severity: high
    messages: [OTP error]
    threshold:
      - { more_than: 4, per: 10m }
      - { failure_rate: 20%, per: 5m, at_least: 10 }
    first_seen: tell
    families:
      codes:
        title: Codes
        messages: [OTP error code]
        severity: medium
        warn: { more_than: 2, per: 5m }
        critical: { more_than: 3, per: 5m }
  default:
    title: Everything else
    severity: medium
    threshold: { more_than: 6, per: 1h }
    first_seen: open
"""
NOISE = "ignore: { network: { messages: [NetworkError] } }\n"
NOW = datetime.now(UTC).replace(microsecond=0)
Counts = dict[tuple[str, str, int], object]


@pytest.fixture
def where(tmp_path: Path) -> Path:
    return folder(tmp_path / "p", areas=AREAS, noise=NOISE)


def counted(session: Session) -> Counts:
    """Alerts that are not settled, by counter, environment and minute."""
    return {
        (row.counter, row.environment, minute_of(row.minute)): row.alerts - row.settled
        for row in session.exec(select(AlertCount))
        if row.alerts != row.settled
    }


def tried(session: Session) -> Counts:
    """Attempts and failures that are not settled."""
    return {
        (row.area, row.environment, minute_of(row.minute)): (
            row.attempts - row.settled_attempts,
            row.failures - row.settled_failures,
        )
        for row in session.exec(select(OutcomeCount))
        if (row.attempts, row.failures) != (row.settled_attempts, row.settled_failures)
    }


def flat(counts: dict[tuple[str, str], dict[int, Any]]) -> Counts:
    return {
        (*counter, minute): value
        for counter, minutes in counts.items()
        for minute, value in minutes.items()
        if value not in (0, (0, 0))
    }


def some_delivery(chance: random.Random) -> dict[str, Any]:
    """One of the ways in which one of a few events is told, or figures."""
    if chance.random() < 0.15:
        area = chance.choice(["auth", "auth", "default", "nowhere"])
        measure = {"area": area, "attempts": chance.randint(0, 9), "failures": chance.randint(0, 2)}
        at = NOW - timedelta(minutes=chance.randint(0, 12))
        return {"signal": "measured", "measure": measure, "occurred_at": at}
    number = chance.randrange(60)
    of_event = random.Random(number)  # what is so of the event, however it is told
    at = NOW - timedelta(minutes=of_event.randint(0, 20), milliseconds=number)
    title = of_event.choice(
        ["credit failure", "OTP error", "OTP error code 7", "OTP error", "NetworkError", "other"]
    )
    issue = {"issue_id": str(number % 15), "occurred_at": at}
    match chance.choice(["event", "event", "issue", "resolved", "own"]):
        case "event":
            environment = of_event.choice(["production", "production", "staging", ""])
            return issue | {"title": title, "event_id": f"e{number}", "environment": environment}
        case "issue":  # it may say less than its event
            words = title if number % 3 else "something"
            return issue | {"title": words, "first_seen": chance.random() < 0.5}
        case "resolved":
            return issue | {"title": title, "signal": "resolved"}
    return {"title": title, "occurred_at": at}


async def test_counts_and_decisions_are_those_of_memory(where: Path, database_url: str) -> None:
    """Deliveries in bursts, so in batches of any size, and now and then a resolve."""
    chance = random.Random(20260610)
    resolved: list[tuple[int, str, str]] = []  # after which delivery, and of which incident
    async with office(database_url, where) as here:
        here.responder.sources["plain"] = PlainSource()
        for _ in range(18):
            last = 0
            for _ in range(chance.randint(1, 12)):
                last = await here.deliver(**some_delivery(chance))
            await all_decided(here)
            for incident in await here.incidents():
                if incident.open_key is not None and chance.random() < 0.3:
                    assert incident.id is not None
                    await here.responder.desk.resolve(incident.id, ANN)
                    resolved.append((last, incident.area, incident.environment))
        read = here.responder.store.read
        deliveries = await read(
            lambda session: list(session.exec(select(Delivery).order_by(col(Delivery.id))))
        )
        decisions = await read(
            lambda session: {row.delivery_id: row for row in session.exec(select(Decision))}
        )
        history, rules = History(), here.responder.configuration.rules
        for delivery in deliveries:
            alert = PlainSource().normalise(delivery.resource, json_object(delivery.body))
            arrival = Arrival(delivery.received_at)
            verdict = judge(alert, place(alert, rules), arrival, history, rules)
            decision = decisions[delivery.id or 0]
            assert (verdict.outcome, verdict.count, verdict.threshold) == (
                decision.outcome,
                decision.count,
                decision.threshold,
            )
            for after, area, environment in resolved:
                if after == delivery.id:
                    (one,) = (i for i in history.open[area] if i.environment == environment)
                    history.resolve(one)
        assert len(resolved) > 4
        assert {"opened", "joined", "counted", "same_event", "first_seen", "suppressed"} < {
            decision.outcome for decision in decisions.values()
        }
        assert any((row.explanation or {}).get("counted_in") for row in decisions.values())
        assert await read(counted) == flat(history.alerts)
        assert await read(tried) == flat(history.outcomes)


async def all_decided(here: Office) -> None:
    def waiting(session: Session) -> int:
        return len(session.exec(select(Delivery).where(col(Delivery.decided_at).is_(None))).all())

    await here.until(waiting, lambda number: number == 0)


async def test_an_issue_put_elsewhere_does_not_hide_its_event(
    where: Path, database_url: str
) -> None:
    """It opened an incident of its own; the event is about credits, and counts there alone."""
    event: dict[str, Any] = {"issue_id": "4", "occurred_at": NOW}
    async with office(database_url, where) as here:
        issue = await here.decided("issue", title="something", first_seen=True, **event)
        assert (issue.outcome, issue.area) == ("opened", "default")
        told = event | {"title": "credit failure", "event_id": "e", "environment": "production"}
        first = await here.decided(**told)
        assert (first.outcome, first.area, first.count) == ("opened", "credits", 1)
        assert (await here.decided("error", **told)).outcome == "same_event"
        assert list(await here.responder.store.read(counted)) == [
            ("credits", "production", minute_of(NOW))
        ]


async def test_a_new_issue_is_put_where_its_event_was(where: Path, database_url: str) -> None:
    event: dict[str, Any] = {"issue_id": "4", "occurred_at": NOW}
    async with office(database_url, where) as here:
        told = event | {"event_id": "e", "environment": "production"}
        assert (await here.decided(title="OTP error", **told)).outcome == "counted"
        issue = await here.decided("issue", title="something", first_seen=True, **event)
        assert (issue.outcome, issue.area, issue.count) == ("first_seen", "auth", None)
        other: dict[str, Any] = {"issue_id": "5", "occurred_at": NOW}
        told = other | {"event_id": "f", "environment": "production"}
        assert (await here.decided(title="other", **told)).outcome == "counted"
        issue = await here.decided("issue", title="other", first_seen=True, **other)
        assert (issue.outcome, issue.area) == ("opened", "default")
        (incident,) = await here.incidents()
        assert (incident.environment, incident.alerts) == ("production", 1)
        again = await here.decided("issue", title="other", first_seen=True, **other)
        assert (again.outcome, again.incident_id) == ("same_event", incident.id)


async def test_the_eleventh_told_first_by_its_issue_is_the_eleventh(
    where: Path, database_url: str
) -> None:
    """An issue names no environment, so it waits under none; its event takes it along."""
    async with office(database_url, where) as here:
        for number in range(4):
            await here.deliver(
                title="OTP error", event_id=f"e{number}", environment="production", occurred_at=NOW
            )
        told: dict[str, Any] = {"title": "OTP error", "issue_id": "4", "occurred_at": NOW}
        issue = await here.decided("issue", **told)
        assert (issue.outcome, issue.count) == ("counted", 1)
        event = await here.decided(event_id="e4", environment="production", **told)
        assert (event.outcome, event.count) == ("opened", 5)
        assert await here.responder.store.read(counted) == {
            ("auth", "production", minute_of(NOW)): 5
        }


async def test_what_another_environment_counted_is_not_settled(
    where: Path, database_url: str
) -> None:
    """Staging is at its limit when production's incident is resolved, and stays there."""
    async with office(database_url, where) as here:
        for environment, number in (("staging", 4), ("production", 5)):
            for _ in range(number):
                last = await here.decided(title="OTP error", environment=environment)
        assert last.outcome == "opened"
        joined = await here.decided(title="OTP error")  # of no environment: it is in there
        assert (joined.outcome, joined.incident_id) == ("joined", last.incident_id)
        assert last.incident_id is not None
        await here.responder.desk.resolve(last.incident_id, ANN)
        assert {key[1] for key in await here.responder.store.read(counted)} == {"staging"}
        after = await here.decided(title="OTP error", environment="staging")
        assert (after.outcome, after.count) == ("opened", 5)
        assert (await here.decided(title="OTP error", environment="production")).count == 1


async def test_an_issue_may_be_in_two_incidents(where: Path, database_url: str) -> None:
    """It is found in each, not only in the newer one."""
    async with office(database_url, where) as here:
        for title in ("credit failure", "other"):
            await here.decided(
                title=title, issue_id="4", environment="staging", first_seen=title == "other"
            )
        credits, other = await here.incidents()
        again = await here.decided(title="credit failure", issue_id="4", environment="preview")
        assert (again.outcome, again.incident_id) == ("joined", credits.id)
        again = await here.decided(title="other", issue_id="4", environment="preview")
        assert (again.outcome, again.incident_id) == ("joined", other.id)


async def test_figures_of_an_unknown_area_are_kept_and_counted_nowhere(
    where: Path, database_url: str
) -> None:
    async with office(database_url, where) as here:
        measure = {"area": "nowhere", "attempts": 100, "failures": 100}
        decision = await here.decided(signal="measured", measure=measure)
        assert decision.outcome == "kept"
        assert "there is no area nowhere; there are: credits, auth, default" in decision.reason
        assert await here.responder.store.read(tried) == {}


async def test_figures_in_maintenance_are_not_counted(tmp_path: Path, database_url: str) -> None:
    until = (NOW - timedelta(minutes=2)).isoformat()
    noise = f"maintenance: {{ m: {{ from: 2020-01-01T00:00:00Z, until: '{until}' }} }}\n"
    where = folder(tmp_path / "p", areas=AREAS, noise=noise)
    async with office(database_url, where) as here:

        async def figures(failures: int, ago: int) -> str:
            measure = {"area": "auth", "attempts": 10, "failures": failures}
            at = NOW - timedelta(minutes=ago)
            done = await here.decided(signal="measured", measure=measure, occurred_at=at)
            return done.outcome

        assert await figures(10, 3) == "suppressed"
        assert await figures(1, 1) == "measured"
        assert await figures(9, 0) == "opened"


async def test_an_alert_from_long_ago_counts_in_its_own_time(
    where: Path, database_url: str
) -> None:
    """Beside those of now in one batch, and later with its neighbours."""
    long_ago = datetime(2020, 1, 1, tzinfo=UTC) - timedelta(seconds=1)  # New Year
    async with office(database_url, where) as here:
        for number in range(8):
            at = long_ago if number % 2 else NOW
            await here.deliver(title="OTP error", occurred_at=at)
        late = await here.decided(title="OTP error", occurred_at=long_ago + timedelta(seconds=1))
        assert (late.outcome, late.count) == ("opened", 5)
        opened = await here.responder.store.read(lambda s: s.exec(select(Incident)).one())
        assert opened.first_alert_at == long_ago + timedelta(seconds=1)
