"""What is asked of Sentry's API for figures, and how its answers are read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from responder.receive.outcomes import OutcomesSource
from responder.receive.sentry_figures import (
    RATE_OVER,
    VALUE_OVER,
    Unreadable,
    rate_of,
    rate_question,
    value_of,
    value_question,
    windows,
)

START = datetime(2026, 9, 21, 10, 15, tzinfo=UTC)


def at(time: str) -> datetime:
    return datetime.fromisoformat(f"2026-09-21T{time}+00:00")


@pytest.mark.parametrize(
    ("now", "newest", "oldest"),
    [
        ("10:17:00", "10:15:00", "10:01:00"),
        ("10:17:59.999999", "10:15:00", "10:01:00"),
        ("10:18:00", "10:16:00", "10:02:00"),
    ],
)
def test_minutes_are_over_for_a_minute_and_at_most_fifteen(
    now: str, newest: str, oldest: str
) -> None:
    found = windows(at(now), RATE_OVER)
    assert (found[0], found[-1], len(found)) == (at(newest), at(oldest), 15)


@pytest.mark.parametrize(
    ("now", "newest"),
    [("10:16:00", "10:10:00"), ("10:15:59", "10:05:00"), ("10:20:59", "10:10:00")],
)
def test_five_minutes_are_the_same_for_all(now: str, newest: str) -> None:
    found = windows(at(now), VALUE_OVER)
    assert found[0] == at(newest)
    assert [one - two for one, two in pairwise(found)] == [VALUE_OVER] * 2


def test_windows_go_back_over_midnight() -> None:
    assert windows(at("00:03:00"), RATE_OVER)[1:3] == [at("00:00:00"), at("00:00:00") - RATE_OVER]


def test_an_answer_becomes_a_delivery_named_after_its_minute() -> None:
    one = rate_question("hms", "transaction:/api/hms/* OR x:y", "production", START)
    assert one.query == "(transaction:/api/hms/* OR x:y) is_transaction:true"
    assert (one.start, one.end) == (START, START + timedelta(minutes=1))
    body = one.body({"attempts": 40, "failures": 3})
    source = OutcomesSource()
    assert (
        source.describe({}, body).key
        == one.key
        == rate_question("hms", "q", "production", START).key
    )
    measure = source.normalise("area", json.loads(body)).measure
    assert measure is not None
    assert (measure.area, measure.attempts, measure.failures) == ("hms", 40, 3)
    alert = source.normalise("area", json.loads(body))
    assert (alert.environment, alert.occurred_at) == ("production", START)


def test_questions_about_other_things_are_other_deliveries() -> None:
    questions = [
        rate_question("hms", "q", "", START),
        rate_question("hms", "q", "production", START),
        rate_question("hms", "q", "", START + RATE_OVER),
        rate_question("webhooks", "q", "", START),
        value_question("hms", "spans", "p95(span.duration)", "", "", START),
    ]
    assert len({question.key for question in questions}) == len(questions)
    assert all(len(question.key) <= 200 for question in questions)


def test_a_value_is_of_the_end_of_its_time() -> None:
    one = value_question("api-response", "spans", "p95(span.duration)", "span.op:db", "", START)
    alert = OutcomesSource().normalise("objective", json.loads(one.body({"value": 1250.5})))
    assert alert.occurred_at == START + timedelta(minutes=5)
    assert alert.measure is not None
    assert (alert.measure.objective, alert.measure.value) == ("api-response", 1250.5)


def rate(count: object, failure_rate: object) -> object:
    return rate_of({"data": [{"count()": count, "failure_rate()": failure_rate}]})


@pytest.mark.parametrize(
    ("count", "failure_rate", "expected"),
    [
        (200, 0.05, (200, 10)),
        (200, 0, (200, 0)),
        (3, 1, (3, 3)),
        (7, 2 / 7, (7, 2)),
        (99.6, 0.5, (100, 50)),  # extrapolated from samples
        (0.2, 0.0, (1, 0)),
        (0, None, None),
        (0, float("nan"), None),
        (None, None, None),
        (float("nan"), float("nan"), None),
        ("200", 0.05, None),
        (True, 0.05, None),
    ],
)
def test_attempts_and_failures(count: object, failure_rate: object, expected: object) -> None:
    assert rate(count, failure_rate) == expected


@pytest.mark.parametrize(
    ("count", "failure_rate"),
    [(10, None), (10, float("nan")), (10, 5), (10, -0.1), (10, "0.1"), (-3, 0.1), (1e12, 0.1)],
)
def test_a_rate_that_can_not_be_is_not_taken_for_none(count: object, failure_rate: object) -> None:
    with pytest.raises(Unreadable, match=r"failure_rate\(\) is"):
        rate(count, failure_rate)


@pytest.mark.parametrize(
    "answer",
    [{}, {"data": None}, {"data": {}}, {"data": [{}]}, {"data": [7]}, {"data": [{"count()": 3}]}],
)
def test_an_answer_without_the_figures_is_unreadable(answer: dict[str, object]) -> None:
    with pytest.raises(Unreadable, match="there is no"):
        rate_of(answer)


def test_no_rows_are_no_figures() -> None:
    assert rate_of({"data": []}) is None
    assert value_of({"data": []}, "p95(x)") is None


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (1250.5, "millisecond", 1250.5),
        (1.25, "second", 1250.0),
        (0.31, None, 0.31),
        (0.31, 7, 0.31),
        (5, "percentage", 5.0),
        (0, "millisecond", 0.0),
        (None, "millisecond", None),
        (float("nan"), "millisecond", None),
        (float("inf"), None, None),
        (10**400, None, None),
        ("3", None, None),
        (True, None, None),
        ([3], None, None),
    ],
)
def test_values_in_milliseconds(value: object, unit: object, expected: object) -> None:
    answer = {"data": [{"p95(x)": value}], "meta": {"units": {"p95(x)": unit}}}
    assert value_of(answer, "p95(x)") == expected
    assert value_of({"data": answer["data"]}, "p95(x)") == (
        expected if unit != "second" else value
    ), "meta may be missing"


def test_a_value_that_is_missing_is_unreadable() -> None:
    with pytest.raises(Unreadable, match=r"there is no p95\(x\)"):
        value_of({"data": [{"p95(y)": 1}]}, "p95(x)")
