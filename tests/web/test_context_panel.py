"""What is around an incident stands on its page and in the API, as text that nobody can act by."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlmodel import Session

from responder.app import Responder
from responder.store.tables import Incident
from tests.in_process import ANN, Office, folder, office
from tests.incident.test_context_facts import REPLAY, rich
from tests.incident.test_enquiries import AREAS, asked, context, known
from tests.sentry_office import ISSUE, connected, deliver
from tests.stand_ins.process import SentryStandIn
from tests.web.inside import inside

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202e"


async def opened(here: Office, payload: dict[str, Any]) -> int:
    payload["data"]["event"]["datetime"] = datetime.now(UTC).isoformat()
    decision = await deliver(here, "event_alert", payload)
    assert decision.incident_id is not None
    return decision.incident_id


async def panel(responder: Responder, incident: int) -> tuple[str, str]:
    """The panel's HTML, and what a reader sees of it."""
    async with inside(responder) as visitor:
        page = (await visitor.get(f"/incidents/{incident}")).raise_for_status().text
    found = re.search(r'<section class="wide" aria-labelledby="around">.*?</section>', page, re.S)
    assert found, "there is no panel"
    return found[0], html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0])))


async def test_people_see_what_happened_to_whom_and_since_when(
    tmp_path: Path, sentry: SentryStandIn
) -> None:
    seen = {"firstSeen": "2026-03-01T00:00:00Z", "lastRelease": {"version": "kulti@1.8.2"}}
    known(sentry, ISSUE, count="1345", userCount=212, **seen)
    event_id = rich()["data"]["event"]["event_id"]
    commit = {"id": "abcdef0123456789", "message": "Tip twice"}
    sentry.committers(event_id, [{"author": {"name": "Rosa Okafor"}, "commits": [commit]}])
    playbooks, database = folder(tmp_path / "p", areas=AREAS), f"sqlite:///{tmp_path / 'r.db'}"
    async with connected(sentry, playbooks, database) as here:
        past = await opened(here, rich())
        await here.responder.desk.resolve(past, ANN)
        again = rich()
        again["data"]["event"]["event_id"] = "f" * 32
        sentry.committers("f" * 32, [{"author": {"name": "Rosa Okafor"}, "commits": [commit]}])
        incident = await opened(here, again)
        await context(here, incident, asked)
        markup, text = await panel(here.responder, incident)
    for words in (
        "Users affected 212",
        "Events 1,345",
        "KULTI-0300",
        "abcdef01 Tip twice by Rosa Okafor",
        "lib/credits/service.ts:118 deductCredits",
        "Browser Chrome 126.0.0",
        "System Android 14",
        "fetch error POST kulti.example/api/tip 409",
        "feature tips",
        f"#{past} CreditError: balance would become negative",
    ):
        assert words in text, words
    address = f"https://kulti.sentry.io/organizations/kulti/replays/{REPLAY}/"
    assert f'<a href="{address}" rel="noopener noreferrer">Watch what happened</a>' in markup


async def test_whatever_sentry_says_is_text(tmp_path: Path, sentry: SentryStandIn) -> None:
    words = ("shortId", "title", "culprit", "status", "substatus", "priority")
    known(
        sentry,
        ISSUE,
        **dict.fromkeys(words, EVIL),
        permalink="javascript:alert(3)",
        assignedTo={"name": EVIL},
        firstRelease={"version": EVIL},
    )
    payload = rich()
    event = payload["data"]["event"]
    event["web_url"] = event["issue_url"] = "javascript:alert(4)//issues/"
    for name in ("browser", "os"):
        event["contexts"][name] = {"name": EVIL}
    crumb = {"category": EVIL, "level": EVIL, "message": EVIL, "data": {"url": EVIL}}
    event["breadcrumbs"] = {"values": [crumb]}
    event["tags"] += [[EVIL, EVIL], ["plan", EVIL]]
    event["request"] = {"method": EVIL, "url": f"https://x.example/{EVIL}"}
    event["exception"]["values"][-1]["stacktrace"]["frames"][-1] |= {
        "filename": f"./lib/credits/{EVIL}.ts",
        "function": EVIL,
    }
    commit = {"id": EVIL, "message": EVIL}
    sentry.committers(event["event_id"], [{"author": {"name": EVIL}, "commits": [commit]}])
    playbooks, database = folder(tmp_path / "p", areas=AREAS), f"sqlite:///{tmp_path / 'r.db'}"
    async with connected(sentry, playbooks, database) as here:
        incident = await opened(here, payload)
        await context(here, incident, asked)
        markup, text = await panel(here.responder, incident)
    assert "<script>alert(1)</script>" in text
    assert "<script" not in markup
    assert "<img" not in markup
    assert "\u202e" not in markup
    addresses = re.findall(r'href="([^"]*)"', markup)
    assert addresses
    assert all(one.startswith("/") for one in addresses), addresses


async def test_quiet_and_owner_are_shown(tmp_path: Path) -> None:
    playbooks = folder(tmp_path / "p", areas=AREAS)
    async with office(f"sqlite:///{tmp_path / 'r.db'}", playbooks) as here:
        incident = await opened(here, rich())
        since = datetime.now(UTC)

        def work(session: Session) -> None:
            found = session.get_one(Incident, incident)
            found.owner, found.calm_since = "@kulti/credits", since
            session.add(found)

        await here.responder.store.write(work)
        await context(here, incident, lambda found: found.event is not None)
        async with inside(here.responder) as visitor:
            page = (await visitor.get(f"/incidents/{incident}")).text
            told = await visitor.json(f"/incidents/{incident}")
    assert "quiet since" in page
    assert "@kulti/credits" in page
    assert told["owner"] == "@kulti/credits"
    assert told["calm_since"] == since.isoformat().replace("+00:00", "Z")
    assert told["context"]["event"]["browser"] == "Chrome 126.0.0"
    assert told["context"]["sentry"] is None
