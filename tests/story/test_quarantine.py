"""What is refused is kept apart, told why, and let in once the secret is right; nothing else is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlmodel import Session, update

from responder import metrics
from responder.app import Responder
from responder.receive.quarantine import LARGEST_UNSIGNED, MOST_OF_A_CLIENT, waiting
from responder.store.tables import Delivery, Refusal
from tests.in_process import Office, folder, settings
from tests.over_http import SECRET, call, over_http, send
from tests.playbook.test_modes import PLAYBOOK
from tests.receive.test_plugin import plugin

TERSE = "not signed with this service's secret"


def failure(**changed: Any) -> dict[str, Any]:
    """A credit failure of this moment."""
    event = {
        "event_id": "b1" * 16,
        "issue_id": "6400000555",
        "title": "credit failure for ann@example.com",
        "culprit": "POST /api/credits/tip?token=hush",
        "environment": "production",
        "datetime": datetime.now(UTC).isoformat(),
        **changed,
    }
    return {"action": "triggered", "data": {"event": event, "triggered_rule": "any"}}


class Edge:
    """A responder in the test with its HTTP side, whose secret can be set anew."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self._folder = folder
        self._database_url = database_url

    @contextlib.asynccontextmanager
    async def running(
        self, secret: str = SECRET
    ) -> AsyncIterator[tuple[Office, httpx.AsyncClient]]:
        configured = settings(self._database_url, self._folder).model_copy(
            update={"sentry_client_secret": (SecretStr(secret),)}
        )
        responder = Responder(configured, {"NONE": ""})
        async with responder, over_http(responder) as client:
            yield Office(responder), client


@pytest.fixture
def edge(tmp_path: Path) -> Edge:
    where = folder(tmp_path / "p", credits=PLAYBOOK.format(mode="act"))
    return Edge(where, f"sqlite:///{tmp_path / 'r.db'}")


async def refusals(client: httpx.AsyncClient, number: int = 1) -> list[dict[str, Any]]:
    """What is in the quarantine, once there are so many."""
    deadline = time.monotonic() + 10
    while True:
        answer = await call(client, "GET", "/refusals")
        items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        if len(items) >= number:
            return items
        assert time.monotonic() < deadline, items
        await asyncio.sleep(0.05)


async def let_in(client: httpx.AsyncClient, refusal: int) -> httpx.Response:
    return await call(client, "POST", f"/refusals/{refusal}/let-in", json={"by": "ann"})


async def test_a_wrong_secret_set_right(tmp_path: Path, database_url: str) -> None:
    where = folder(tmp_path / "p", credits=PLAYBOOK.format(mode="act"))
    edge = Edge(where, database_url)
    async with edge.running("mistyped") as (_, client):
        for _ in range(2):
            answer = await send(client, "event_alert", failure())
            assert (answer.status_code, answer.json()["detail"]) == (401, TERSE)
        assert (await call(client, "GET", "/deliveries")).json()["items"] == []
        _, first = await refusals(client, 2)
        assert not first["verifies"]
    async with edge.running() as (office, client):
        *_, found = await refusals(client)
        assert found["verifies"]
        assert found["why"] == "the signature did not match"
        assert found["title"] == "credit failure for [e-mail]"
        assert found["culprit"] == "POST /api/credits/tip"
        assert (found["resource"], found["client"]) == ("event_alert", "127.0.0.1")
        assert found["headers"]["sentry-hook-resource"] == "event_alert"
        assert "signature" not in json.dumps(found["headers"]).lower()

        answer = await let_in(client, found["id"])
        assert answer.status_code == 200, answer.text
        delivery = answer.json()["id"]
        decision = await office.decision(delivery)
        assert decision.outcome == "opened"
        assert decision.incident_id is not None
        await office.step_in(decision.incident_id, "stop", "succeeded")
        assert (await office.run_in(decision.incident_id, "waiting", "running")).mode == "act"
        stored = await office.responder.store.read(lambda s: s.get(Delivery, delivery))
        assert stored is not None
        assert stored.origin == "let_in"
        assert stored.received_at.isoformat()[:19] == found["at"][:19]

        again = await let_in(client, found["id"])
        assert again.status_code == 409
        assert again.json()["detail"] == (
            f"ann (api) has let it in already; it is delivery {delivery}"
        )
        shown = next(one for one in await refusals(client) if one["id"] == found["id"])
        assert (shown["delivery_id"], shown["let_in_by"]) == (delivery, "ann (api)")


async def test_what_was_refused_long_ago_asks_first(edge: Edge) -> None:
    async with edge.running("mistyped") as (office, client):
        await send(client, "event_alert", failure(datetime=None))
        (found,) = await refusals(client)
        hour_ago = datetime.now(UTC) - timedelta(hours=1)

        def age(session: Session) -> None:
            session.execute(update(Refusal).values(at=hour_ago))

        await office.responder.store.write(age)
    async with edge.running() as (office, client):
        delivery = (await let_in(client, found["id"])).json()["id"]
        incident = (await office.decision(delivery)).incident_id
        assert incident is not None
        assert (await office.step_in(incident, "stop", "waiting")).asks_approval
        ((_, text),) = await office.told(incident, "run")
        assert "too old to act on unasked" in text


