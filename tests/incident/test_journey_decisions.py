"""Every delivery reaches exactly one decision, and the decision says what was done with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, func, select

from responder.store.tables import Decision, Delivery
from tests.in_process import DEFAULT_AREAS, Office, folder, office

AUTH = """
  auth:
    title: Authentication
    severity: high
    messages: [OTP error]
    metric_rules: [sign-in]
    environments: [production, ""]
    threshold: { more_than: 10, per: 1h }
"""
CREDITS = (
    "playbook: credits\ntitle: C\narea: credits\nsteps:\n  - { id: a, action: chat.incident }\n"
)


@pytest.fixture
def where(tmp_path: Path) -> Path:
    return folder(tmp_path / "p", areas=DEFAULT_AREAS + AUTH, credits=CREDITS)


async def exactly_one_each(here: Office) -> None:
    """Every delivery is decided, once, when its row says so."""

    def look(session: Session) -> tuple[int, int, int]:
        def count(query: object) -> int:
            return session.exec(query).one()  # type: ignore[call-overload, no-any-return]

        return (
            count(select(func.count()).select_from(Delivery)),
            count(select(func.count()).select_from(Decision)),
            count(select(func.count(Delivery.decided_at))),  # type: ignore[arg-type]
        )

    await here.until(look, lambda counts: len(set(counts)) == 1)


async def test_a_breach_opens_and_the_next_alert_joins(where: Path, database_url: str) -> None:
    async with office(database_url, where) as here:
        first = await here.decided(title="credit failure", culprit="POST /api/tip")
        assert (first.outcome, first.area, first.count) == ("opened", "credits", 1)
        assert first.threshold
        second = await here.decided(title="credit failure", users=7)
        assert (second.outcome, second.count) == ("joined", 2)
        assert second.incident_id == first.incident_id
        (incident,) = await here.incidents()
        assert (incident.alerts, incident.users, incident.severity) == (2, 7, "critical")
        assert first.incident_id is not None
        kinds = [entry.kind for entry in await here.timeline(first.incident_id)]
        assert kinds.count("opened") == 1
        assert kinds.count("run") == 1  # the second alert starts nothing
        await exactly_one_each(here)


async def test_each_environment_has_an_incident_of_its_own(where: Path, database_url: str) -> None:
    async with office(database_url, where) as here:
        outcomes = [
            (await here.decided(title="credit failure", environment=environment)).outcome
            for environment in ("production", "staging", "production")
        ]
        assert outcomes == ["opened", "opened", "joined"]


async def test_ten_sign_in_failures_are_counted_and_the_eleventh_opens(
    where: Path, database_url: str
) -> None:
    async with office(database_url, where) as here:
        for number in range(1, 11):
            decision = await here.decided(title="Verify OTP error")
            assert (decision.outcome, decision.count) == ("counted", number)
            assert decision.threshold == "more than 10 in 1 hour"
        assert await here.incidents() == []
        decision = await here.decided(title="Verify OTP error")
        assert (decision.outcome, decision.count) == ("opened", 11)
        assert (await here.decided(title="Verify OTP error")).outcome == "joined"
        await exactly_one_each(here)


async def test_alerts_count_in_the_minute_they_happened_in(where: Path, database_url: str) -> None:
    """Late ones add up with their neighbours, and not with those of now."""
    async with office(database_url, where) as here:
        old = datetime.now(UTC) - timedelta(hours=2)
        for number in range(1, 11):
            decision = await here.decided(title="OTP error", occurred_at=old)
            assert (decision.outcome, decision.count) == ("counted", number)
        assert (await here.decided(title="OTP error")).count == 1
        late = await here.decided(title="OTP error", occurred_at=old - timedelta(minutes=50))
        assert (late.outcome, late.count) == ("opened", 11)


async def test_a_time_to_come_counts_as_now(where: Path, database_url: str) -> None:
    async with office(database_url, where) as here:
        later = datetime.now(UTC) + timedelta(days=3)
        await here.decided(title="OTP error", occurred_at=later)
        assert (await here.decided(title="OTP error")).count == 2


async def test_while_an_incident_is_open_alerts_join_below_the_threshold_too(
    where: Path, database_url: str
) -> None:
    async with office(database_url, where) as here:
        measured = await here.decided(metric=METRIC, title="sign-in failures")
        assert measured.outcome == "opened"
        assert (await here.decided(title="OTP error")).outcome == "joined"


METRIC = {
    "id": "7",
    "rule": "sign-in failures",
    "query": "",
    "aggregate": "count()",
    "description": "",
}


async def test_a_metric_alert_opens_at_once(where: Path, database_url: str) -> None:
    """Sentry has compared it with a threshold of its own."""
    async with office(database_url, where) as here:
        decision = await here.decided(metric=METRIC, title="Critical: sign-in failures")
        assert (decision.outcome, decision.area, decision.count) == ("opened", "auth", None)
        assert decision.threshold == "Sentry's own"


async def test_a_test_notification_starts_nothing(where: Path, database_url: str) -> None:
    async with office(database_url, where) as here:
        decision = await here.decided(signal="test", title="credit failure")
        assert decision.outcome == "test"
        assert decision.count is None
        assert await here.incidents() == []


async def test_what_no_rule_knows_is_kept(where: Path, database_url: str) -> None:
    async with office(database_url, where) as here:
        decision = await here.decided("flux_capacitor", signal="unknown", title="credit failure")
        assert decision.outcome == "kept"
        assert "flux_capacitor triggered" in decision.reason
        assert await here.incidents() == []


@pytest.mark.parametrize("signal", ["resolved", "note"])
async def test_what_sentry_says_later_is_noted_on_the_timeline(
    signal: str, where: Path, database_url: str
) -> None:
    async with office(database_url, where) as here:
        stranger = await here.decided("issue", signal=signal, issue_id="99")
        assert (stranger.outcome, stranger.incident_id) == ("kept", None)
        first = await here.decided(title="credit failure", issue_id="4")
        assert first.incident_id is not None
        decision = await here.decided(
            "issue", signal=signal, action="archived", actor="Rosa", issue_id="4"
        )
        assert (decision.outcome, decision.incident_id) == ("noted", first.incident_id)
        assert ("responder", "Sentry: issue archived by Rosa") in (
            await here.told(first.incident_id, f"sentry-{signal}")
        )
        (incident,) = await here.incidents()
        assert incident.alerts == 1
        assert incident.state != "resolved"  # that is for people


async def test_one_event_through_two_rules_is_counted_once(where: Path, database_url: str) -> None:
    async with office(database_url, where) as here:
        first = await here.decided("event_alert", title="OTP error", event_id="e1")
        assert (first.outcome, first.count) == ("counted", 1)
        second = await here.decided("error", title="OTP error", event_id="e1")
        assert (second.outcome, second.count) == ("same_event", None)
        other = await here.decided("error", title="OTP error", event_id="e2")
        assert (other.outcome, other.count) == ("counted", 2)
        opened = await here.decided("event_alert", title="credit failure", event_id="e3")
        again = await here.decided("error", title="credit failure", event_id="e3")
        assert (again.outcome, again.incident_id) == ("same_event", opened.incident_id)
        (incident,) = await here.incidents()
        assert incident.alerts == 1


async def test_alerts_without_an_event_id_are_each_their_own(
    where: Path, database_url: str
) -> None:
    async with office(database_url, where) as here:
        counts = [(await here.decided(title="OTP error")).count for _ in range(3)]
        assert counts == [1, 2, 3]


async def test_another_environment_than_those_named_does_not_count(
    where: Path, database_url: str
) -> None:
    async with office(database_url, where) as here:
        decision = await here.decided(title="OTP error", environment="staging")
        assert (decision.outcome, decision.count) == ("other_environment", None)
        assert "only production" in decision.reason
        assert (await here.decided(title="OTP error", environment="production")).count == 1


async def test_a_body_nobody_understands_is_decided_so(where: Path, database_url: str) -> None:
    async with office(database_url, where) as here:
        decision = await here.decision(await here.store(b"[1"))
        assert decision.outcome == "not_understood"
        assert "line 1, column 3" in decision.reason


@pytest.mark.parametrize(
    "poison",
    [
        {"raise": "the rule broke"},
        {"title": "a\x00b"},  # text that PostgreSQL does not take
        {"title": "credit failure", "culprit": "\x00"},
        {"event_id": "\ud800"},  # text that is not Unicode
        {"environment": ["production"]},
        {"title": None, "message": "credit failure"},
        {"raise": "a\x00b\ud800"},  # and so is the error that tells of it
    ],
    ids=str,
)
async def test_a_delivery_that_breaks_us_is_decided_and_the_next_goes_on(
    poison: dict[str, Any], where: Path, database_url: str
) -> None:
    async with office(database_url, where) as here:
        bad = await here.deliver(**poison)
        good = await here.deliver(title="credit failure", environment="production")
        decision = await here.decision(bad)
        assert decision.outcome in ("failed", "counted", "opened")
        # With nobody knowing where, the first one's incident is the second's too.
        expected = "joined" if decision.outcome == "opened" else "opened"
        assert (await here.decision(good)).outcome == expected
        if "raise" in poison:
            assert decision.outcome == "failed"
            assert decision.reason.startswith("RuntimeError: ")
        await exactly_one_each(here)


async def test_an_incident_of_no_environment_takes_alerts_of_any(
    where: Path, database_url: str
) -> None:
    """An issue's webhook names none, and its trouble is that of the events that follow."""
    async with office(database_url, where) as here:
        first = await here.decided("issue", title="credit failure", issue_id="1")
        other = await here.decided(title="credit failure", issue_id="2", environment="production")
        assert (first.outcome, other.outcome) == ("opened", "joined")
        assert other.incident_id == first.incident_id


async def test_a_source_that_was_taken_away_fails_its_deliveries_only(
    where: Path, database_url: str
) -> None:
    async with office(database_url, where) as here:
        plain = here.responder.sources.pop("plain")
        bad = await here.deliver(title="credit failure")
        assert (await here.decision(bad)).outcome == "failed"
        here.responder.sources["plain"] = plain
        assert (await here.decided(title="credit failure")).outcome == "opened"


async def test_a_storm_is_one_incident_with_a_sampled_timeline(
    where: Path, database_url: str
) -> None:
    async with office(database_url, where) as here:
        deliveries = [await here.deliver(title="credit failure") for _ in range(120)]
        outcomes = [(await here.decision(delivery)).outcome for delivery in deliveries]
        assert outcomes == ["opened"] + ["joined"] * 119
        (incident,) = await here.incidents()
        assert incident.alerts == 120
        assert incident.id is not None
        lines = [text for _, text in await here.told(incident.id, "alert")]
        assert [int(line.split()[1].rstrip(":")) for line in lines] == [*range(2, 11), 100]
        await exactly_one_each(here)
