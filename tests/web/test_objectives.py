"""The page and the API that show objectives and failure rates."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import Session

from responder.people.roles import Role
from responder.receive.intake import Incoming
from responder.web.sparkline import EDGE, HEIGHT, WIDTH, Sparkline, draw
from tests.in_process import Office, folder, office
from tests.web.figures import counted, lived_in, measured
from tests.web.inside import Inside, inside
from tests.web.site import text_of

AREAS = """
areas:
  hms:
    title: Video
    severity: high
    threshold:
      - { failure_rate: 5%, per: 15m, at_least: 20 }
      - { failure_rate: 50%, per: 1m, severity: critical }
    rate_query: transaction:/api/hms/*
  default:
    title: Everything else
    severity: medium
    threshold: { any: true }
"""
OBJECTIVES = """
objectives:
  page-load:
    title: Page <load> time
    measure: p95
    target: < 2s
    alarm: "> 3s"
    area: hms
    metric_rules: [page load]
    sentry: { field: p95(span.duration) }
  succeeds:
    title: Connections that succeed
    target: "> 99%"
    area: default
"""


@pytest.fixture
def where(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'responder.db'}"


@pytest.fixture
async def here(where: str, tmp_path: Path) -> AsyncIterator[Office]:
    playbooks = folder(tmp_path / "p", areas=AREAS, objectives=OBJECTIVES)
    async with office(where, playbooks) as running:
        yield running


@pytest.fixture
async def visitor(here: Office) -> AsyncIterator[Inside]:
    async with inside(here.responder) as one:
        yield one


async def put(here: Office, work: Callable[[Session, datetime], object]) -> None:
    now = datetime.now(UTC)

    def write(session: Session) -> None:
        work(session, now)

    await here.responder.store.write(write)


def ago(now: datetime, **span: float) -> datetime:
    return now - timedelta(**span)


async def test_what_nobody_has_measured_says_how_it_can_be(visitor: Inside) -> None:
    words = text_of(await visitor.get("/objectives"))
    assert words.count("Nobody has measured it yet.") == 2
    assert "a metric alert in Sentry with “page load” in its rule’s name" in words
    assert "Sentry’s API, once RESPONDER_SENTRY_API_TOKEN is set" in words
    assert "Nobody has counted in the last 24 hours" in words
    found = await visitor.json("/objectives")
    assert [one["status"] for one in found["items"]] == ["unknown", "unknown"]
    assert [one["environments"] for one in found["items"]] == [[], []]
    (rates,) = found["rates"]
    assert (rates["area"], rates["counted_at"]) == ("hms", None)
    assert {rate["status"] for rate in rates["rates"]} == {"unknown"}


async def test_a_value_its_age_its_trend_and_its_share(here: Office, visitor: Inside) -> None:
    def work(session: Session, now: datetime) -> None:
        for hours, value in ((160, 4000), (100, 1200), (20, 1400), (10, 2600), (0.5, 1900.4)):
            measured(session, "page-load", ago(now, hours=hours), value)
        measured(session, "page-load", ago(now, days=8), 9000)

    await put(here, work)
    page_load, _ = (await visitor.json("/objectives"))["items"]
    assert (page_load["status"], page_load["unit"]) == ("met", "ms")
    (one,) = page_load["environments"]
    assert (one["environment"], one["value"], one["source"]) == ("production", 1900.4, "polled")
    assert one["met_share"] == 60
    assert [point["value"] for point in one["day"]["points"]] == [1400, 2600, 1900.4]
    assert (one["day"]["lowest"], one["day"]["highest"]) == (1400, 2600)
    assert [point["value"] for point in one["week"]["points"]] == [4000, 1200, 1400, 2600, 1900.4]
    assert one["week"]["readings"] == 5
    words = text_of(await visitor.get("/objectives"))
    assert "✓ met 1.9 s" in words
    assert re.search("30 min( [0-9]+ s)? ago from Sentry’s API", words)
    assert "60 % of 5 readings in 7 days met the target" in words
    assert "24 hours from 1.4 s to 1.9 s; lowest 1.4 s, highest 2.6 s" in words
    assert "> 3s opens an incident in Video" in words.replace("&gt;", ">")


async def test_readings_of_one_stretch_are_averaged(here: Office, visitor: Inside) -> None:
    def work(session: Session, now: datetime) -> None:
        quarter = timedelta(minutes=15)
        start = datetime.fromtimestamp(now.timestamp() // 900 * 900, UTC) - 4 * quarter
        for minutes, value in ((0, 1000), (5, 3000), (14.99, 2000), (15, 7000)):
            measured(session, "page-load", start + timedelta(minutes=minutes), value)

    await put(here, work)
    day = (await visitor.json("/objectives"))["items"][0]["environments"][0]["day"]
    assert [point["value"] for point in day["points"]] == [2000, 7000]
    first, second = (datetime.fromisoformat(point["at"]) for point in day["points"])
    assert second - first == timedelta(minutes=15)
    assert (day["lowest"], day["highest"], day["readings"]) == (1000, 7000, 4)


async def test_each_environment_has_its_own_and_the_worst_counts(
    here: Office, visitor: Inside
) -> None:
    def work(session: Session, now: datetime) -> None:
        measured(session, "succeeds", ago(now, minutes=5), 99.5, origin="posted")
        measured(session, "succeeds", ago(now, minutes=9), 98.7, environment="staging")
        for number in range(7):
            environment = f"preview-{number}"
            measured(session, "succeeds", ago(now, minutes=30), 99.9, environment=environment)

    await put(here, work)
    succeeds = (await visitor.json("/objectives"))["items"][1]
    assert succeeds["status"] == "missed"
    shown = [(one["environment"], one["status"]) for one in succeeds["environments"]]
    assert shown[:2] == [("production", "met"), ("staging", "missed")]
    assert len(shown) == 5, "whoever measures names them, so there may be very many"


async def test_an_old_value_says_nothing_about_now(here: Office, visitor: Inside) -> None:
    await put(
        here,
        lambda session, now: (
            measured(
                session,
                "page-load",
                ago(now, days=12),
                2600,
                origin="webhook",
                resource="metric_alert",
            ),
            measured(session, "succeeds", ago(now, hours=25), 99.9, origin="posted"),
        ),
    )
    items = (await visitor.json("/objectives"))["items"]
    assert [one["status"] for one in items] == ["unknown", "unknown"]
    words = text_of(await visitor.get("/objectives"))
    assert "12 d ago from a metric alert in Sentry" in words
    assert "it missed the target then" in words
    assert "it met the target then" in words
    assert "7 days nothing was measured" in words


async def test_a_share_is_all_only_if_all_met(here: Office, visitor: Inside) -> None:
    def work(session: Session, now: datetime) -> None:
        for number in range(1001):
            at = ago(now, minutes=3 + number)
            measured(session, "page-load", at, 2000 if number == 9 else 1000)

    await put(here, work)
    assert "99.9 % of 1,001 readings" in text_of(await visitor.get("/objectives"))


async def test_it_leads_to_the_incident_a_value_opened(here: Office, visitor: Inside) -> None:
    app = here.responder
    for number, value in enumerate((3500, 3600, 1000)):
        body = f'{{"objective": "page-load", "value": {value}}}'.encode()
        receipt = await app.intake.take(
            Incoming("outcomes", "objective", "", f"k{number}", {}, body, app.now(), "posted")
        )
        await here.decision(receipt.id)
    (incident,) = await here.incidents()
    page_load = (await visitor.json("/objectives"))["items"][0]
    assert page_load["last_incident"] == incident.id
    assert (page_load["status"], page_load["environments"][0]["value"]) == ("met", 1000)
    page = await visitor.get("/objectives")
    assert f'<a href="/incidents/{incident.id}">incident #{incident.id}</a>' in page.text


async def test_failure_rates_beside_their_thresholds(here: Office, visitor: Inside) -> None:
    def work(session: Session, now: datetime) -> None:
        for minutes, attempts, failures in ((0, 10, 0), (5, 100, 12), (14, 10, 0), (15, 999, 999)):
            counted(session, "hms", ago(now, minutes=minutes), attempts, failures)
        settled = {"settled_attempts": 3, "settled_failures": 3, "environment": "staging"}
        counted(session, "hms", ago(now, minutes=2), 3, 3, **settled)
        counted(session, "hms", ago(now, hours=25), 40, 40, environment="old")

    await put(here, work)
    production, staging = (await visitor.json("/objectives"))["rates"]
    window, minute = production["rates"]
    assert (window["attempts"], window["failures"], window["status"]) == (120, 12, "over")
    assert (window["percent"], window["limit"], window["minutes"]) == (10, 5, 15)
    assert (minute["attempts"], minute["status"]) == (10, "too_few")
    assert staging["environment"] == "staging"
    assert [rate["status"] for rate in staging["rates"]] == ["too_few", "unknown"]
    assert (staging["rates"][0]["failures"], staging["rates"][0]["attempts"]) == (3, 3)
    words = text_of(await visitor.get("/objectives"))
    assert "✗ over 10 % 12 of 120 failed too much: failure rate above 5 % in 15 min" in words
    assert "? too few to tell 0 % 0 of 10 failed; it takes 20 attempts to tell" in words


async def test_the_pictures_are_described_and_need_no_inline_style(
    here: Office, visitor: Inside
) -> None:
    await put(here, lambda session, now: measured(session, "page-load", ago(now, minutes=5), 1900))
    page = await visitor.get("/objectives")
    assert "Page &lt;load&gt; time" in page.text
    (day, week) = re.findall(r"<svg.*?</svg>", page.text, re.S)
    assert "<title" in day
    assert "only 1.9\u00a0s; dashed: target &lt; 2s" in day
    assert 'role="img"' in week
    for forbidden in (" style=", "<style", "<script"):
        assert forbidden not in page.text
    ids = re.findall(r' id="([^"]+)"', page.text)
    assert len(ids) == len(set(ids))
    for needed in re.findall(r'aria-(?:labelledby|describedby)="([^"]+)"', page.text):
        assert needed in ids


async def test_a_viewer_sees_it_and_a_stranger_does_not(visitor: Inside) -> None:
    await visitor.sign_in("Vera", Role.VIEWER)
    assert (await visitor.get("/objectives")).status_code == 200
    visitor.cookies.clear()
    assert (await visitor.get("/objectives")).status_code in (302, 303)
    assert (await visitor.get("/api/v1/objectives")).status_code == 401


async def test_a_lived_in_app_on_both_databases(database_url: str, tmp_path: Path) -> None:
    playbooks = folder(tmp_path / "p", areas=AREAS, objectives=OBJECTIVES)
    async with office(database_url, playbooks) as here, inside(here.responder) as visitor:
        await put(here, lived_in)
        page_load, _ = (await visitor.json("/objectives"))["items"]
        (one,) = page_load["environments"]
        assert one["week"]["readings"] == 7 * 48
        assert 84 <= len(one["week"]["points"]) <= 85
        assert 48 <= len(one["day"]["points"]) <= 49
        assert (await visitor.get("/objectives")).status_code == 200


END, DAY, QUARTER = datetime(2026, 9, 21, tzinfo=UTC), timedelta(days=1), timedelta(minutes=15)


def drawn(*points: tuple[float, float], target: float = 50.0) -> tuple[list[str], Sparkline]:
    """The strokes of a line through values so many hours ago, and the whole picture."""
    placed = [(END - timedelta(hours=hours), value) for hours, value in points]
    found = draw(placed, target, end=END, span=DAY, each=QUARTER)
    return re.findall(r"[ML][^ML]*", found.line), found


def places(strokes: list[str]) -> list[tuple[float, float]]:
    pairs = (one[1:].split() for one in strokes)
    return [(float(x), float(y)) for x, y in pairs]


def test_a_line_stays_in_its_frame_whatever_the_values() -> None:
    for values in ([1e9, -1e9, 3], [50, 50, 50], [0.001, 0.002, 0.0015]):
        strokes, picture = drawn(*zip((25, 12, -1), values, strict=True))
        found = places(strokes)
        assert all(EDGE <= y <= HEIGHT - EDGE for _, y in found)
        assert [x for x, _ in found] == [EDGE, WIDTH / 2, WIDTH - EDGE]
        assert EDGE <= picture.target <= HEIGHT - EDGE


def test_higher_values_are_higher_up_and_the_target_is_among_them() -> None:
    strokes, picture = drawn((3, 100), (2, 0), (1, 50))
    assert [y for _, y in places(strokes)] == [EDGE, HEIGHT - EDGE, HEIGHT / 2]
    assert picture.target == HEIGHT / 2
    assert picture.last == f"M{strokes[-1][1:]}h0"


def test_a_time_with_nothing_measured_is_a_gap() -> None:
    strokes, picture = drawn((20, 1), (19, 2), (10, 3), (9.5, 4), (9, 5), (1, 6))
    assert [one[0] for one in strokes] == ["M", "L", "M", "L", "L"]
    xs = [x for x, _ in places(strokes)]
    assert xs == sorted(xs)
    assert picture.dots == picture.last, "the last one stands alone"


def test_values_that_come_seldom_are_joined_all_the_same() -> None:
    strokes, picture = drawn((18, 1), (12, 2), (6, 3))
    assert [one[0] for one in strokes] == ["M", "L", "L"]
    assert picture.dots == ""


def test_nothing_is_no_line() -> None:
    assert drawn() == ([], Sparkline("", "", "", HEIGHT - EDGE))
