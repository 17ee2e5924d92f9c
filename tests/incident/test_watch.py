"""When an incident's trouble counts as gone down, and when it goes on after all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from responder.classify.areas import Area
from responder.classify.thresholds import minute_of
from responder.incident.watch import Watched, calmed, goes_on

NOW = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)
ANY = {"any": True}
HOURLY = {"more_than": 10, "per": "1h"}
RATE = {"failure_rate": "5%", "per": "15m", "at_least": 20}


def area(*threshold: dict[str, Any], **more: Any) -> Area:
    given = {"title": "Credits", "severity": "critical", "threshold": list(threshold), **more}
    return Area.model_validate(given)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def watched(opened: float = 600, alerts: dict[int, int] | None = None, **more: Any) -> Watched:
    """An incident opened so long ago, with so many alerts so many minutes ago."""
    counts = {minute_of(ago(minutes)): count for minutes, count in (alerts or {}).items()}
    last = min(alerts, default=None) if alerts else None
    return Watched(
        area="credits",
        since=ago(opened),
        last_alert=ago(last) if last is not None else ago(opened),
        alerts={"credits": counts, **more.pop("families", {})},
        **more,
    )


def test_any_error_asks_for_a_quarter_of_an_hour_without_one() -> None:
    assert calmed(watched(14), area(ANY), now=NOW) is None
    assert calmed(watched(600, {14: 1}), area(ANY), now=NOW) is None
    assert calmed(watched(600, {15: 1}), area(ANY), now=NOW) is None, "a minute is not a moment"
    calm = calmed(watched(600, {16: 1}), area(ANY), now=NOW)
    assert calm is not None
    assert calm.text == (
        "The error rate has fallen: 0 in the last 15 minutes. Resolve it once you are sure."
    )
    assert calm.since == ago(15)


def test_a_count_asks_for_half_of_it_in_a_whole_window_of_the_incidents_own() -> None:
    assert calmed(watched(120, {5: 6}), area(HOURLY), now=NOW) is None
    calm = calmed(watched(120, {5: 3, 50: 2, 100: 40}), area(HOURLY), now=NOW)
    assert calm is not None
    assert calm.text.startswith("The error rate has fallen: 5 in the last 1 hour.")
    assert calm.since == ago(5)
    assert calmed(watched(59, {5: 1}), area(HOURLY), now=NOW) is None, "it has only begun"


def test_sentrys_word_makes_a_long_wait_short() -> None:
    said = "Sentry: issue resolved by Rosa"
    assert calmed(watched(20), area(HOURLY), now=NOW) is None
    assert calmed(watched(14, said=said), area(HOURLY), now=NOW) is None
    calm = calmed(watched(20, said=said), area(HOURLY), now=NOW)
    assert calm is not None
    assert calm.text == (
        "The error rate has fallen: 0 in the last 15 minutes; Sentry: issue resolved by Rosa. "
        "Resolve it once you are sure."
    )
    assert calmed(watched(600, {3: 6}, said=said), area(HOURLY), now=NOW) is None


def test_a_rate_must_be_down_too() -> None:
    both = area(RATE, HOURLY)
    high = {minute_of(ago(5)): (100, 3)}
    low = {minute_of(ago(5)): (100, 2)}
    assert calmed(watched(outcomes=high), both, now=NOW) is None
    calm = calmed(watched(outcomes=low), both, now=NOW)
    assert calm is not None
    assert "2 of 100 failed in the last 15 minutes, 0 in the last 1 hour" in calm.text
    unknown = calmed(watched(), area(RATE), now=NOW)
    assert unknown is not None
    assert unknown.text.startswith("Nothing more was heard in 15 minutes.")


def test_so_must_every_family() -> None:
    timeouts = {
        "title": "Timeouts",
        "messages": ["timeout"],
        "severity": "high",
        "warn": {"more_than": 5, "per": "5m"},
    }
    with_family = area(HOURLY, families={"timeouts": timeouts})
    for count, good in ((3, False), (2, True)):
        families = {"credits/timeouts": {minute_of(ago(2)): count}}
        calm = calmed(watched(600, {2: count}, families=families), with_family, now=NOW)
        assert (calm is not None) is good


def test_a_metric_alert_that_fires_is_not_over() -> None:
    assert calmed(watched(firing=True), area(HOURLY), now=NOW) is None
    assert goes_on(watched(firing=True), area(HOURLY), now=NOW).startswith("It goes on: Sentry")


def test_nor_are_figures_that_are_bad() -> None:
    assert calmed(watched(breach=ago(14)), area(HOURLY), now=NOW) is None
    assert calmed(watched(breach=ago(15)), area(HOURLY), now=NOW) is not None
    assert goes_on(watched(breach=ago(14)), area(HOURLY), now=NOW)
    assert goes_on(watched(breach=ago(15)), area(HOURLY), now=NOW) == ""


def test_what_calmed_down_goes_on_only_above_its_threshold() -> None:
    between = {minute_of(ago(5)): (100, 4)}
    above = {minute_of(ago(5)): (100, 6)}
    assert calmed(watched(outcomes=between), area(RATE), now=NOW) is None
    assert goes_on(watched(outcomes=between), area(RATE), now=NOW) == ""
    assert "6 of 100 failed" in goes_on(watched(outcomes=above), area(RATE), now=NOW)


def test_counts_alone_are_told_when_alerts_come() -> None:
    assert goes_on(watched(600, {1: 100}), area(ANY, HOURLY), now=NOW) == ""
