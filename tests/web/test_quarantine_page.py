"""The quarantine's page: there when something is in it, and no more for anybody than they may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from responder.cli.events import event_alert
from responder.people.roles import Role
from responder.receive.verify import sign
from tests.service import SECRET, until
from tests.web.site import CREDITS, Site, forms, text_of
from tests.web.test_page_safety import BREAKOUT, HIDDEN, SCRIPT

PLUGIN_TOKEN = "a-token-that-nobody-can-guess-00"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(
        f"sqlite:///{tmp_path / 'r.db'}", RESPONDER_SENTRY_PLUGIN_TOKEN=PLUGIN_TOKEN
    ) as running:
        yield running


def failure(title: str = "LedgerError: balance") -> dict[str, Any]:
    return event_alert(title, "POST /api/credits/tip", now=datetime.now(UTC), frames=CREDITS)


def misplaced(site: Site, payload: dict[str, Any]) -> None:
    """What is rightly signed and refused for its address."""
    body = json.dumps(payload).encode()
    headers = {"Sentry-Hook-Resource": "event_alert", "Sentry-Hook-Signature": sign(body, SECRET)}
    answer = site.http.post(
        f"/webhooks/sentry/plugin/{PLUGIN_TOKEN}", content=body, headers=headers
    )
    assert answer.status_code == 400


def forged(site: Site, payload: Any, **headers: str) -> None:
    given = {"Sentry-Hook-Signature": "f" * 64, **headers}
    assert site.send("event_alert", payload, **given).status_code == 401


def kept(site: Site, number: int) -> list[dict[str, Any]]:
    """The refusals, newest first, once there are so many."""
    found: list[dict[str, Any]] = until(
        lambda: site.get("/refusals")["items"], lambda items: len(items) >= number
    )
    return found


def part(page: httpx.Response, refusal: int) -> str:
    """What the page says about one of them."""
    return page.text.partition(f'id="refusal-{refusal}"')[2].partition("</li>")[0]


def test_it_is_shown_when_there_is_something_in_it(site: Site) -> None:
    visitor = site.visitor()
    assert 'href="/quarantine"' not in visitor.get("/deliveries").text
    assert "Nothing was refused" in text_of(visitor.get("/quarantine"))
    forged(site, failure())
    kept(site, 1)
    assert 'href="/quarantine">Quarantine' in visitor.get("/incidents").text
    assert "1 webhook refused , and kept apart" in text_of(visitor.get("/deliveries"))
    words = text_of(visitor.get("/quarantine"))
    assert "The signature did not match." in words
    assert "LedgerError: balance" in words
    assert "not proven" in words
    assert "f" * 64 not in visitor.get("/quarantine").text


def test_who_may_let_in_what(site: Site) -> None:
    misplaced(site, failure())
    kept(site, 1)
    forged(site, failure())
    kept(site, 2)
    proven, unproven = "/quarantine/1/let-in", "/quarantine/2/let-in"
    viewer = site.visitor("Vera", Role.VIEWER)
    rosa = site.visitor()
    admin = site.visitor("Ada", Role.ADMIN)
    assert list(forms(viewer.get("/quarantine"))) == ["/sign-out"]
    assert proven in forms(rosa.get("/quarantine"))
    assert unproven not in forms(rosa.get("/quarantine"))
    assert {proven, unproven} <= set(forms(admin.get("/quarantine")))

    for visitor, action in ((viewer, proven), (rosa, unproven)):
        csrf = forms(visitor.get("/quarantine"))["/sign-out"].fields["csrf"]
        refused = visitor.post(action, data={"csrf": csrf})
        assert refused.status_code == 403
        assert "this takes" in text_of(refused)
    assert rosa.post(proven, data={"csrf": "x"}).status_code == 403
    assert site.get("/deliveries")["items"] == []

    form = forms(rosa.get("/quarantine"))[proven]
    assert rosa.post(proven, data=form.fields).headers["location"] == "/quarantine#refusal-1"
    twice = rosa.post(proven, data=form.fields)
    assert twice.status_code == 409
    assert "Rosa Okafor has let it in already" in text_of(twice)
    assert "By Rosa Okafor, as delivery #1" in text_of(rosa.get("/quarantine"))
    assert site.decision(1)["outcome"] == "opened"
    assert site.step_in(1, "stop", "succeeded")

    assert admin.press("/quarantine", unproven).status_code == 303
    assert site.decision(2)["outcome"] == "joined"
    assert 'href="/quarantine"' not in admin.get("/incidents").text, "nothing is left to look at"


def test_what_strangers_sent_stays_text(site: Site) -> None:
    payload = failure(f"{SCRIPT}{BREAKOUT}{HIDDEN} for ann@example.com, token=hush")
    forged(site, payload, **{"User-Agent": f"{SCRIPT}{BREAKOUT}"})
    forged(site, b"\xff\xfe", **{"Sentry-Hook-Resource": SCRIPT})
    site.http.post("/webhooks/sentry", content=b"x" * 70_000)
    kept(site, 3)
    page = site.visitor("Ada", Role.ADMIN).get("/quarantine")
    assert page.status_code == 200
    for bad in ("<script", "<img src=x", "ann@example.com", "hush", "\u202e", "\x1b"):
        assert bad not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in part(page, 1)
    assert "It is no JSON" in part(page, 2)
    assert "Its body was not kept." in part(page, 3)
    assert set(forms(page)) == {"/sign-out", "/quarantine/1/let-in"}


def test_there_is_more_than_one_page(site: Site) -> None:
    for number in range(23):
        forged(site, {"number": number})

    def pages() -> tuple[int, int]:
        first = site.get("/refusals")
        further = site.get("/refusals", cursor=first["next"]) if first["next"] else {"items": []}
        return len(first["items"]), len(further["items"])

    until(pages, lambda found: found == (20, 3))
    visitor, cursor = site.visitor(), site.get("/refusals")["next"]
    assert visitor.get("/quarantine").text.count('id="refusal-') == 20
    assert visitor.get(f"/quarantine?cursor={cursor}").text.count('id="refusal-') == 3
