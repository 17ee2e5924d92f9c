"""What starts nothing may be said again in the same bytes, and is heard each time."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.in_process import Office, folder, office
from tests.over_http import over_http, send

Sent = dict[str, Any]


def issue(action: str) -> Sent:
    """The issue in that state; the bytes tell nothing of when."""
    about = {"id": "6400000777", "title": "credit failure", "culprit": "GET /", "level": "error"}
    return {"action": action, "data": {"issue": about}, "actor": {"type": "user", "name": "Ann"}}


@pytest.fixture
async def here(
    tmp_path: Path, database_url: str
) -> AsyncIterator[tuple[Office, httpx.AsyncClient]]:
    where = folder(tmp_path / "p")
    async with office(database_url, where) as running, over_http(running.responder) as client:
        yield running, client


async def outcomes(office: Office, answers: list[httpx.Response]) -> list[str]:
    return [(await office.decision(answer.json()["id"])).outcome for answer in answers]


@pytest.mark.parametrize("header", ["Idempotency-Key", "Sentry-Hook-Timestamp"])
async def test_an_issue_goes_to_and_fro(
    here: tuple[Office, httpx.AsyncClient], header: str
) -> None:
    office, client = here
    answers, moments = [], itertools.count(1_790_000_000)
    for action in ("created", "resolved", "unresolved", "resolved", "assigned", "assigned"):
        answers.append(await send(client, "issue", issue(action), **{header: str(next(moments))}))
        assert answers[-1].status_code == 202, action
    assert len({answer.json()["id"] for answer in answers}) == 6
    noted = ["opened", "noted", "joined", "noted", "noted", "noted"]
    assert await outcomes(office, answers) == noted
    (incident,) = await office.incidents()
    assert incident.id is not None
    said = [text for _, text in await office.told(incident.id, "sentry-resolved")]
    assert said == ["Sentry: issue resolved by Ann"] * 2


async def test_a_metric_that_is_well_again(here: tuple[Office, httpx.AsyncClient]) -> None:
    _, client = here
    metric = {"action": "resolved", "data": {"metric_alert": {"id": "5", "title": "rate"}}}
    answers = [
        await send(client, "metric_alert", metric, **{"Idempotency-Key": key}) for key in "ab"
    ]
    assert [answer.status_code for answer in answers] == [202, 202]


async def test_the_same_attempt_twice_is_still_a_duplicate(
    here: tuple[Office, httpx.AsyncClient],
) -> None:
    _, client = here
    for headers in ({"Idempotency-Key": "k"}, {"Sentry-Hook-Timestamp": "1790000000"}):
        answers = [await send(client, "issue", issue("resolved"), **headers) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 200]
        assert answers[1].json() == {"id": answers[0].json()["id"], "duplicate": True}


async def test_what_may_start_something_is_not_heard_twice(
    here: tuple[Office, httpx.AsyncClient],
) -> None:
    _, client = here
    for action in ("created", "unresolved"):
        answers = [
            await send(client, "issue", issue(action), **{"Idempotency-Key": f"{action}{key}"})
            for key in "ab"
        ]
        assert [answer.status_code for answer in answers] == [202, 200]


async def test_another_name_in_the_header_makes_nothing_heard_twice(
    here: tuple[Office, httpx.AsyncClient],
) -> None:
    """The signature covers the body alone: whoever captured it can send any header."""
    _, client = here
    for name in ("comment", "installation", "activity_alert"):
        answers = [
            await send(client, name, issue("created"), **{"Idempotency-Key": f"{name}{key}"})
            for key in "ab"
        ]
        assert [answer.json()["id"] for answer in answers] == [1, 1]
