"""A delivery's page and its API answer say all that led to its decision, and nothing private."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from responder.classify.verdict import Outcome
from responder.receive.intake import Incoming
from responder.web.labels import ORIGINS, OUTCOMES, origin_words, outcome_mark
from tests.in_process import DEFAULT_AREAS, Office, folder, office
from tests.receive.samples import body
from tests.web.inside import Inside, inside
from tests.web.site import text_of

AUTH = """
  auth:
    title: Authentication
    severity: high
    paths: ["app/api/auth/**"]
    messages: [OTP error]
    threshold:
      - { more_than: 2, per: 1h, severity: critical }
      - { failure_rate: 5%, per: 15m, at_least: 10 }
  video:
    title: Video
    severity: medium
    messages: [room]
    threshold: { any: true }
"""
NOISE = "ignore:\n  network: { messages: [Failed to fetch] }\n"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Office]:
    where = folder(tmp_path / "p", areas=DEFAULT_AREAS + AUTH, noise=NOISE)
    async with office(
        f"sqlite:///{tmp_path / 'r.db'}", where, more={"redact": ("invite_code",)}
    ) as running:
        yield running


@pytest.fixture
async def visitor(here: Office) -> AsyncIterator[Inside]:
    async with inside(here.responder) as someone:
        yield someone


async def webhook(here: Office, name: str, **more: object) -> int:
    """A delivery of Sentry's; its id, once it is decided."""
    payload = json.loads(body(name)) | more
    incoming = Incoming(
        source="sentry",
        resource=name.partition(".")[0],
        action=str(payload["action"]),
        key=f"sentry:{name}:{len(more)}",
        headers={"sentry-hook-resource": name, "user-agent": "Sentry for ann@kulti.club"},
        body=json.dumps(payload).encode(),
        received_at=here.responder.now(),
    )
    number = (await here.responder.intake.take(incoming)).id
    await here.decision(number)
    return number


async def test_the_page_says_what_won_what_nearly_did_and_each_threshold(
    here: Office, visitor: Inside
) -> None:
    await here.decided(title="OTP error")
    decision = await here.decided(title="OTP error in the room", environment="")
    assert (decision.outcome, decision.area) == ("counted", "auth")
    page = await visitor.get(f"/deliveries/{decision.delivery_id}")
    words = text_of(page)
    assert "counted signed webhook OTP error in the room" in words
    assert "The rule that won message “OTP error in the room” matched auth: OTP error" in words
    assert "What spoke for others message “OTP error in the room” matched video: room" in words
    assert "Counted to auth in no environment" in words
    assert re.search(
        r"more than 2 in 1 hour 2 – ✓ no failure rate above 5 % in 15 min\w+ 0 – ✓ no", words
    )
    for _ in range(2):
        decision = await here.decided(title="OTP error")
    assert decision.incident_id is not None
    page = await visitor.get(f"/deliveries/{decision.delivery_id - 1}")
    assert re.search(r"more than 2 in 1 hour 3 – ✗ yes", text_of(page))
    assert f'href="/incidents/{decision.incident_id}"' in page.text


async def test_the_page_says_what_kept_it_quiet(here: Office, visitor: Inside) -> None:
    decision = await here.decided(title="TypeError: Failed to fetch")
    page = await visitor.get(f"/deliveries/{decision.delivery_id}")
    assert "kept quiet" in text_of(page)
    assert "Kept quiet by ignore:network" in text_of(page)
    assert 'href="/noise#ignore:network"' in page.text
    assert 'href="/deliveries?rule=ignore%3Anetwork"' in page.text


async def test_the_payload_is_shown_without_whose_it_was(here: Office, visitor: Inside) -> None:
    number = await webhook(
        here, "event_alert", flux={"capacitor": 1.21}, inviteCode="abc-123", note="<b>&"
    )
    page = await visitor.get(f"/deliveries/{number}")
    shown = page.text.partition('<pre class="payload"')[2]
    assert "&#34;capacitor&#34;: 1.21" in shown, "unknown fields too"
    assert "&#34;inviteCode&#34;: &#34;[removed]&#34;" in shown
    assert "&lt;b&gt;&amp;" in shown
    assert "viewer@kulti.example" in body("event_alert").decode()
    assert "viewer@kulti.example" not in page.text
    assert "Sentry for [e-mail]" in page.text
    assert "values were removed" in text_of(page)

    found = await visitor.json(f"/deliveries/{number}")
    assert found["payload"]["flux"] == {"capacitor": 1.21}
    assert found["payload"]["data"]["event"]["user"]["email"] == "[removed]"
    assert found["payload_notes"] == ["4 values were removed"]
    assert found["headers"]["user-agent"] == "Sentry for [e-mail]"
    assert found["origin"] == "webhook"
    assert found["happened_at"] == "2026-03-04T10:30:15.500000Z"
    assert found["suppressed_by"] is None
    assert found["explanation"]["matched"]
    assert found["explanation"]["notes"] == []


