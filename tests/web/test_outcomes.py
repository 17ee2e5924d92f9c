"""Figures that an app posts become deliveries, are counted once, and open an incident if bad."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlmodel import select

from responder.store.tables import Delivery, Measurement, OutcomeCount
from tests.in_process import ANN, Office, office
from tests.over_http import TOKEN, call, over_http
from tests.service import PLAYBOOKS

OUTCOMES_TOKEN = "only-for-figures"
Running = tuple[Office, httpx.AsyncClient]


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Running]:
    """The shipped playbooks: of hms more than 5 % in 15 minutes, of at least 20, is too much."""
    token = {"outcomes_token": SecretStr(OUTCOMES_TOKEN)}
    async with (
        office(f"sqlite:///{tmp_path / 'r.db'}", PLAYBOOKS, more=token) as running,
        over_http(running.responder) as client,
    ):
        yield running, client


async def post(client: httpx.AsyncClient, *items: Any, **headers: str) -> httpx.Response:
    given = {"Authorization": f"Bearer {OUTCOMES_TOKEN}", **headers}
    return await client.post("/api/v1/outcomes", json={"items": items}, headers=given)


def hms(attempts: int, failures: int, **more: Any) -> dict[str, Any]:
    tried = {"area": "hms", "environment": "production", "attempts": attempts}
    return {**tried, "failures": failures, **more}


async def ids(office: Office, answer: httpx.Response) -> list[str]:
    """What became of each item."""
    assert answer.status_code == 200, answer.text
    found = [await office.decision(item["id"]) for item in answer.json()["items"]]
    return [decision.outcome for decision in found]


async def counted(office: Office) -> tuple[int, int]:
    """All attempts and failures."""
    rows = await office.responder.store.read(lambda s: list(s.exec(select(OutcomeCount))))
    return sum(row.attempts for row in rows), sum(row.failures for row in rows)


async def test_a_failure_rate_opens_an_incident_that_says_so(here: Running) -> None:
    office, client = here
    fine = await post(client, hms(100, 5))
    assert fine.json() == {"items": [{"id": 1, "duplicate": False}], "next": None}
    assert await ids(office, fine) == ["measured"], "5 % is not more than 5 %"
    assert await office.incidents() == []

    bad = await post(client, hms(40, 6))
    assert await ids(office, bad) == ["opened"]
    (incident,) = await office.incidents()
    assert (incident.area, incident.environment) == ("hms", "production")
    assert incident.title == (
        "11 of 140 failed (7.86 %), for a failure rate above 5 % in 15 minutes"
    )
    assert await ids(office, await post(client, hms(40, 40))) == ["measured"], "one is open"


async def test_of_too_few_attempts_nothing_follows(here: Running) -> None:
    office, client = here
    assert await ids(office, await post(client, hms(19, 19))) == ["measured"]
    assert await office.incidents() == []
    assert await ids(office, await post(client, hms(1, 0))) == ["opened"]


async def test_the_same_key_changes_nothing_again(here: Running) -> None:
    office, client = here
    items = [hms(10, 1), {"objective": "hms-connection", "value": 1800}]
    first = await post(client, *items, **{"Idempotency-Key": "minute-7"})
    again = await post(client, *items, **{"Idempotency-Key": "minute-7"})
    assert [item["duplicate"] for item in first.json()["items"]] == [False, False]
    assert [item["duplicate"] for item in again.json()["items"]] == [True, True]
    assert [i["id"] for i in again.json()["items"]] == [i["id"] for i in first.json()["items"]]
    await ids(office, again)
    assert await counted(office) == (10, 1)
    await ids(office, await post(client, *items))
    await ids(office, await post(client, *items))
    assert await counted(office) == (30, 3), "without a key each is news"


async def test_a_replay_is_not_counted(here: Running) -> None:
    office, client = here
    posted = await post(client, hms(19, 6), {"objective": "hms-connection", "value": 9})
    await ids(office, posted)
    for item in posted.json()["items"]:
        again = await office.responder.desk.replay(item["id"], ANN)
        assert (await office.decision(again)).outcome == "measured"
    assert await counted(office) == (19, 6)
    values = await office.responder.store.read(lambda s: list(s.exec(select(Measurement))))
    assert [row.value for row in values] == [9]
    assert await office.incidents() == []


async def test_it_counts_in_the_minute_it_happened(here: Running) -> None:
    office, client = here
    then = datetime.now(UTC) - timedelta(hours=2)
    posted = await post(client, hms(100, 1, at=then.isoformat()), hms(5, 5))
    await ids(office, posted)
    rows = await office.responder.store.read(
        lambda s: list(s.exec(select(OutcomeCount).order_by("minute")))
    )
    assert [(row.attempts, row.failures) for row in rows] == [(100, 1), (5, 5)]
    assert rows[0].minute == then.replace(second=0, microsecond=0)
    stored = await office.responder.store.read(lambda s: s.get(Delivery, 1))
    assert stored is not None
    assert (stored.source, stored.origin, stored.resource) == ("outcomes", "posted", "area")
    assert json.loads(stored.body)["attempts"] == 100


async def test_an_objective_beyond_its_alarm_opens_an_incident(here: Running) -> None:
    office, client = here
    values = ({"objective": "api-response", "value": value} for value in (400, 3200.5))
    assert await ids(office, await post(client, *values)) == ["measured", "opened"]
    (incident,) = await office.incidents()
    assert incident.area == "performance"
    assert "3.2 s" in incident.title


NOW = datetime.now(UTC)
WRONG: dict[str, tuple[Any, str]] = {
    "no items": ([], "items: "),
    "too many": ([hms(1, 0)] * 101, "items: "),
    "no such area": (
        [hms(1, 0), hms(1, 0) | {"area": "hmss"}],
        "items.1.area: there is no area hmss; ",
    ),
    "no such objective": ([{"objective": "x", "value": 1}], "there are: page-load, api-response"),
    "neither": ([{"value": 1}], "name one: an area or an objective"),
    "both": ([hms(1, 0, objective="page-load", value=1)], "name one"),
    "an area with a value": ([hms(1, 0, value=1)], "an area has attempts and failures"),
    "an area without failures": ([{"area": "hms", "attempts": 1}], "attempts and failures"),
    "an objective that failed": (
        [{"objective": "page-load", "value": 1, "failures": 0}],
        "an objective has a value",
    ),
    "more failures than attempts": ([hms(5, 6)], "more failures than attempts"),
    "no attempts": ([hms(0, 0)], "items.0.attempts: "),
    "too many attempts": ([hms(1_000_001, 0)], "items.0.attempts: "),
    "fewer than none": ([hms(1, -1)], "items.0.failures: "),
    "half an attempt": ([hms(1, 0) | {"attempts": 1.5}], "items.0.attempts: "),
    "a word": ([hms(1, 0) | {"attempts": "7"}], "items.0.attempts: "),
    "yes": ([hms(1, 0) | {"failures": True}], "items.0.failures: "),
    "too old": ([hms(1, 0, at=(NOW - timedelta(days=7, hours=1)).isoformat())], "items.0.at: "),
    "from the future": ([hms(1, 0, at=(NOW + timedelta(hours=2)).isoformat())], "items.0.at: "),
    "of no zone": ([hms(1, 0, at="2026-11-03T12:00:00")], "items.0.at: "),
    "another field": ([hms(1, 0, errors=1)], "items.0.errors: "),
}


async def test_what_is_wrong_is_named_and_nothing_is_stored(here: Running) -> None:
    _, client = here
    for kind, (items, words) in WRONG.items():
        answer = await post(client, *items)
        assert answer.status_code == 422, (kind, answer.text)
        assert words in answer.json()["detail"], kind
    for number in ("NaN", "Infinity", "-Infinity", "1e999", '"5"', "true", "null"):
        body = f'{{"items": [{{"objective": "page-load", "value": {number}}}]}}'
        answer = await call(client, "POST", "/outcomes", content=body)
        assert answer.status_code == 422, (number, answer.text)
    assert (await call(client, "GET", "/deliveries")).json()["items"] == []


async def test_a_key_has_an_end(here: Running) -> None:
    _, client = here
    answer = await post(client, hms(1, 0), **{"Idempotency-Key": "k" * 101})
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["detail"]


async def test_its_token_opens_nothing_else(here: Running) -> None:
    _, client = here
    for token, status in ((OUTCOMES_TOKEN, 200), (TOKEN, 200), ("", 401), ("x", 401)):
        answer = await post(client, hms(1, 0), Authorization=f"Bearer {token}".strip())
        assert answer.status_code == status, token
    for method, path in (
        ("GET", "/deliveries"),
        ("GET", "/refusals"),
        ("GET", "/switches"),
        ("POST", "/switches/credit-transactions/hold"),
        ("POST", "/deliveries/1/replay"),
    ):
        theirs = {"Authorization": f"Bearer {OUTCOMES_TOKEN}"}
        answer = await call(client, method, path, json={"reason": "x"}, headers=theirs)
        assert answer.status_code == 401, path


async def test_without_a_token_of_its_own_the_api_s_is_needed(tmp_path: Path) -> None:
    async with (
        office(f"sqlite:///{tmp_path / 'r.db'}", PLAYBOOKS) as running,
        over_http(running.responder) as client,
    ):
        assert (await post(client, hms(1, 0), Authorization="Bearer")).status_code == 401
        assert (await post(client, hms(1, 0), Authorization="Bearer None")).status_code == 401
        assert (await post(client, hms(1, 0), Authorization=f"Bearer {TOKEN}")).status_code == 200


async def test_a_hundred_at_once_are_stored_together(here: Running) -> None:
    office, client = here
    began = time.monotonic()
    answer = await post(client, *[hms(10, 0)] * 100)
    assert time.monotonic() - began < 2
    numbers = [item["id"] for item in answer.json()["items"]]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == 100
    await office.decision(numbers[-1])
    assert await counted(office) == (1000, 0)
