"""A snooze keeps quiet what it names, no longer than it may, and everybody can see whose it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from responder.incident.lifecycle import NotAllowed
from responder.people.roles import Forbidden, Person, Role
from responder.store.tables import ChatMessage, Snooze
from tests.in_process import ANN, BEN, DEFAULT_AREAS, Office, folder, office

AUTH = """
  auth:
    title: Authentication
    severity: high
    messages: [OTP error]
    threshold: { any: true }
"""
ADA, VERA = Person("ada", Role.ADMIN), Person("vera", Role.VIEWER)


@pytest.fixture
def where(tmp_path: Path) -> Path:
    return folder(tmp_path / "p", areas=DEFAULT_AREAS + AUTH)


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'r.db'}"


def later(**span: float) -> datetime:
    return datetime.now(UTC) + timedelta(**span)


async def told_in_chat(here: Office) -> list[str]:
    rows = await here.responder.store.read(
        lambda s: s.exec(select(ChatMessage).where(ChatMessage.kind == "note")).all()
    )
    return [row.text for row in rows]


async def test_what_is_snoozed_is_quiet_until_it_is_ended(where: Path, database_url: str) -> None:
    async with office(database_url, where) as here:
        opened = await here.decided(title="OTP error")
        assert opened.outcome == "opened"
        desk, incident = here.responder.desk, opened.incident_id
        assert incident is not None
        number = await desk.snooze(
            ANN, area="auth", until=later(hours=2), reason=" Twilio\n is down "
        )
        quiet = await here.decided(title="OTP error")
        assert (quiet.outcome, quiet.suppressed_by) == ("suppressed", f"snooze:{number}")
        assert quiet.reason.startswith("snoozed by ann until 2")
        assert quiet.count is None
        assert (await here.decided(title="credit failure")).outcome == "opened"
        assert await desk.end_snooze(number, BEN) == "Alerts about the area auth count again"
        loud = await here.decided(title="OTP error")
        assert (loud.outcome, loud.incident_id, loud.count) == ("joined", incident, 2)

        row = await here.responder.store.read(lambda s: s.get_one(Snooze, number))
        assert (row.by, row.reason, row.ended_by) == ("ann", "Twilio is down", "ben")
        assert row.ended_at is not None
        assert row.since < row.ended_at < row.until
        ((by, text),) = await here.told(incident, "snoozed")
        assert by == "ann"
        assert text.startswith("Snoozed the area auth until ")
        assert text.endswith(": Twilio is down")
        ended = await here.told(incident, "snooze-ended")
        assert ended == [("ben", "Ended the snooze of the area auth")]


async def test_an_issue_is_snoozed_in_whichever_incident_it_is(where: Path, sqlite: str) -> None:
    async with office(sqlite, where) as here:
        first = await here.decided(title="OTP error", issue_id="7")
        await here.responder.desk.snooze(ANN, issue_id="7", until=later(days=6), reason="known")
        assert (await here.decided(title="OTP error", issue_id="7")).outcome == "suppressed"
        assert (await here.decided(title="OTP error", issue_id="8")).outcome == "joined"
        assert first.incident_id is not None
        ((_, text),) = await here.told(first.incident_id, "snoozed")
        assert "Snoozed issue 7 until " in text


async def test_chat_hears_of_it_with_no_incident_too(where: Path, sqlite: str) -> None:
    async with office(sqlite, where) as here:
        desk = here.responder.desk
        number = await desk.snooze(ANN, area="default", until=later(hours=1), reason="a drill")
        await desk.end_snooze(number, BEN)
        started, ended = await told_in_chat(here)
        assert started.startswith("ann snoozed the area default until ")
        assert started.endswith("\nWhy: a drill")
        assert ended.startswith("ben ended the snooze of the area default")


async def test_what_is_critical_is_snoozed_by_admins_and_not_for_long(
    where: Path, sqlite: str
) -> None:
    async with office(sqlite, where) as here:
        desk = here.responder.desk
        await here.decided(title="credit failure", issue_id="9")
        asked: list[dict[str, Any]] = [{"area": "credits"}, {"issue_id": "9"}]
        for what in asked:
            with pytest.raises(
                Forbidden, match="credits is critical, and snoozing it takes an admin"
            ):
                await desk.snooze(ANN, **what, until=later(hours=1), reason="r")
            with pytest.raises(NotAllowed, match="4 h at most"):
                await desk.snooze(ADA, **what, until=later(hours=4, minutes=1), reason="r")
            await desk.snooze(ADA, **what, until=later(hours=3.9), reason="r")
        assert (await here.decided(title="credit failure")).outcome == "suppressed"


WRONG: dict[str, tuple[Person, dict[str, Any], type[Exception], str]] = {
    "a viewer": (VERA, {"area": "auth"}, Forbidden, "this takes a responder"),
    "both": (ANN, {"area": "auth", "issue_id": "1"}, NotAllowed, "either an area or an issue"),
    "neither": (ANN, {}, NotAllowed, "either an area or an issue"),
    "no reason": (ANN, {"area": "auth", "reason": " \n"}, NotAllowed, "say why"),
    "no area": (ANN, {"area": "lamp"}, LookupError, "there is no area lamp; there are: credits"),
    "no issue": (ANN, {"issue_id": "1"}, LookupError, "no alert about an issue 1 has come"),
    "the past": (ANN, {"area": "auth", "until": later(minutes=-1)}, NotAllowed, "in the future"),
    "too long": (ANN, {"area": "auth", "until": later(days=7, hours=1)}, NotAllowed, "7 d at most"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_can_not_be_snoozed_is_said(wrong: str, where: Path, sqlite: str) -> None:
    person, what, kind, words = WRONG[wrong]
    asked: dict[str, Any] = {"until": later(hours=1), "reason": "r"} | what
    async with office(sqlite, where) as here:
        with pytest.raises(kind, match=words):
            await here.responder.desk.snooze(person, **asked)
        assert await here.responder.store.read(lambda s: s.exec(select(Snooze)).all()) == []


async def test_a_snooze_is_ended_once(where: Path, sqlite: str) -> None:
    async with office(sqlite, where) as here:
        desk = here.responder.desk
        number = await desk.snooze(ANN, area="auth", until=later(hours=1), reason="r")
        short = await desk.snooze(ANN, area="auth", until=later(seconds=0.2), reason="r")
        with pytest.raises(Forbidden):
            await desk.end_snooze(number, VERA)
        await desk.end_snooze(number, ANN)
        with pytest.raises(NotAllowed, match="was ended by ann at "):
            await desk.end_snooze(number, ANN)
        await here.until(lambda s: s.get_one(Snooze, short).until, lambda at: at < later())
        with pytest.raises(NotAllowed, match=f"snooze {short} was ended at "):
            await desk.end_snooze(short, ANN)
        with pytest.raises(LookupError, match="there is no snooze 99"):
            await desk.end_snooze(99, ANN)
        assert (await here.decided(title="OTP error")).outcome == "opened"