async def test_what_was_cut_is_said(here: Office, visitor: Inside) -> None:
    number = await webhook(here, "unknown", data={"title": "x" * 5_000}, extra=["y" * 3_000])
    page = await visitor.get(f"/deliveries/{number}")
    assert "Cut or left out the title was cut to 500 characters" in text_of(page)
    assert "[cut; 5,000 characters]" in page.text
    assert "was cut; such places say so" in text_of(page)
    assert len(page.text) < 20_000


async def test_what_is_no_json_is_shown_as_text(here: Office, visitor: Inside) -> None:
    decision = await here.decision(await here.store(b"<xml>\x1b[31m ann@kulti.club"))
    page = await visitor.get(f"/deliveries/{decision.delivery_id}")
    assert "not understood" in text_of(page)
    assert "&lt;xml&gt;[31m [e-mail]" in page.text
    assert "expected JSON" in text_of(page)


async def test_a_decision_of_an_earlier_version_is_shown_with_what_it_has(
    here: Office, visitor: Inside
) -> None:
    decision = await here.decided(title="OTP error")

    def forget(session: object) -> None:
        row = session.get_one(type(decision), decision.delivery_id)  # type: ignore[attr-defined]
        row.explanation = None

    await here.responder.store.write(forget)
    page = await visitor.get(f"/deliveries/{decision.delivery_id}")
    assert page.status_code == 200
    assert "earlier version" in text_of(page)
    assert "this was number 1" in text_of(page)
    assert (await visitor.json(f"/deliveries/{decision.delivery_id}"))["explanation"] is None


async def test_lists_are_narrowed_by_outcome_and_by_rule(here: Office, visitor: Inside) -> None:
    counted = (await here.decided(title="OTP error")).delivery_id
    quiet = (await here.decided(title="Failed to fetch")).delivery_id

    async def ids(query: str) -> set[int]:
        listed = {item["id"] for item in (await visitor.json(f"/deliveries{query}"))["items"]}
        page = await visitor.get(f"/deliveries{query}")
        assert page.status_code == 200
        shown = {int(number) for number in re.findall(r'id="delivery-(\d+)"', page.text)}
        assert shown == listed
        return listed

    assert await ids("") == {counted, quiet}
    assert await ids("?outcome=suppressed") == {quiet}
    assert await ids("?outcome=counted") == {counted}
    assert await ids("?rule=ignore:network") == {quiet}
    assert await ids("?rule=ignore:network&outcome=counted") == set()
    assert await ids("?outcome=undecided") == set()
    assert await ids("?rule=snooze:1") == set()
    page = await visitor.get("/deliveries?outcome=suppressed")
    assert re.search(r'outcome=suppressed" aria-current="true">kept quiet<', page.text)
    (item,) = (await visitor.json("/deliveries?rule=ignore:network"))["items"]
    assert (item["suppressed_by"], item["origin"]) == ("ignore:network", "webhook")


async def test_narrowed_lists_go_on_narrowed(here: Office, visitor: Inside) -> None:
    for _ in range(51):
        await here.deliver(title="Failed to fetch")
        last = await here.deliver(title="OTP error")
    await here.decision(last)
    page = await visitor.get("/deliveries?outcome=suppressed&rule=ignore:network")
    assert page.text.count('<li class="card delivery"') == 50
    onward = re.search(r'href="(\?outcome=suppressed[^"]*)">Older', page.text)
    assert onward
    rest = await visitor.get("/deliveries" + onward[1].replace("&amp;", "&"))
    assert rest.text.count('<li class="card delivery"') == 1
    assert 'id="delivery-1"' in rest.text


async def test_a_replay_starts_from_its_page_and_says_so(here: Office, visitor: Inside) -> None:
    first = (await here.decided(title="OTP error")).delivery_id
    pressed = await visitor.press(f"/deliveries/{first}", f"/deliveries/{first}/replay")
    assert pressed.headers["location"] == f"/deliveries/{first + 1}"
    await here.decision(first + 1)
    page = await visitor.get(pressed.headers["location"])
    assert f'replay of <a href="/deliveries/{first}">' in page.text
    assert (await visitor.json(f"/deliveries/{first + 1}"))["origin"] == "replay"


async def test_what_is_not_there_is_said(visitor: Inside) -> None:
    page = await visitor.get("/deliveries/99")
    assert page.status_code == 404
    assert "There is no delivery 99" in text_of(page)


def test_every_outcome_and_origin_has_a_name() -> None:
    assert set(OUTCOMES) == {outcome.value for outcome in Outcome}
    for origin in re.findall(r"`(\w+)`", (Incoming.__doc__ or "").partition("`origin`")[2]):
        if origin != "repeats":
            assert origin in ORIGINS or origin == "Description"
    assert outcome_mark("brand_new") == "? brand new"
    assert origin_words("by_pigeon") == "by pigeon"
