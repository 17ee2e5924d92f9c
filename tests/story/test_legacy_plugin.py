"""The legacy WebHooks plugin may only ask, its address is a secret, and it is off by default."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from responder.store.tables import Delivery
from tests.in_process import Office, folder, office
from tests.over_http import SECRET, call, over_http, send
from tests.playbook.test_modes import PLAYBOOK
from tests.receive.test_plugin import EVENT_ID, plugin
from tests.service import Service

PLUGIN_TOKEN = "a-token-that-nobody-can-guess-00"
ADDRESS = f"/webhooks/sentry/plugin/{PLUGIN_TOKEN}"
AREAS = """
areas:
  credits: { title: Credits, severity: critical, paths: [lib/credits/**], threshold: { any: true } }
  default: { title: Everything else, severity: medium, threshold: { more_than: 10, per: 1h } }
"""
Running = tuple[Office, httpx.AsyncClient]


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Running]:
    where = folder(tmp_path / "p", areas=AREAS, credits=PLAYBOOK.format(mode="act"))
    token = {"sentry_plugin_token": SecretStr(PLUGIN_TOKEN)}
    database_url = f"sqlite:///{tmp_path / 'r.db'}"
    async with (
        office(database_url, where, more=token) as running,
        over_http(running.responder) as client,
    ):
        yield running, client


async def post(client: httpx.AsyncClient, payload: Any, **headers: str) -> httpx.Response:
    return await client.post(ADDRESS, json=payload, headers=headers)


async def test_a_credit_failure_opens_an_incident_and_waits_for_a_person(here: Running) -> None:
    office, client = here
    answer = await post(client, plugin())
    assert answer.status_code == 202, answer.text
    stored = await office.responder.store.read(lambda s: s.get(Delivery, answer.json()["id"]))
    assert stored is not None
    assert (stored.origin, stored.resource) == ("plugin", "plugin")
    assert PLUGIN_TOKEN not in json.dumps(stored.headers)
    decision = await office.decision(answer.json()["id"])
    assert (decision.outcome, decision.area) == ("opened", "credits")
    incident = decision.incident_id
    assert incident is not None
    assert (await office.step_in(incident, "stop", "waiting")).asks_approval
    assert (await office.switch()).holds == []
    ((_, text),) = await office.told(incident, "run")
    assert text.endswith("mode ask: the alert came unsigned, by the legacy plugin")

    again = await post(client, plugin())
    assert (again.status_code, again.json()["id"]) == (200, answer.json()["id"])

    # The same event comes signed: now it is known to be true, and nobody need be asked.
    event = plugin()["event"] | {"issue_id": "6400000123", "title": "LedgerError: balance"}
    signed = {"action": "triggered", "data": {"event": event, "triggered_rule": "any"}}
    delivery = (await send(client, "event_alert", signed)).json()["id"]
    assert (await office.decision(delivery)).outcome == "same_event"
    await office.step_in(incident, "stop", "succeeded")
    assert (await office.run_in(incident, "waiting", "running")).mode == "act"


@pytest.mark.parametrize(
    "token",
    [
        *("x", PLUGIN_TOKEN[:-1], f"{PLUGIN_TOKEN}0", PLUGIN_TOKEN.upper(), "%C3%BC", "%ED%A0%80"),
        *(f"{PLUGIN_TOKEN}/", f"{PLUGIN_TOKEN}/x", "", "%00"),
    ],
)
async def test_another_token_is_an_address_that_is_not_there(here: Running, token: str) -> None:
    _, client = here
    answer = await client.post(f"/webhooks/sentry/plugin/{token}", json=plugin())
    nowhere = await client.post("/webhooks/nowhere", json=plugin())
    assert (answer.status_code, answer.content) == (404, nowhere.content)
    assert answer.headers["content-type"] == nowhere.headers["content-type"]
    assert (await call(client, "GET", "/deliveries")).json()["items"] == []


async def test_an_integration_at_the_plugin_s_address_is_shown_the_way(here: Running) -> None:
    _, client = here
    envelope = {"action": "triggered", "data": {"event": {"event_id": EVENT_ID, "title": "x"}}}
    unsigned = await post(client, envelope)
    signed = await post(client, plugin(), **{"Sentry-Hook-Signature": "0" * 64})
    for answer in (unsigned, signed):
        assert answer.status_code == 400
        assert "integrations use /webhooks/sentry" in answer.json()["detail"]
    assert (await call(client, "GET", "/deliveries")).json()["items"] == []


async def test_a_header_makes_nothing_else_of_it(here: Running) -> None:
    office, client = here
    answer = await post(client, plugin(), **{"Sentry-Hook-Resource": "event_alert"})
    stored = await office.responder.store.read(lambda s: s.get(Delivery, answer.json()["id"]))
    assert stored is not None
    assert stored.resource == "plugin"


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"\xff", b'{"a":' + b"[" * 50_000])
async def test_what_is_no_json_object_is_refused_with_words(here: Running, body: bytes) -> None:
    _, client = here
    answer = await client.post(ADDRESS, content=body)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("expected")


async def test_anything_else_is_kept_and_starts_nothing(here: Running) -> None:
    office, client = here
    answer = await post(client, {"hello": "there"})
    assert answer.status_code == 202
    assert (await office.decision(answer.json()["id"])).outcome == "kept"


async def test_it_is_off_unless_a_token_is_set(tmp_path: Path) -> None:
    where = folder(tmp_path / "p")
    async with (
        office(f"sqlite:///{tmp_path / 'r.db'}", where) as running,
        over_http(running.responder) as client,
    ):
        assert (await post(client, plugin())).status_code == 404
        assert (await client.get(ADDRESS)).status_code == 404


def test_its_token_is_told_to_nobody(tmp_path: Path) -> None:
    with Service(
        f"sqlite:///{tmp_path}/on.db",
        RESPONDER_SENTRY_PLUGIN_TOKEN=PLUGIN_TOKEN,
        RESPONDER_MAX_BODY_BYTES="5000",
    ) as service:
        answers = [
            service.http.post(ADDRESS, json=plugin()),
            service.http.post(ADDRESS, content=b"{"),
            service.http.post(ADDRESS, content=b"x" * 6000),
            service.http.post(f"{ADDRESS}x", json=plugin()),
            service.http.get(ADDRESS),
            service.http.get("/metrics"),
            service.http.get("/openapi.json"),
            service.api("GET", "/deliveries"),
            service.api("GET", "/refusals"),
        ]
        assert [answer.status_code for answer in answers[:5]] == [202, 400, 413, 404, 405]
        for answer in answers:
            assert PLUGIN_TOKEN not in answer.text + str(answer.headers)
        assert re.search(r'deliveries_total\{answer="413"\} 1', answers[5].text)
    output = "".join(service.output)
    assert "webhook.refused" in output
    assert PLUGIN_TOKEN not in output
    assert SECRET not in output
