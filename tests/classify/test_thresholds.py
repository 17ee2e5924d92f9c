"""Thresholds: what breaches them, how they are written, how they read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from responder.classify.durations import Duration, in_words, written
from responder.classify.thresholds import Threshold, breached, minute_of, minute_start

NOW = datetime(2026, 3, 4, 10, 30, 40, 5, tzinfo=UTC)
durations = TypeAdapter[timedelta](Duration)


def threshold(**fields: Any) -> Threshold:
    return Threshold.model_validate(fields)


def test_a_count_must_be_more_than_the_threshold() -> None:
    ten = threshold(more_than=10, per="1h")
    assert not breached(ten, 10)
    assert breached(ten, 11)
    assert breached(threshold(more_than=0, per="1h"), 1)
    assert not breached(threshold(more_than=0, per="1h"), 0)


def test_any_alert_breaches_any() -> None:
    assert breached(threshold(any=True), 1)


@pytest.mark.parametrize(
    ("failures", "attempts", "is_breached"),
    [
        (5, 100, False),  # exactly on the threshold
        (6, 100, True),
        (1, 19, False),  # over it, of too few attempts
        (2, 20, True),
        (1, 20, False),
        (1000, None, False),  # nobody knows how often it was tried
        (1000, 0, False),
    ],
)
def test_a_rate_needs_enough_attempts(
    failures: int, attempts: int | None, is_breached: bool
) -> None:
    rate = threshold(failure_rate="5%", per="15m", at_least=20)
    assert breached(rate, failures, attempts) is is_breached


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"any": True}, "any error"),
        ({"more_than": 10, "per": "1h"}, "more than 10 in 1 hour"),
        ({"more_than": 3, "per": "15m"}, "more than 3 in 15 minutes"),
        ({"failure_rate": "5%", "per": "15m"}, "failure rate above 5 % in 15 minutes"),
        ({"failure_rate": "0.5 %", "per": "15m"}, "failure rate above 0.5 % in 15 minutes"),
    ],
)
def test_words(fields: dict[str, Any], words: str) -> None:
    assert threshold(**fields).describe() == words


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "write one of"),
        ({"any": True, "more_than": 1}, "write one of"),
        ({"any": True, "per": "1h"}, "leave `per` out"),
        ({"more_than": 1}, "say in what time"),
        ({"more_than": 1, "per": "30s"}, "from 1 minute to 7 days"),
        ({"more_than": 1, "per": "8d"}, "from 1 minute to 7 days"),
        ({"more_than": 1, "per": "1h", "at_least": 3}, "belongs to a failure rate"),
        ({"more_than": -1, "per": "1h"}, "greater than or equal to 0"),
        ({"failure_rate": 5, "per": "1h"}, "write a percentage such as 5%"),
        ({"failure_rate": "100%", "per": "1h"}, "below 100%"),
        ({"more": 1}, "not permitted"),
    ],
)
def test_mistakes_say_how_to_mend_them(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        threshold(**fields)


def test_minutes_are_utc_minutes() -> None:
    assert minute_start(minute_of(NOW)) == datetime(2026, 3, 4, 10, 30, tzinfo=UTC)
    india = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert minute_of(india) == minute_of(NOW)
    assert minute_start(minute_of(india)).tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "seconds", "words"),
    [
        ("90s", 90, "90 seconds"),
        ("15m", 900, "15 minutes"),
        ("1h", 3600, "1 hour"),
        ("2d", 172_800, "2 days"),
        ("250ms", 0.25, "0.25 seconds"),
        ("1.5h", 5400, "90 minutes"),
        ("0s", 0, "0 seconds"),
    ],
)
def test_durations(text: str, seconds: float, words: str) -> None:
    duration = durations.validate_python(text)
    assert duration == timedelta(seconds=seconds)
    assert in_words(duration) == words
    assert durations.validate_python(written(duration)) == duration


@pytest.mark.parametrize("value", [15, "15", "m", "-5m", "1h30m", "1w", "400d", "", None, [], "٣m"])
def test_a_duration_has_a_unit(value: object) -> None:
    with pytest.raises(ValidationError, match=r"duration|too long"):
        durations.validate_python(value)
