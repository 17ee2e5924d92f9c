"""The value behind a metric alert, which stands only in its prose."""

from __future__ import annotations

from typing import Any

import pytest

from responder.receive.alert import Metric
from tests.receive.samples import SOURCE


def metric(words: Any, aggregate: str = "p95(span.duration)", **rule: Any) -> Metric:
    rule = {"name": "API response", "aggregate": aggregate, **rule}
    data = {"description_text": words, "metric_alert": {"id": "1", "alert_rule": rule}}
    found = SOURCE.normalise("metric_alert", {"action": "critical", "data": data}).metric
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("words", "aggregate", "value"),
    [
        ("0.31 failure rate in the last 5 minutes", "failure_rate()", 0.31),
        (
            "3200.5 p95(span.duration) in the last 5 minutes\nFilter: x",
            "p95(span.duration)",
            3200.5,
        ),
        ("61 events in the last hour", "count()", 61),
        ("0 p95(span.duration) in the last hour", "p95(span.duration)", 0),
        (
            "99.25% sessions crash free rate in the last hour",
            "percentage(sessions_crashed, sessions) AS _crash_rate_alert_aggregate",
            99.25,
        ),
    ],
)
def test_a_leading_number_is_the_value(words: str, aggregate: str, value: float) -> None:
    assert metric(words, aggregate).value == value


@pytest.mark.parametrize(
    "words",
    [
        *("", None, 31, [], "None events in the last hour", "No sessions crash free rate"),
        *("p95(span.duration) is 3200", "about 3 seconds", "-3 events", ".5 events"),
        *("1,234 events in the last hour", "3.2s p95(span.duration)", "5minutes", "3e4 p95", "3."),
        *("0.5% failure rate in the last hour", "1234567890123456 events", "٣ events", "NaN p95"),
        "120 p95(span.duration) higher in the last hour compared to the same time one day ago",
    ],
)
def test_what_may_be_misread_is_no_value(words: object) -> None:
    assert metric(words).value is None


def test_a_change_is_no_value() -> None:
    assert metric("120 events more in the last hour", comparison_delta=1440).value is None
    assert metric("120 events in the last hour", comparison_delta=None).value == 120
