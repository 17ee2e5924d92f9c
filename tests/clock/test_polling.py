"""Figures that are asked of Sentry's API: what they open, and what trouble with it disturbs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from sqlmodel import select
from structlog.testing import capture_logs

from responder import metrics
from responder.clock.polling import Polling
from responder.receive import sentry_api
from responder.receive.sentry_api import SentryApi
from responder.store.tables import Delivery, Measurement, OutcomeCount
from tests.in_process import DEFAULT_AREAS, Office, folder, office
from tests.stand_ins.process import SentryStandIn

RATES = "(transaction:/api/hms/*) is_transaction:true"
HMS = """
  hms:
    title: Video
    severity: high
    threshold: { failure_rate: 5%, per: 15m, at_least: 20 }
    rate_query: transaction:/api/hms/*
"""
OBJECTIVES = """
objectives:
  api-response:
    title: API response time
    measure: p95
    target: < 500ms
    alarm: "> 3s"
    area: default
    sentry: { field: p95(span.duration), query: "span.op:http.server" }
  succeeds:
    title: Connections that succeed
    target: "> 99%"
    area: default
    sentry: { field: failure_rate(), query: "transaction:connect" }
"""
NOON = datetime(2026, 9, 21, 12, 3, 30, tzinfo=UTC)


@dataclass
class Poller:
    """One replica's polling, at a time that the test tells."""

    here: Office
    sentry: SentryStandIn
    http: httpx.AsyncClient
    at: datetime = NOON

    def __post_init__(self) -> None:
        self.again()

    def again(self) -> None:
        """As after a restart: nothing is remembered."""
        app, stand_in = self.here.responder, self.sentry
        api = SentryApi(self.http, stand_in.api_url, stand_in.org, stand_in.token, now=self.now)
        self.polling = Polling(app.store, api, app.intake, lambda: app.configuration, now=self.now)

    def now(self) -> datetime:
        return self.at

    async def poll(self) -> None:
        await self.polling.poll()

    async def polled(self) -> list[Delivery]:
        """What polls have stored, once all of it is decided."""
        return await self.here.until(
            lambda session: list(session.exec(select(Delivery).where(Delivery.origin == "polled"))),
            lambda rows: all(row.decided_at for row in rows),
        )

    async def counts(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Attempts and failures by environment and minute."""
        await self.polled()
        rows = await self.here.responder.store.read(lambda s: list(s.exec(select(OutcomeCount))))
        return {
            (row.environment, f"{row.minute:%H:%M}"): (row.attempts, row.failures) for row in rows
        }

    async def values(self, objective: str) -> list[tuple[str, float]]:
        """What was measured, by the time it is of."""
        await self.polled()
        rows = await self.here.responder.store.read(
            lambda s: list(s.exec(select(Measurement).where(Measurement.objective == objective)))
        )
        return sorted((f"{row.at:%H:%M}", row.value) for row in rows)

    def asked(self) -> int:
        return len(self.sentry.calls("events"))


@asynccontextmanager
async def poller(sentry: SentryStandIn, where: Path, database: str) -> AsyncIterator[Poller]:
    """A service whose own clock polls nothing."""
    async with office(database, where) as here, httpx.AsyncClient() as http:
        yield Poller(here, sentry, http)


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'responder.db'}"


@pytest.fixture
def rates(tmp_path: Path) -> Path:
    return folder(tmp_path / "p", areas=DEFAULT_AREAS + HMS)


@pytest.fixture
def objectives(tmp_path: Path) -> Path:
    return folder(tmp_path / "p", objectives=OBJECTIVES)


def failing(sentry: SentryStandIn, attempts: object, rate: object) -> None:
    """Say what every minute's rate is."""
    row = {"count()": attempts, "failure_rate()": rate}
    sentry.table("spans", [row], query=RATES)


def connected(sentry: SentryStandIn) -> dict[str, object]:
    """Settings of a service that has a token."""
    return {
        "sentry_api_url": sentry.api_url,
        "sentry_api_token": SecretStr(sentry.token),
        "sentry_org": sentry.org,
    }


async def test_the_clock_polls_and_a_rate_over_the_threshold_opens_an_incident(
    sentry: SentryStandIn, rates: Path, database: str
) -> None:
    failing(sentry, 10, 0.1)
    async with office(database, rates, more=connected(sentry)) as here:
        opened = await here.until(
            lambda session: [i for i in session.exec(select(Delivery)) if i.decided_at],
            lambda rows: len(rows) == 15,
        )
        assert {row.origin for row in opened} == {"polled"}
        (incident,) = await here.incidents()
        assert (incident.area, incident.severity, incident.environment) == ("hms", "high", "")
        assert "failed (10 %), for a failure rate above 5 % in 15 min" in incident.matched
    asked = dict(sentry.calls("events")[0]["query"])
    start, end = (datetime.fromisoformat(asked[name]) for name in ("start", "end"))
    assert end - start == timedelta(minutes=1)
    assert timedelta(minutes=1) <= datetime.now(UTC) - end < timedelta(minutes=3)
    assert "environment" not in asked


async def test_too_few_attempts_open_nothing(
    sentry: SentryStandIn, rates: Path, database: str
) -> None:
    failing(sentry, 1, 1)
    async with poller(sentry, rates, database) as one:
        await one.poll()
        assert len(await one.counts()) == 15
        assert await one.here.incidents() == []


async def test_a_minute_is_asked_for_and_counted_once(
    sentry: SentryStandIn, rates: Path, database_url: str
) -> None:
    failing(sentry, 100, 0.01)
    async with poller(sentry, rates, database_url) as one:
        other = Poller(one.here, sentry, one.http)
        await asyncio.gather(one.poll(), other.poll())
        counts = await one.counts()
        assert set(counts.values()) == {(100, 1)}
        assert [minute for _, minute in sorted(counts)] == [
            f"{minute:%H:%M}"
            for minute in (
                NOON.replace(hour=11, minute=47) + timedelta(minutes=n) for n in range(15)
            )
        ]
        before = one.asked()
        await one.poll()
        one.again()
        await one.poll()
        assert one.asked() == before, "the store knows them all"
        one.at += timedelta(minutes=2)
        await one.poll()
        assert one.asked() == before + 2
        assert set((await one.counts()).values()) == {(100, 1)}


@pytest.mark.parametrize("nothing", [0, None])
async def test_minutes_with_nothing_in_them_are_not_kept_and_not_asked_for_again(
    sentry: SentryStandIn, rates: Path, database: str, nothing: object
) -> None:
    failing(sentry, nothing, None)
    async with poller(sentry, rates, database) as one:
        with capture_logs() as told:
            await one.poll()
            await one.poll()
        assert one.asked() == 15
        assert await one.polled() == []
        assert told == []


async def test_each_environment_that_counts_is_asked_for_by_itself(
    sentry: SentryStandIn, tmp_path: Path, database: str
) -> None:
    failing(sentry, 50, 0.5)
    areas = DEFAULT_AREAS + HMS + '    environments: [production, preview, ""]\n'
    async with poller(sentry, folder(tmp_path / "p", areas=areas), database) as one:
        await one.poll()
        environments = {environment for environment, _ in await one.counts()}
        assert environments == {"production", "preview"}
        asked = {dict(call["query"])["environment"] for call in sentry.calls("events")}
        assert asked == environments
        assert {i.environment for i in await one.here.incidents()} == environments


async def test_a_rate_limit_is_kept_to(sentry: SentryStandIn, rates: Path, database: str) -> None:
    failing(sentry, 100, 0.01)
    sentry.fail("events", "http", status=429, headers={"Retry-After": "60"})
    async with poller(sentry, rates, database) as one:
        await one.poll()
        assert one.asked() == 1
        one.at += timedelta(seconds=59)
        await one.poll()
        assert one.asked() == 1, "not before it may"
        one.at += timedelta(seconds=2)
        await one.poll()
        assert len(await one.counts()) == 15


@pytest.mark.parametrize("kind", ["http", "garbled", "hang"])
async def test_trouble_disturbs_nothing_is_told_once_and_is_made_up_for(
    sentry: SentryStandIn,
    rates: Path,
    database: str,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sentry_api, "SECONDS", 0.3)
    failing(sentry, 100, 0.01)
    sentry.fail("events", kind, times=3)
    failed = metrics.registry.get_sample_value
    count = ("responder_sentry_polls_total", {"answer": "failed"})
    before = failed(*count) or 0
    async with poller(sentry, rates, database) as one:
        with capture_logs() as told:
            for _ in range(3):
                await one.poll()
            decision = await one.here.decided(title="credit failure")
            assert decision.outcome == "opened"
            (line,) = [entry for entry in told if entry["event"] == "sentry.not_polled"]
            assert line["log_level"] == "warning"
            assert line["about"] == "hms"
            assert sentry.token not in str(told)
        assert one.asked() == 3, "what is unwell is asked once a poll"
        assert (failed(*count) or 0) - before == 3
        monkeypatch.undo()  # a busy machine may take longer than what is short for a test
        await one.poll()
        assert len(await one.counts()) == 15


async def test_one_bad_query_does_not_keep_the_others(
    sentry: SentryStandIn, objectives: Path, database: str
) -> None:
    sentry.table("spans", [{"failure_rate()": 0.25}], query="transaction:connect")
    sentry.fail("events", "http", times=1, status=400)
    async with poller(sentry, objectives, database) as one:
        await one.poll()
        assert [value for _, value in await one.values("succeeds")] == [75, 75, 75]


async def test_an_objective_is_measured_over_whole_five_minutes(
    sentry: SentryStandIn, objectives: Path, database: str
) -> None:
    sentry.table("spans", [{"p95(span.duration)": 3200.5, "failure_rate()": None}])
    async with poller(sentry, objectives, database) as one:
        await one.poll()
        assert await one.values("api-response") == [
            ("11:50", 3200.5),
            ("11:55", 3200.5),
            ("12:00", 3200.5),
        ]
        assert await one.values("succeeds") == []
        (incident,) = await one.here.incidents()
        assert incident.area == "default"
        assert "p95 3.2 s, where the target is < 500ms" in incident.matched
        sentry.table("spans", [{"p95(span.duration)": 640, "failure_rate()": 0.002}])
        one.at += timedelta(minutes=5)
        await one.poll()
        assert (await one.values("api-response"))[-1] == ("12:05", 640)
        assert (await one.values("succeeds"))[-1] == ("12:05", 99.8)
        assert len(await one.here.incidents()) == 1


async def test_without_questions_nothing_is_asked(
    sentry: SentryStandIn, tmp_path: Path, database: str
) -> None:
    async with poller(sentry, folder(tmp_path / "p"), database) as one:
        await one.poll()
        assert one.asked() == 0


async def test_an_answer_that_lacks_a_figure_is_told_and_stores_nothing(
    sentry: SentryStandIn, rates: Path, database: str
) -> None:
    failing(sentry, 100, None)
    async with poller(sentry, rates, database) as one:
        with capture_logs() as told:
            await one.poll()
            await one.poll()
        assert [entry["problem"] for entry in told] == ["failure_rate() is empty of 100 attempts"]
        assert await one.polled() == []


async def test_the_service_stops_at_once_while_sentry_hangs(
    sentry: SentryStandIn, rates: Path, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    sentry.fail("events", "hang")
    async with office(database, rates, more=connected(sentry)):
        while not sentry.calls("events"):  # noqa: ASYNC110 (it happens in another process)
            await asyncio.sleep(0.02)
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 3
    assert "Traceback" not in caplog.text
