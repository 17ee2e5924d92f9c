"""Sentry is asked about an incident after containment, again and again while it is open."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from responder.clock import enquiries
from responder.store.tables import ChatMessage, Incident, IncidentContext, PostMortem
from responder.web import around, schema
from tests.in_process import ANN, Office, folder, office
from tests.receive.samples import payload
from tests.receive.test_sentry_rest import EVENT
from tests.sentry_office import ISSUE, connected, deliver
from tests.stand_ins.process import SentryStandIn

HOLD = """
playbook: credits
title: Credits
area: credits
mode: {mode}
steps:
  - id: stop
    action: switch.hold
    switch: tips
    reason: credit failure
  - id: go
    action: switch.release
    switch: tips
    approval: {{ by: responders }}
"""
AREAS = """
areas:
  credits: { title: Credits, severity: critical, paths: [lib/credits/**], threshold: { any: true } }
  default: { title: Everything else, severity: medium, threshold: { any: true } }
"""
REPLAY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enquiries, "LOOK", 0.05)
    monkeypatch.setattr(enquiries, "FIRST_WAIT", timedelta(milliseconds=50))


def here(tmp_path: Path, **files: str) -> tuple[Path, str]:
    return folder(tmp_path / "p", areas=AREAS, **files), f"sqlite:///{tmp_path / 'r.db'}"


def known(sentry: SentryStandIn, issue: str, **fields: Any) -> None:
    """Sentry has the issue; seen so long ago that nobody takes its webhook for lost."""
    sentry.issue(issue, lastSeen="2026-01-01T00:00:00Z", **fields)


async def opened(office: Office, resource: str = "event_alert", name: str = "") -> int:
    alert = payload(name or resource)
    if "event" in alert["data"]:
        alert["data"]["event"]["datetime"] = datetime.now(UTC).isoformat()
    decision = await deliver(office, resource, alert)
    assert decision.incident_id is not None, decision
    return decision.incident_id


async def context(office: Office, incident: int, good: Any) -> schema.IncidentContext:
    """The incident's context, once it is good."""

    def look(session: Session) -> schema.IncidentContext:
        row = session.get_one(Incident, incident)
        return around.context(session, row)

    return await office.until(look, good)


def asked(found: schema.IncidentContext) -> bool:
    return found.sentry is not None


async def test_without_a_token_the_alert_alone_tells(tmp_path: Path) -> None:
    playbooks, database = here(tmp_path)
    async with office(database, playbooks) as responder:
        incident = await opened(responder)
        found = await context(responder, incident, lambda found: found.event is not None)
        assert found.event is not None
        assert found.event.frames[0].file == "lib/credits/service.ts"
        assert (found.sentry, found.fetched_at, found.trouble) == (None, None, None)
        due = await row(responder, incident, lambda row: row.due_at is None)
        assert due.attempts == 0
        assert (await responder.incident(incident)).context == found


async def test_with_a_token_sentry_tells_the_rest(
    tmp_path: Path, sentry: SentryStandIn, database_url: str
) -> None:
    known(sentry, ISSUE, count="345", userCount=12, lastRelease={"version": "kulti@1.8.2"})
    event_id = payload("event_alert")["data"]["event"]["event_id"]
    commit = {"id": "abcdef0123456789", "message": "Tip twice\n\nmore"}
    author = {"name": "Rosa Okafor", "email": "rosa@kulti.example"}
    sentry.committers(event_id, [{"author": author, "commits": [commit]}])
    sentry.replays(ISSUE, [REPLAY])
    playbooks, _ = here(tmp_path)
    async with connected(sentry, playbooks, database_url) as responder:
        incident = await opened(responder)
        found = await context(responder, incident, asked)
        assert found.sentry is not None
        (issue,) = found.sentry.issues
        assert (issue.users, issue.events, issue.last_release) == (12, 345, "kulti@1.8.2")
        assert [(one.author, one.subject) for one in issue.commits or ()] == [
            ("Rosa Okafor", "Tip twice")
        ]
        assert [one.id for one in issue.replays or ()] == [REPLAY]
        assert found.sentry.event is None  # the alert came with one
        assert found.trouble is None
        detail = await responder.incident(incident)
        assert (detail.users, detail.context.fetched_at) == (12, found.fetched_at)
        assert "rosa@" not in detail.model_dump_json()
        due = (await row(responder, incident, bool)).due_at
        assert due is not None
        assert timedelta(minutes=4) < due - datetime.now(UTC) <= enquiries.REFRESH


async def test_an_alert_without_an_event_gets_the_latest(
    tmp_path: Path, sentry: SentryStandIn
) -> None:
    alert = payload("issue.created")
    issue_id = alert["data"]["issue"]["id"]
    known(sentry, issue_id)
    playbooks, database = here(tmp_path)
    async with connected(sentry, playbooks, database) as responder:
        incident = await opened(responder, "issue", "issue.created")
        found = await context(responder, incident, lambda found: found.trouble)
        assert "read an event" in (found.trouble or "")  # Sentry has it not yet
        sentry.event(issue_id, EVENT)
        found = await context(responder, incident, lambda f: f.sentry and f.sentry.event)
        assert found.sentry is not None
        assert found.sentry.event is not None
        assert found.sentry.event.frames[0].file == "lib/credits/service.ts"
        assert found.trouble is None


@pytest.mark.parametrize("fault", ["hang", "http"])
async def test_a_pause_is_confirmed_before_sentry_is_asked_anything(
    tmp_path: Path, sentry: SentryStandIn, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    known(sentry, ISSUE)
    for endpoint in ("issue", "committers", "replays"):
        sentry.fail(endpoint, fault, times=100, status=503)
    playbooks, database = here(tmp_path, credits=HOLD.format(mode="act"))
    async with connected(sentry, playbooks, database) as responder:
        # Slower than any look for what is due, so that asking too early would show.
        board = responder.responder.switches
        hold = board.hold

        async def slowly(*args: Any, **more: Any) -> Any:
            await asyncio.sleep(0.5)
            return await hold(*args, **more)

        monkeypatch.setattr(board, "hold", slowly)
        before = time.monotonic()
        incident = await opened(responder)
        step = await responder.step_in(incident, "stop", "succeeded")
        took = time.monotonic() - before
        await responder.until(lambda _: sentry.calls("issue"), bool)
        assert step.finished_at is not None
        assert sentry.calls("issue")[0]["at"] >= step.finished_at.timestamp()
        assert took < 3
        assert (await responder.switch()).confirmed


async def test_a_hold_that_waits_for_people_keeps_nobody_from_asking(
    tmp_path: Path, sentry: SentryStandIn
) -> None:
    known(sentry, ISSUE)
    playbooks, database = here(tmp_path, credits=HOLD.format(mode="ask"))
    async with connected(sentry, playbooks, database) as responder:
        incident = await opened(responder)
        await context(responder, incident, asked)
        step = await responder.step_in(incident, "stop", "waiting")
        assert step.finished_at is None


async def test_what_is_denied_is_told_and_the_rest_is_shown(
    tmp_path: Path, sentry: SentryStandIn
) -> None:
    known(sentry, ISSUE, userCount=3)
    sentry.fail("committers", "http", times=1, status=403)
    playbooks, database = here(tmp_path)
    async with connected(sentry, playbooks, database) as responder:
        incident = await opened(responder)
        found = await context(responder, incident, lambda found: found.trouble)
        assert "lacks the permission Project: Read" in (found.trouble or "")
        assert found.sentry is not None
        assert found.sentry.issues[0].users == 3
        await context(responder, incident, lambda found: not found.trouble)  # asked again


async def test_a_rate_limit_is_waited_for(tmp_path: Path, sentry: SentryStandIn) -> None:
    known(sentry, ISSUE)
    sentry.limit("issue", calls=0, seconds=120, retry_after=True)
    playbooks, database = here(tmp_path)
    async with connected(sentry, playbooks, database) as responder:
        incident = await opened(responder)
        found = await row(responder, incident, lambda row: row.error)
        assert found.due_at is not None
        assert found.due_at - datetime.now(UTC) > timedelta(seconds=100)
        assert len(sentry.calls("issue")) == 1


async def test_an_issue_that_is_gone_is_asked_for_a_few_times_only(
    tmp_path: Path, sentry: SentryStandIn
) -> None:
    playbooks, database = here(tmp_path)
    async with connected(sentry, playbooks, database) as responder:
        incident = await opened(responder)
        found = await row(responder, incident, lambda row: row.due_at is None)
        assert found.attempts == enquiries.NOT_THERE
        assert "404" in (found.error or "")
        assert found.sentry is None


async def test_after_a_day_in_vain_it_gives_up(tmp_path: Path, sentry: SentryStandIn) -> None:
    known(sentry, ISSUE)
    sentry.fail("issue", "http", times=1000, status=500)
    playbooks, database = here(tmp_path)
    async with connected(sentry, playbooks, database) as responder:
        incident = await opened(responder)
        await row(responder, incident, lambda row: row.attempts >= 2)

        def age(session: Session) -> None:
            found = session.get_one(Incident, incident)
            found.opened_at -= timedelta(days=1, minutes=1)
            session.add(found)

        await responder.responder.store.write(age)
        await row(responder, incident, lambda row: row.due_at is None)


async def test_it_is_refreshed_while_open_and_chat_told_only_of_changes(
    tmp_path: Path, sentry: SentryStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enquiries, "REFRESH", timedelta(milliseconds=100))
    known(sentry, ISSUE, userCount=3)
    playbooks, database = here(tmp_path)
    async with connected(sentry, playbooks, database) as responder:
        incident = await opened(responder)
        first = await row(responder, incident, lambda row: row.fetched_at)
        await responder.until(
            lambda session: session.get_one(Incident, incident), lambda one: one.users == 3
        )
        wanted = await cards(responder, incident)
        await row(responder, incident, lambda row: row.fetched_at > first.fetched_at)
        assert await cards(responder, incident) == wanted
        known(sentry, ISSUE, userCount=40)
        await responder.until(
            lambda session: session.get_one(Incident, incident), lambda one: one.users == 40
        )
        assert await cards(responder, incident) > wanted
        await responder.responder.desk.resolve(incident, ANN)
        await row(responder, incident, lambda row: row.due_at is None)
        calls = len(sentry.calls("issue"))
        await asyncio.sleep(0.4)
        assert len(sentry.calls("issue")) <= calls + 1  # one may have been under way


async def test_what_was_opened_without_a_token_is_asked_about_with_one(
    tmp_path: Path, sentry: SentryStandIn
) -> None:
    known(sentry, ISSUE, userCount=3)
    playbooks, database = here(tmp_path)
    async with office(database, playbooks) as responder:
        incident = await opened(responder)
        await row(responder, incident, lambda row: row.due_at is None)
    async with connected(sentry, playbooks, database) as responder:
        await context(responder, incident, asked)


async def test_similar_incidents_come_with_what_was_left_undone(tmp_path: Path) -> None:
    playbooks, database = here(tmp_path)
    async with office(database, playbooks) as responder:
        other = await responder.opened(title="x", culprit="elsewhere", issue_id="1")
        past = []
        for number in ("2", "3"):
            decision = await responder.decided(
                title="no tips", location="lib/credits/tips.ts", issue_id=number
            )
            assert decision.incident_id is not None
            past.append(decision.incident_id)
            await responder.responder.desk.resolve(decision.incident_id, ANN)
        await responder.responder.desk.resolve(other, ANN)
        await follow_up(responder, past[0])
        now = await responder.decided(
            title="no tips", location="lib/credits/other.ts", issue_id="2"
        )
        assert now.incident_id is not None
        (by_issue,) = (await responder.incident(now.incident_id)).context.similar
        assert (by_issue.id, by_issue.title) == (past[0], "no tips")
        assert by_issue.follow_ups == ["test the tip route"]
        assert by_issue.post_mortem is not None
        await responder.responder.desk.resolve(now.incident_id, ANN)
        again = await responder.decided(title="no tips", location="lib/credits/tips.ts")
        assert again.incident_id is not None
        found = (await responder.incident(again.incident_id)).context.similar
        assert [one.id for one in found] == [past[1], past[0]]


async def follow_up(responder: Office, incident: int) -> None:
    """Put a task that is done and one that is not into the incident's post-mortem."""

    def work(session: Session) -> None:
        record = session.exec(select(PostMortem).where(PostMortem.incident_id == incident)).one()
        record.body += "- [x] done\n- [ ] test the tip route\n"
        session.add(record)

    await responder.responder.store.write(work)


async def row(responder: Office, incident: int, good: Any) -> IncidentContext:
    """The stored context, once it is good."""
    return await responder.until(
        lambda session: session.get_one(IncidentContext, incident), lambda found: good(found)
    )


async def cards(responder: Office, incident: int) -> int:
    """How often the incident's card was to be brought up to date."""
    found = select(ChatMessage).where(ChatMessage.key == f"card:{incident}")
    return (await responder.responder.store.read(lambda session: session.exec(found).one())).wanted