async def test_what_is_not_proven_only_asks(edge: Edge) -> None:
    async with edge.running() as (office, client):
        await send(client, "event_alert", failure(), secret="forged")
        (found,) = await refusals(client)
        assert not found["verifies"]
        delivery = (await let_in(client, found["id"])).json()["id"]
        incident = (await office.decision(delivery)).incident_id
        assert incident is not None
        assert (await office.step_in(incident, "stop", "waiting")).asks_approval
        ((_, text),) = await office.told(incident, "run")
        assert "nothing proves where it came from" in text
        # The same from Sentry itself is neither a duplicate of it, nor kept from acting by it.
        real = await send(client, "event_alert", failure())
        assert real.status_code == 202
        await office.step_in(incident, "stop", "succeeded")


async def test_the_very_same_bytes_may_come_by_themselves(edge: Edge) -> None:
    payload = failure()
    async with edge.running("mistyped") as (_, client):
        await send(client, "event_alert", payload)
        (found,) = await refusals(client)
    async with edge.running() as (_, client):
        first = (await send(client, "event_alert", payload)).json()["id"]
        answer = await let_in(client, found["id"])
        assert answer.json() == {"id": first, "duplicate": True}


WHYS: dict[str, tuple[bytes, dict[str, str], str, bool]] = {
    "unsigned": (b'{"action": "x"}', {}, "no signature", True),
    "unsigned and not JSON": (b"hello", {}, "no signature; and expected JSON; at line 1", False),
    "of the legacy plugin": (
        json.dumps(plugin()).encode(),
        {},
        "no signature; it looks like Sentry's legacy WebHooks plugin",
        True,
    ),
    "signed with something else": (
        b"{}",
        {"Sentry-Hook-Signature": "sha256=1"},
        "the signature is not 64 characters long",
        True,
    ),
    "signed twice": (
        b"{}",
        {"Sentry-Hook-Signature": "0" * 64, "Sentry-App-Signature": "1" * 64},
        "several signatures",
        True,
    ),
    "signed wrongly": (
        b"{}",
        {"Sentry-Hook-Signature": "0" * 64},
        "the signature did not match",
        True,
    ),
    "unsigned and large": (b"x" * (LARGEST_UNSIGNED + 1), {}, "no signature", False),
}


async def test_why_is_told_to_people_and_not_to_senders(edge: Edge) -> None:
    async with edge.running() as (_, client):
        answers = [
            await client.post("/webhooks/sentry", content=body, headers=headers)
            for body, headers, _, _ in WHYS.values()
        ]
        assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {
            (401, TERSE)
        }
        found = {one["size"]: one for one in await refusals(client, 7)}
        told = list(reversed(await refusals(client, 7)))
        for (body, _, why, readable), one in zip(WHYS.values(), told, strict=True):
            assert one["why"].startswith(why)
            assert (one["size"], one["readable"], one["verifies"]) == (len(body), readable, False)
        assert not found[LARGEST_UNSIGNED + 1]["kept"]
        hint = next(one["why"] for one in told if "plugin" in one["why"])
        assert "RESPONDER_SENTRY_PLUGIN_TOKEN" in hint


async def test_rightly_signed_and_unreadable(edge: Edge) -> None:
    async with edge.running() as (_, client):
        answer = await send(client, "event_alert", b"[1]")
        assert answer.status_code == 400
        (found,) = await refusals(client)
        assert found["why"] == "expected a JSON object, got an array"
        assert found["verifies"]
        refused = await let_in(client, found["id"])
        assert refused.status_code == 409
        assert "nobody can read it" in refused.json()["detail"]


async def test_what_can_not_be_let_in(edge: Edge) -> None:
    async with edge.running() as (_, client):
        await client.post("/webhooks/sentry", content=b"x" * (LARGEST_UNSIGNED + 1))
        (found,) = await refusals(client)
        assert "not kept" in (await let_in(client, found["id"])).json()["detail"]
        assert (await let_in(client, 999)).status_code == 404


async def test_a_sender_that_dawdles_gets_its_answer(edge: Edge) -> None:
    async with edge.running() as (_, client):
        host, port = client.base_url.host, client.base_url.port
        reader, writer = await asyncio.open_connection(host, port)
        began = time.monotonic()
        writer.write(b"POST /webhooks/sentry HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
        assert b" 401 " in await reader.readline()
        assert time.monotonic() - began < 3
        writer.close()
        (found,) = await refusals(client)
        assert (found["size"], found["kept"]) == (99, False)


async def test_a_flood_stays_bounded_and_delays_nobody(edge: Edge) -> None:
    async with edge.running() as (office, client):
        dropped = metrics.REFUSALS_DROPPED._value.get()
        flooding = True
        sent = 0

        async def flood() -> None:
            nonlocal sent
            while flooding:
                sent += 1
                body = b'{"number": %d}' % sent
                answer = await send(client, "event_alert", body, secret="forged")
                assert answer.status_code == 401

        floods = [asyncio.create_task(flood()) for _ in range(8)]
        waits = []
        for number in range(20):
            began = time.monotonic()
            payload = failure(event_id=f"{number:032x}", title="nothing", culprit="GET /")
            assert (await send(client, "event_alert", payload)).status_code == 202
            waits.append(time.monotonic() - began)
        flooding = False
        await asyncio.gather(*floods)
        assert sorted(waits)[10] < 0.5, "Sentry waits one second"
        assert sent > MOST_OF_A_CLIENT
        await refusals(client, 20)

        assert await office.responder.store.read(waiting) <= MOST_OF_A_CLIENT
        assert metrics.REFUSALS_DROPPED._value.get() - dropped < sent
