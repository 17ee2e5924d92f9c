"""What is kept quiet is shown with the rule that did it, and people can snooze and end it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from responder.people.roles import Role
from tests.in_process import DEFAULT_AREAS, Office, folder, office
from tests.web.inside import Inside, inside
from tests.web.site import forms, text_of

AUTH = """
  auth:
    title: Authentication
    severity: high
    messages: [OTP error]
    threshold: { any: true }
"""
NOISE = """
ignore:
  network: { title: A visitor's network, messages: [Failed to fetch] }
  loud: { messages: [nobody says this] }
maintenance:
  always: { title: Long repairs, from: 2020-01-01T00:00:00Z, until: 2090-01-01T00:00:00Z,
            areas: [auth] }
  backup: { every: day 04:00, for: 1h }
  past: { from: 2020-01-01T00:00:00Z, until: 2020-01-01T01:00:00Z }
"""


@pytest.fixture
def where(tmp_path: Path) -> Path:
    return folder(tmp_path / "p", areas=DEFAULT_AREAS + AUTH, noise=NOISE)


@pytest.fixture
async def here(where: Path, tmp_path: Path) -> AsyncIterator[Office]:
    async with office(f"sqlite:///{tmp_path / 'r.db'}", where) as running:
        yield running


@pytest.fixture
async def visitor(here: Office) -> AsyncIterator[Inside]:
    async with inside(here.responder) as someone:
        yield someone


def card(page: httpx.Response, identity: str) -> str:
    """What the card of that id says."""
    found = re.search(rf'<article[^>]* id="{identity}">(.*?)</article>', page.text, re.S)
    assert found, f"no {identity} on {page.url}"
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[1]))


async def test_each_rule_shows_what_it_kept_quiet(here: Office, visitor: Inside) -> None:
    quiet = [await here.decided(title="Failed to fetch") for _ in range(4)]
    assert {decision.suppressed_by for decision in quiet} == {"ignore:network"}
    assert (await here.decided(title="OTP error")).suppressed_by == "maintenance:always"
    page = await visitor.get("/noise")
    network = card(page, "ignore:network")
    assert "A visitor&#39;s network" in network
    assert "What says Failed to fetch; in every area that is not critical." in network
    assert re.search(r"24 hours 4 7 days 4 in all 4", network)
    assert f'href="/deliveries/{quiet[3].delivery_id}"' in page.text
    assert f'href="/deliveries/{quiet[0].delivery_id}"' not in page.text, "the newest few"
    assert 'href="/deliveries?rule=ignore%3Anetwork"' in page.text
    assert "in all 0" in card(page, "ignore:loud")
    always = card(page, "maintenance:always")
    assert "now" in always
    assert "It ends at 1 Jan 2090" in always
    assert "in all 1" in always
    assert "Every day 04:00 (UTC), 1 hour; in every area" in card(page, "maintenance:backup")
    assert "Next: " in card(page, "maintenance:backup") or "It ends" in card(
        page, "maintenance:backup"
    )
    assert "It is over" in card(page, "maintenance:past")


async def test_a_replay_is_not_counted_again(here: Office, visitor: Inside) -> None:
    first = await here.decided(title="Failed to fetch")
    again = await visitor.press("/deliveries", f"/deliveries/{first.delivery_id}/replay")
    number = int(again.headers["location"].rpartition("/")[2])
    assert (await here.decision(number)).suppressed_by == "ignore:network"
    (rule,) = (one for one in (await visitor.json("/noise"))["ignore"] if one["name"] == "network")
    assert (rule["last_day"], rule["last_week"], rule["in_all"]) == (1, 1, 1)


async def test_a_rule_that_is_gone_from_the_folder_is_still_listed(
    where: Path, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path / 'r.db'}"
    async with office(database, where) as here:
        await here.decided(title="Failed to fetch")
        await here.decided(title="OTP error")
    folder(where, areas=DEFAULT_AREAS + AUTH)
    async with office(database, where) as here, inside(here.responder) as visitor:
        page = await visitor.get("/noise")
        for rule in ("ignore:network", "maintenance:always"):
            assert "not in the folder any more" in card(page, rule)
            assert "in all 1" in card(page, rule)
        found = await visitor.json("/noise")
        assert [(one["rule"], one["in_folder"]) for one in found["ignore"]] == [
            ("ignore:network", False)
        ]
        assert [(one["now"], one["starts_at"]) for one in found["maintenance"]] == [(False, None)]


async def test_an_area_is_snoozed_and_the_snooze_ended(here: Office, visitor: Inside) -> None:
    asked = {"area": "default", "for": "30m", "reason": "the provider is down"}
    pressed = await visitor.press("/noise", "/snoozes", **asked)
    assert pressed.headers["location"] == "/noise#snooze-1"
    decision = await here.decided(title="ReferenceError")
    assert (decision.outcome, decision.suppressed_by) == ("suppressed", "snooze:1")
    page = await visitor.get("/noise")
    shown = card(page, "snooze-1")
    for words in ("snoozed", "Everything else", "the provider is down", "by Rosa Okafor"):
        assert words in shown
    assert "in all 1" in shown
    assert "min" in shown.partition("for ")[2]
    ended = await visitor.press("/noise", "/snoozes/1/end")
    assert ended.headers["location"] == "/noise#snooze-1"
    assert (await here.decided(title="ReferenceError")).outcome == "counted"
    page = await visitor.get("/noise")
    assert "ended by Rosa Okafor" in card(page, "snooze-1")
    assert "/snoozes/1/end" not in forms(page)
    assert "in all 1" in card(page, "snooze-1")


async def test_an_issue_is_snoozed_from_its_own_form(here: Office, visitor: Inside) -> None:
    await here.decided(title="ReferenceError", issue_id="41")
    fields = forms(await visitor.get("/noise"))["/snoozes"].fields
    asked = {"csrf": fields["csrf"], "issue": "41", "for": "7d", "reason": "known"}
    pressed = await visitor.post("/snoozes", data=asked)
    assert pressed.status_code == 303, text_of(pressed)
    quiet = await here.decided(title="ReferenceError", issue_id="41")
    assert quiet.suppressed_by == "snooze:1"
    assert (await here.decided(title="ReferenceError", issue_id="42")).outcome == "counted"
    assert "Issue 41" in card(await visitor.get("/noise"), "snooze-1")


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({"area": "credits", "for": "2h", "reason": "r"}, 403, "credits is critical, and snoozing"),
        ({"area": "auth", "for": "2h", "reason": "  "}, 409, "Say why"),
        ({"area": "auth", "for": "2y", "reason": "r"}, 422, "Choose for how long"),
        ({"area": "lamp", "for": "2h", "reason": "r"}, 404, "there is no area lamp"),
        ({"area": "auth", "issue": "1", "for": "2h", "reason": "r"}, 409, "either an area or"),
        ({"for": "2h", "reason": "r"}, 409, "either an area or an issue"),
        ({"issue": "99", "for": "2h", "reason": "r"}, 404, "no alert about an issue 99"),
    ],
    ids=str,
)
async def test_what_can_not_be_snoozed_is_said_on_the_page(
    asked: dict[str, str], status: int, words: str, visitor: Inside
) -> None:
    csrf = forms(await visitor.get("/noise"))["/snoozes"].fields["csrf"]
    refused = await visitor.post("/snoozes", data={"csrf": csrf} | asked)
    assert refused.status_code == status
    assert words.lower() in text_of(refused).lower()
    assert "Ignore rules" in text_of(refused)
    assert "Nobody has snoozed anything" in text_of(refused)


async def test_only_responders_have_the_forms(visitor: Inside) -> None:
    await visitor.press("/noise", "/snoozes", area="auth", reason="r")
    await visitor.sign_in("Vera", Role.VIEWER)
    assert list(forms(await visitor.get("/noise"))) == ["/sign-out"]


async def test_the_api_snoozes_lists_and_ends(here: Office, visitor: Inside) -> None:
    until = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    made = await visitor.api("POST", "/snoozes", area="credits", until=until, reason="r", by="ann")
    assert made.status_code == 200, made.text
    snooze = made.json()
    assert (snooze["area"], snooze["by"], snooze["active"]) == ("credits", "ann (api)", True)
    assert (await here.decided(title="credit failure")).suppressed_by == snooze["rule"]
    listed = (await visitor.json("/noise"))["snoozes"]
    assert [(one["id"], one["in_all"]) for one in listed] == [(snooze["id"], 1)]
    assert listed[0]["newest"][0]["title"] == "credit failure"
    ended = await visitor.api("POST", f"/snoozes/{snooze['id']}/end", by="ben")
    assert (ended.json()["active"], ended.json()["ended_by"]) == (False, "ben (api)")
    again = await visitor.api("POST", f"/snoozes/{snooze['id']}/end")
    assert again.status_code == 409
    assert "was ended by ben (api)" in again.json()["detail"]
    missing = await visitor.api("POST", "/snoozes/99/end")
    assert (missing.status_code, missing.json()["detail"]) == (404, "there is no snooze 99")


WRONG: dict[str, tuple[dict[str, Any], int, str]] = {
    "nothing": ({"reason": "r", "for": "2h"}, 422, "either `area` or `issue_id`"),
    "no time": ({"area": "auth", "reason": "r"}, 422, "either `until` a time or `for`"),
    "no zone": ({"area": "auth", "reason": "r", "until": "2090-01-01T00:00:00"}, 422, "until: "),
    "no duration": ({"area": "auth", "reason": "r", "for": "2"}, 422, "with its unit"),
    "no reason": ({"area": "auth", "for": "2h"}, 422, "reason: "),
    "no area": ({"area": "lamp", "for": "2h", "reason": "r"}, 422, "there is no area lamp; there"),
    "too long": ({"area": "auth", "for": "8d", "reason": "r"}, 409, "7 d at most"),
    "critical too long": ({"area": "credits", "for": "5h", "reason": "r"}, 409, "4 h at most"),
    "over": ({"area": "auth", "until": "2020-01-01T00:00:00Z", "reason": "r"}, 409, "future"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_the_api_says_what_is_wrong(wrong: str, visitor: Inside) -> None:
    body, status, words = WRONG[wrong]
    answer = await visitor.api("POST", "/snoozes", **body)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]
    assert (await visitor.json("/noise"))["snoozes"] == []
