"""The client for Sentry's API: what it asks, how it is refused, and that it keeps its secret."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from responder.receive import sentry_api
from responder.receive.sentry_api import SentryApi, SentryApiError
from tests.stand_ins.process import SentryStandIn

ISSUE = "5100200300"
EVENT = "a3f0c1d2e4b5968778695a4b3c2d1e0f"
REPLAY = "0123456789abcdef0123456789abcdef"
START, END = datetime(2026, 3, 4, 10, tzinfo=UTC), datetime(2026, 3, 4, 11, tzinfo=UTC)
INSTALLATION = "7d3e2f10-5c4b-4b8a-9e61-0f2a3b4c5d6e"


def utcnow() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def client(
    sentry: SentryStandIn,
    *,
    url: str = "",
    token: str = "",
    org: str = "",
    now: Callable[[], datetime] = utcnow,
) -> AsyncIterator[SentryApi]:
    """A client with an HTTP client of its own."""
    async with httpx.AsyncClient(trust_env=False) as http:
        yield SentryApi(
            http, url or sentry.api_url, org or sentry.org, token or sentry.token, now=now
        )


@pytest.fixture
async def api(sentry: SentryStandIn) -> AsyncIterator[SentryApi]:
    """A client for the stand-in, which knows one issue."""
    sentry.issue(ISSUE)
    async with client(sentry) as made:
        yield made


async def test_it_reads_an_issue_and_its_latest_event(
    api: SentryApi, sentry: SentryStandIn
) -> None:
    sentry.issue(ISSUE, title="CreditError", count="7")
    sentry.event(ISSUE, {"eventID": "older"})
    sentry.event(ISSUE, {"eventID": EVENT, "entries": []})
    issue = await api.issue(ISSUE)
    assert (issue["title"], issue["count"]) == ("CreditError", "7")
    assert await api.latest_event(ISSUE) == {"eventID": EVENT, "entries": []}
    assert [call["path"] for call in sentry.calls()] == [
        f"/api/0/organizations/kulti/issues/{ISSUE}/",
        f"/api/0/organizations/kulti/issues/{ISSUE}/events/latest/",
    ]


async def test_an_event_that_is_not_there_yet_is_404(api: SentryApi) -> None:
    with pytest.raises(SentryApiError, match="not there, or not in the organisation") as raised:
        await api.latest_event(ISSUE)
    assert (raised.value.status, raised.value.again) == (404, False)


async def test_searching_follows_every_page(sentry: SentryStandIn) -> None:
    for number in range(7):
        sentry.issue(str(100 + number), lastSeen=f"2026-03-04T10:0{number}:00Z")
    sentry.issue("200", status="resolved", lastSeen="2026-03-04T10:30:00Z")
    sentry.issue("201", lastSeen="2026-03-04T12:00:00Z")
    sentry.page(3)
    async with client(sentry) as api:
        found = await api.issues("is:unresolved", start=START, end=END)
        assert [issue["id"] for issue in found] == [str(100 + n) for n in reversed(range(7))]
        assert len(sentry.calls("issues")) == 3
        assert len(await api.issues("is:unresolved", start=START, end=END, limit=4)) == 4
        assert len(sentry.calls("issues")) == 5
        assert len(await api.issues("", start=START, end=END)) == 8


async def test_searching_says_where_and_when(api: SentryApi, sentry: SentryStandIn) -> None:
    found = await api.issues("", stats_period="15m", project="kulti", environment="production")
    assert [issue["id"] for issue in found] == [ISSUE]
    assert sentry.calls("issues")[0]["query"] == [
        ["query", ""],
        ["sort", "date"],
        ["limit", "100"],
        ["statsPeriod", "15m"],
        ["project", "kulti"],
        ["environment", "production"],
    ]


async def test_pages_without_end_are_left_at_a_bound(
    sentry: SentryStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentry_api, "MOST_PAGES", 3)
    for number in range(9):
        sentry.issue(str(100 + number))
    sentry.page(1)
    async with client(sentry) as api:
        assert len(await api.issues("")) == 3


async def test_figures_come_as_a_table(api: SentryApi, sentry: SentryStandIn) -> None:
    query = 'transaction:"POST /api/webhooks/hms"'
    sentry.table("spans", [{"count()": 120, "failure_rate()": 0.25}], query)
    table = await api.events(
        "spans", ["count()", "failure_rate()"], query, START, END, environment="production"
    )
    assert table["data"] == [{"count()": 120, "failure_rate()": 0.25}]
    assert dict(sentry.calls("events")[0]["query"]) == {
        "dataset": "spans",
        "field": "failure_rate()",
        "query": query,
        "start": "2026-03-04T10:00:00Z",
        "end": "2026-03-04T11:00:00Z",
        "environment": "production",
        "per_page": "100",
    }
    assert (await api.events("errors", ["count()"], "", START, END))["data"] == []
    with pytest.raises(ValueError, match="1 to 20 fields"):
        await api.events("errors", [], "", START, END)


async def test_who_committed_what_an_event_is_about(api: SentryApi, sentry: SentryStandIn) -> None:
    assert await api.committers("kulti", EVENT) == []
    suspects = [{"author": {"name": "Ann"}, "commits": [{"id": "c0ffee"}]}]
    sentry.committers(EVENT, suspects)
    assert await api.committers("kulti", EVENT) == suspects


async def test_which_replays_an_issue_has(api: SentryApi, sentry: SentryStandIn) -> None:
    assert await api.replay_ids(ISSUE) == []
    sentry.replays(ISSUE, [REPLAY, "javascript:alert(1)"])
    assert await api.replay_ids(ISSUE) == [REPLAY]
    sentry.fail("replays", "http", status=400)  # an older one knows only another source
    assert await api.replay_ids(ISSUE) == [REPLAY]
    assert dict(sentry.calls("replays")[-1]["query"])["data_source"] == "discover"
    sentry.fail("replays", "http", status=404, times=2)
    assert await api.replay_ids(ISSUE) == []


async def test_comments_are_written_and_read(api: SentryApi, sentry: SentryStandIn) -> None:
    for number in range(4):
        await api.comment(ISSUE, f"comment {number}")
    sentry.page(2)
    said = [comment["data"]["text"] for comment in await api.comments(ISSUE)]
    assert sorted(said) == [f"comment {number}" for number in range(4)]
    with pytest.raises(SentryApiError, match="already posted that comment") as raised:
        await api.comment(ISSUE, "comment 1")
    assert (raised.value.status, raised.value.again) == (400, False)


async def test_an_issue_is_changed_by_its_id(api: SentryApi, sentry: SentryStandIn) -> None:
    changed = await api.update_issue(ISSUE, status="resolved", assignedTo="team:2")
    assert (changed["status"], changed["assignedTo"]["type"]) == ("resolved", "team")
    assert sentry.calls()[0]["path"].endswith(f"/issues/{ISSUE}/")
    with pytest.raises(ValueError, match="nothing to change"):
        await api.update_issue(ISSUE)


async def test_an_incident_is_linked_to_an_issue(api: SentryApi, sentry: SentryStandIn) -> None:
    link = await api.link_external(INSTALLATION, ISSUE, "https://r.example/1", "responder", "1")
    assert link["displayName"] == "responder#1"
    assert sentry.links(ISSUE)[0]["issueId"] == int(ISSUE)


@pytest.mark.parametrize("forged", ["", "1/../2", "..", "1?x", "1%2f", "²", "1\n", "9" * 21, "-1"])
async def test_what_is_no_id_changes_no_path(
    forged: str, api: SentryApi, sentry: SentryStandIn
) -> None:
    for call in (
        api.issue(forged),
        api.latest_event(forged),
        api.comments(forged),
        api.comment(forged, "x"),
        api.update_issue(forged, status="resolved"),
        api.replay_ids(forged),
        api.committers("kulti", forged),
        api.committers(f"../{forged}", EVENT),
        api.link_external(forged, ISSUE, "https://r.example", "responder", "1"),
        api.link_external(INSTALLATION, forged, "https://r.example", "responder", "1"),
    ):
        with pytest.raises(SentryApiError, match="is no"):
            await call
    assert sentry.calls() == []


async def test_what_is_no_organisation_makes_no_client(sentry: SentryStandIn) -> None:
    with pytest.raises(SentryApiError, match="is no organisation's slug"):
        async with client(sentry, org="kulti/../other"):
            pass


# Refusals


async def test_a_used_up_endpoint_is_left_alone_until_it_says(
    api: SentryApi, sentry: SentryStandIn
) -> None:
    sentry.limit("issue", calls=1, seconds=60)
    await api.issue(ISSUE)  # the answer says that none remain
    for _ in range(2):
        with pytest.raises(SentryApiError, match="less often") as raised:
            await api.issue(ISSUE)
        assert (raised.value.status, raised.value.again) == (429, True)
        assert raised.value.retry_after is not None
        assert 55 < raised.value.retry_after <= 61
    assert len(sentry.calls("issue")) == 1
    await api.comments(ISSUE)  # others have limits of their own


@pytest.mark.parametrize("retry_after", [True, False])
async def test_refused_it_says_when_to_come_back(retry_after: bool, sentry: SentryStandIn) -> None:
    sentry.issue(ISSUE)
    sentry.limit("issue", calls=1, seconds=60, retry_after=retry_after)
    async with client(sentry) as other, client(sentry) as api:
        await other.issue(ISSUE)
        for _ in range(2):
            with pytest.raises(SentryApiError) as raised:
                await api.issue(ISSUE)
            assert raised.value.retry_after is not None
            assert 55 < raised.value.retry_after <= 61
    assert len(sentry.calls("issue")) == 2


async def test_after_that_time_it_asks_again(sentry: SentryStandIn) -> None:
    sentry.issue(ISSUE)
    ahead = timedelta()
    async with client(sentry, now=lambda: utcnow() + ahead) as api:
        sentry.fail("issue", "http", status=429, headers={"Retry-After": "30"})
        with pytest.raises(SentryApiError) as raised:
            await api.issue(ISSUE)
        assert raised.value.retry_after == pytest.approx(30, abs=1)
        ahead = timedelta(seconds=31)
        assert (await api.issue(ISSUE))["id"] == ISSUE


async def test_a_short_wait_is_waited(api: SentryApi, sentry: SentryStandIn) -> None:
    sentry.fail("issue", "http", status=429, headers={"Retry-After": "0.2"})
    started = time.monotonic()
    assert (await api.issue(ISSUE))["id"] == ISSUE
    assert 0.2 <= time.monotonic() - started < 2


@pytest.mark.parametrize("said", [{}, {"Retry-After": "tomorrow"}, {"Retry-After": "1e999"}])
async def test_a_limit_without_a_time_is_a_pause(
    said: dict[str, str], api: SentryApi, sentry: SentryStandIn
) -> None:
    sentry.fail("issue", "http", status=429, headers=said)
    with pytest.raises(SentryApiError) as raised:
        await api.issue(ISSUE)
    assert raised.value.retry_after == pytest.approx(sentry_api.PAUSE, abs=1)


async def test_no_answer_keeps_it_away_for_more_than_an_hour(
    api: SentryApi, sentry: SentryStandIn
) -> None:
    sentry.fail("issue", "http", status=429, headers={"Retry-After": "99999999999999"})
    with pytest.raises(SentryApiError) as raised:
        await api.issue(ISSUE)
    assert raised.value.retry_after == pytest.approx(3600, abs=1)


async def test_two_calls_at_most_are_under_way(api: SentryApi, sentry: SentryStandIn) -> None:
    sentry.fail("issue", "late", times=6, seconds=0.2)
    started = time.monotonic()
    await asyncio.gather(*(api.issue(ISSUE) for _ in range(6)))
    assert time.monotonic() - started >= 0.6
    first = [call["at"] for call in sentry.calls("issue")]
    assert first[2] - first[0] >= 0.18


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_failing_sentry_may_be_asked_again(
    status: int, api: SentryApi, sentry: SentryStandIn
) -> None:
    sentry.fail("issue", "http", status=status)
    with pytest.raises(SentryApiError, match=f"answered {status} when asked to read") as raised:
        await api.issue(ISSUE)
    assert (raised.value.status, raised.value.again) == (status, True)


async def test_a_silent_sentry_is_given_up(
    api: SentryApi, sentry: SentryStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentry_api, "SECONDS", 0.3)
    sentry.fail("issue", "hang")
    with pytest.raises(SentryApiError, match=r"did not answer within 0\.3 s") as raised:
        await api.issue(ISSUE)
    assert (raised.value.status, raised.value.again) == (None, True)
    assert (await api.issue(ISSUE))["id"] == ISSUE  # its turn is free again


async def test_a_lost_answer_is_no_success(api: SentryApi, sentry: SentryStandIn) -> None:
    sentry.fail("comment", "lost")
    with pytest.raises(SentryApiError, match="can't be reached") as raised:
        await api.comment(ISSUE, "credits are paused")
    assert raised.value.again
    assert sentry.comments(ISSUE) == ["credits are paused"]


async def test_a_redirect_is_not_followed(api: SentryApi, sentry: SentryStandIn) -> None:
    elsewhere = f"{sentry.api_url}organizations/kulti/issues/{ISSUE}/"
    sentry.fail("issue", "http", status=302, headers={"Location": elsewhere})
    with pytest.raises(SentryApiError, match="redirects are not followed") as raised:
        await api.issue(ISSUE)
    assert not raised.value.again
    assert len(sentry.calls()) == 1


async def test_an_answer_that_is_too_large_is_refused(
    api: SentryApi, sentry: SentryStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentry_api, "LARGEST", 20_000)
    sentry.issue(ISSUE, title="x" * 30_000)
    with pytest.raises(SentryApiError, match="larger than 20000 bytes"):
        await api.issue(ISSUE)


async def test_an_answer_of_another_kind_is_refused(api: SentryApi, sentry: SentryStandIn) -> None:
    sentry.fail("issue", "garbled")
    with pytest.raises(SentryApiError, match="can't be read; is RESPONDER_SENTRY_API_URL right"):
        await api.issue(ISSUE)
    sentry.event(ISSUE, ["no", "event"])  # type: ignore[arg-type]
    with pytest.raises(SentryApiError, match="can't be read"):
        await api.latest_event(ISSUE)


# The secret


async def test_a_wrong_token_is_told_and_never_shown(
    sentry: SentryStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with client(sentry, token="hush-hush-hush") as api:
        with pytest.raises(SentryApiError, match="set RESPONDER_SENTRY_API_TOKEN") as raised:
            await api.issue(ISSUE)
        assert raised.value.status == 401
        assert "hush" not in repr(api) + repr(vars(api))
    assert "hush" not in "".join(traceback.format_exception(raised.value))
    assert "hush" not in caplog.text


@pytest.mark.parametrize(
    ("endpoint", "permission"),
    [("issue", "Issue & Event: Read;"), ("comment", "Issue & Event: Read & Write;")],
)
async def test_a_token_that_may_not_says_what_it_lacks(
    endpoint: str, permission: str, api: SentryApi, sentry: SentryStandIn
) -> None:
    sentry.fail(endpoint, "http", status=403)
    calls: dict[str, Callable[[], Any]] = {
        "issue": lambda: api.issue(ISSUE),
        "comment": lambda: api.comment(ISSUE, "x"),
    }
    with pytest.raises(SentryApiError, match=f"lacks the permission {permission}") as raised:
        await calls[endpoint]()
    assert (raised.value.status, raised.value.again) == (403, False)
    assert "RESPONDER_SENTRY_API_TOKEN" in str(raised.value)


@pytest.mark.parametrize("token", ["hush\nhush", "hüsh", "hush hush", ""])
async def test_a_token_no_header_can_carry_makes_no_client(token: str) -> None:
    async with httpx.AsyncClient() as http:
        with pytest.raises(ValueError, match="no header can carry") as raised:
            SentryApi(http, "http://127.0.0.1:1/api/0/", "kulti", token, now=utcnow)
    assert "hush" not in str(raised.value)


async def test_a_token_that_is_said_back_is_not_passed_on() -> None:
    def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json={"detail": f"bad {request.headers['authorization']}"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(echo)) as http:
        api = SentryApi(http, "http://sentry.test/api/0/", "kulti", "hush", now=utcnow)
        with pytest.raises(SentryApiError, match=r"bad Bearer \[token\]") as raised:
            await api.issue(ISSUE)
    assert "hush" not in str(raised.value)


async def test_nobody_at_that_address(sentry: SentryStandIn) -> None:
    async with client(sentry, url="http://127.0.0.1:1/api/0/") as api:
        with pytest.raises(SentryApiError, match="check RESPONDER_SENTRY_API_URL") as raised:
            await api.issue(ISSUE)
    assert (raised.value.status, raised.value.again) == (None, True)
